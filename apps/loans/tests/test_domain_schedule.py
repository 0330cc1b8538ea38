"""Plans by every method and day count, due dates, rounding, disclosure, and what is refused."""

import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pyxirr

from apps.loans.domain import (
    BadTerms,
    DayCount,
    RateAboveCap,
    Repricing,
    build_schedule,
    floating_rate,
    make_quote,
    periodic_irr,
    quote_from_json,
    reset_dates,
    xirr,
)
from apps.loans.domain.daycount import BASIS, year_units
from apps.loans.tests.builders import CAR_LOAN, car_loan, day, yuan

ORACLES = json.loads((Path(__file__).parent / "data" / "schedules.json").read_text(encoding="utf-8"))

REQUEST: dict[str, Any] = CAR_LOAN | {"installments": 12}


def fraction(day_count: str, first: str, last: str, anchor: int | None = None) -> Decimal:
    count = DayCount(day_count)
    return year_units(count, day(first), day(last), anchor) / BASIS[count]


@pytest.mark.parametrize("oracle", ORACLES, ids=[oracle["id"] for oracle in ORACLES])
def test_every_row_agrees_with_the_oracle(oracle: dict[str, Any]) -> None:
    answer = quote_from_json(oracle["request"])

    assert answer["schedule"] == oracle["expected"]
    assert answer["installment"] == oracle["expected"][0]["total"]


@pytest.mark.parametrize(
    ("day_count", "first", "last", "anchor", "expected"),
    [
        ("30/360", "2025-01-10", "2025-02-20", 20, "40/360"),
        ("30/360", "2025-01-25", "2025-03-20", 20, "53/360"),
        ("30/360", "2025-01-31", "2025-02-28", 31, "30/360"),
        ("30/360", "2025-02-28", "2025-03-31", 31, "30/360"),
        ("30/360", "2025-02-28", "2025-03-31", 28, "33/360"),
        ("30/360", "2024-02-29", "2024-03-29", 29, "30/360"),
        ("30/360", "2025-07-20", "2025-08-05", 20, "16/360"),
        ("30/360", "2025-07-20", "2025-08-19", 20, "30/360"),
        ("30/360", "2025-01-20", "2025-01-20", 20, "0/360"),
        ("30/360", "2024-12-31", "2025-12-31", 31, "360/360"),
        ("act/365", "2024-02-01", "2024-03-01", None, "29/365"),
        ("act/360", "2024-02-01", "2024-03-01", None, "29/360"),
        ("act/364", "2025-01-01", "2025-01-08", None, "7/364"),
        ("act/act", "2024-02-01", "2024-03-01", None, "29/366"),
        ("act/act", "2025-02-01", "2025-03-01", None, "28/365"),
    ],
)
def test_fractions_of_a_year(day_count: str, first: str, last: str, anchor: int | None, expected: str) -> None:
    numerator, denominator = expected.split("/")

    assert fraction(day_count, first, last, anchor) == Decimal(numerator) / Decimal(denominator)


def test_act_act_is_cut_on_the_first_of_january() -> None:
    units = year_units(DayCount.ACT_ACT, day("2023-12-12"), day("2024-01-12"))

    assert units == 20 * 366 + 11 * 365
    assert year_units(DayCount.ACT_ACT, day("2023-07-01"), day("2026-07-01")) == 3 * 365 * 366


def due_dates(**changes: Any) -> list[str]:
    return [row.due_date.isoformat() for row in build_schedule(car_loan(**changes)).rows]


def test_the_due_day_is_an_anchor_that_short_months_do_not_wear_down() -> None:
    dates = due_dates(start="2025-01-31", first_due="2025-02-28", due_day=31, installments=4)

    assert dates == ["2025-02-28", "2025-03-31", "2025-04-30", "2025-05-31"]


def test_without_a_due_day_the_day_of_the_first_due_date_counts() -> None:
    assert due_dates(start="2025-01-31", first_due="2025-02-28", installments=2) == ["2025-02-28", "2025-03-28"]


@pytest.mark.parametrize(
    ("frequency", "every", "expected"),
    [
        ("month", 3, ["2025-02-20", "2025-05-20", "2025-08-20"]),
        ("week", 2, ["2025-02-20", "2025-03-06", "2025-03-20"]),
        ("day", 10, ["2025-02-20", "2025-03-02", "2025-03-12"]),
    ],
)
def test_frequencies(frequency: str, every: int, expected: list[str]) -> None:
    assert due_dates(frequency=frequency, every=every, installments=3) == expected


def test_a_due_date_moves_to_a_working_day_without_changing_the_interest() -> None:
    def weekday(candidate: date) -> bool:
        return candidate.weekday() < 5

    terms = car_loan()
    stays = build_schedule(terms)
    moves = build_schedule(_moving(), is_working_day=weekday)

    assert moves.rows[3].due_date == stays.rows[3].due_date == day("2025-05-20")
    assert stays.rows[2].due_date == day("2025-04-20")
    assert moves.rows[2].due_date == day("2025-04-21")
    assert [row.interest for row in moves.rows] == [row.interest for row in stays.rows]
    with pytest.raises(BadTerms, match="working-day calendar"):
        build_schedule(_moving())


def _moving() -> Any:
    from dataclasses import replace

    return replace(car_loan(), move_to_working_day=True)


def rows_of(method: str, **changes: Any) -> list[tuple[str, str, str]]:
    request = {"principal": "1000", "annual_rate": "12", "installments": 3, "day_count": "30/360", "method": method}
    terms = car_loan(**(request | {"start": "2025-01-15", "first_due": "2025-02-15"} | changes))
    return [(str(row.principal), str(row.interest), str(row.balance)) for row in build_schedule(terms).rows]


@pytest.mark.parametrize(
    ("method", "changes", "expected"),
    [
        ("equal_installment", {}, [("330.02", "10.00", "669.98"), ("333.32", "6.70", "336.66"), ("336.66", "3.37", "0.00")]),
        ("equal_principal", {}, [("333.33", "10.00", "666.67"), ("333.33", "6.67", "333.34"), ("333.34", "3.33", "0.00")]),
        ("equal_principal", {"multiple": "10"}, [("330.00", "10.00", "670.00"), ("330.00", "6.70", "340.00"), ("340.00", "3.40", "0.00")]),
        ("interest_first", {}, [("0.00", "10.00", "1000.00"), ("0.00", "10.00", "1000.00"), ("1000.00", "10.00", "0.00")]),
        ("flat", {}, [("333.33", "10.00", "666.67"), ("333.33", "10.00", "333.34"), ("333.34", "10.00", "0.00")]),
        ("bullet", {"installments": 1, "first_due": "2025-04-15"}, [("1000.00", "30.00", "0.00")]),
        ("balloon", {"balloon": "400"}, [("198.01", "10.00", "801.99"), ("199.99", "8.02", "602.00"), ("602.00", "6.02", "0.00")]),
        ("custom", {"shares": "0.5,0.3,0.2"}, [("500.00", "10.00", "500.00"), ("300.00", "5.00", "200.00"), ("200.00", "2.00", "0.00")]),
        ("step", {"shares": ["0.2", "0.2", "0.6"]}, [("200.00", "10.00", "800.00"), ("200.00", "8.00", "600.00"),
          ("600.00", "6.00", "0.00")]),
    ],
)  # fmt: skip
def test_methods(method: str, changes: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert rows_of(method, **changes) == expected


@pytest.mark.parametrize(
    ("method", "changes", "expected"),
    [
        # Two rows of interest, then three of 340.02 as above.
        ("equal_installment", {"installments": 5, "principal_grace": 2}, [("0.00", "10.00", "1000.00"), ("0.00", "10.00", "1000.00"),
          ("330.02", "10.00", "669.98"), ("333.32", "6.70", "336.66"), ("336.66", "3.37", "0.00")]),
        ("equal_principal", {"principal_grace": 1}, [
          ("0.00", "10.00", "1000.00"), ("500.00", "10.00", "500.00"), ("500.00", "5.00", "0.00")]),
        # 10.00 + 6.667 and 10.00 + 6.6998, rounded once.
        ("equal_principal", {"interest_grace": 1}, [
          ("333.33", "0.00", "666.67"), ("333.33", "16.67", "333.34"), ("333.34", "3.33", "0.00")]),
        ("equal_installment", {"interest_grace": 1}, [
          ("330.02", "0.00", "669.98"), ("333.32", "16.70", "336.66"), ("336.66", "3.37", "0.00")]),
        ("interest_first", {"interest_grace": 2}, [("0.00", "0.00", "1000.00"), ("0.00", "0.00", "1000.00"), ("1000.00", "30.00", "0.00")]),
        ("equal_principal", {"interest_free": 1}, [("333.33", "0.00", "666.67"), ("333.33", "6.67", "333.34"), ("333.34", "3.33", "0.00")]),
        ("flat", {"interest_free": 3}, [("333.33", "0.00", "666.67"), ("333.33", "0.00", "333.34"), ("333.34", "0.00", "0.00")]),
    ],
)  # fmt: skip
def test_grace_and_interest_free_instalments(method: str, changes: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert rows_of(method, **changes) == expected


def test_interest_of_a_long_first_period_can_come_on_top_of_the_first_instalment() -> None:
    # From 5 January: a month and ten days, 13.33, of which 3.33 come on top of 340.02.
    found = rows_of("equal_installment", start="2025-01-05", first_interest="added")

    assert found == [("330.02", "13.33", "669.98"), ("333.32", "6.70", "336.66"), ("336.66", "3.37", "0.00")]
    assert rows_of("equal_installment", first_interest="added") == rows_of("equal_installment")


def test_in_a_month_without_the_due_day_the_first_of_the_next_can_stand_in() -> None:
    changes: dict[str, Any] = {"start": "2025-01-15", "due_day": 31, "month_end": "next_first", "installments": 4}

    assert due_dates(first_due="2025-01-31", **changes) == ["2025-01-31", "2025-03-01", "2025-03-31", "2025-05-01"]
    assert due_dates(first_due="2025-03-01", **changes) == ["2025-03-01", "2025-03-31", "2025-05-01", "2025-05-31"]
    with pytest.raises(BadTerms, match="not on due day 31"):
        due_dates(first_due="2025-02-28", **changes)


def test_whole_yuan_instalments_leave_the_remainder_to_the_last_row() -> None:
    totals = [row.total for row in build_schedule(car_loan(multiple="1")).rows]

    assert set(totals[:-1]) == {yuan("5597.00")}
    assert totals[-1] == yuan("5593.17")


def test_even_out_moves_the_instalment_one_step_when_the_last_row_misses_by_more_than_half_a_step_a_row() -> None:
    changes: dict[str, Any] = {"principal": "240", "annual_rate": "12", "first_due": "2025-02-10"}

    uneven = build_schedule(car_loan(**changes)).rows
    evened = build_schedule(car_loan(**changes, even_out=True)).rows

    assert (str(uneven[0].total), str(uneven[-1].total)) == ("11.29", "11.45")
    assert (str(evened[0].total), str(evened[-1].total)) == ("11.30", "11.19")


def test_even_out_leaves_a_plan_alone_that_misses_by_less() -> None:
    assert build_schedule(car_loan(even_out=True)) == build_schedule(car_loan())


def test_half_even_rounds_exact_halves_to_the_even_cent() -> None:
    changes = {"principal": "1000.50", "annual_rate": "12", "installments": 2, "day_count": "30/360"}
    changes |= {"start": "2025-01-15", "first_due": "2025-02-15", "method": "interest_first"}

    # 1,000.50 x 1 % = 10.005 exactly.
    assert str(build_schedule(car_loan(**changes)).rows[0].interest) == "10.01"
    assert str(build_schedule(car_loan(**changes, rounding="half_even")).rows[0].interest) == "10.00"


def test_an_exact_half_stays_exact_through_a_twelfth_of_a_year() -> None:
    changes = {"principal": "100.50", "annual_rate": "12", "installments": 1, "day_count": "30/360"}
    terms = car_loan(**changes, start="2025-01-15", first_due="2025-02-15")

    assert str(build_schedule(terms).rows[0].interest) == "1.01"


def test_a_first_period_too_long_for_the_instalment_pays_interest_only() -> None:
    rows = build_schedule(car_loan(installments=60, start="2025-01-10", first_due="2025-08-20", annual_rate="20")).rows

    assert rows[0].principal == 0
    assert sum(row.principal for row in rows) == 120000


def test_the_periodic_rate_agrees_with_pyxirr() -> None:
    terms = car_loan(fee_upfront="1200", installments=36)
    totals = [row.total for row in build_schedule(terms).rows]

    ours = periodic_irr(yuan("118800"), totals)

    assert ours == pytest.approx(pyxirr.irr([-118800.0, *map(float, totals)]), abs=1e-10)


def test_the_dated_rate_agrees_with_pyxirr() -> None:
    rows = build_schedule(car_loan()).rows
    flows = [(day("2025-01-10"), yuan("-120000")), *((row.due_date, row.total) for row in rows)]

    theirs = pyxirr.xirr([when for when, _ in flows], [float(amount) for _, amount in flows])

    assert xirr(flows) == pytest.approx(theirs, abs=1e-9)
    with pytest.raises(ValueError, match="no internal rate"):
        xirr([(day("2025-01-10"), yuan("100")), (day("2025-02-10"), yuan("100"))])


@pytest.mark.parametrize(
    ("frequency", "every", "rate"), [("month", 1, "12.00"), ("month", 3, "12.00"), ("week", 1, "12.00"), ("day", 1, "12.00")]
)
def test_periods_a_year(frequency: str, every: int, rate: str) -> None:
    day_count = {"month": "30/360", "week": "act/364", "day": "act/365"}[frequency]
    days = {"month": 0, "week": 7, "day": 1}[frequency] * every
    first_due = day("2025-01-15") + timedelta(days=days) if days else date(2025, 1 + every, 15)
    terms = car_loan(
        principal="1000000", annual_rate="12", installments=8, day_count=day_count, frequency=frequency,
        every=every, start="2025-01-15", first_due=first_due.isoformat(),
    )  # fmt: skip

    assert str(make_quote(terms).apr_irr) == rate


@pytest.mark.parametrize(("first_due", "effective"), [("2025-07-15", "10.25"), ("2026-01-15", "10.00"), ("2025-02-15", "10.47")])
def test_a_bullet_loan_is_one_period_as_long_as_the_loan(first_due: str, effective: str) -> None:
    terms = car_loan(annual_rate="10", method="bullet", installments=1, day_count="30/360", start="2025-01-15", first_due=first_due)

    quote = make_quote(terms)

    assert (str(quote.apr_irr), str(quote.effective_rate)) == ("10.00", effective)


def test_a_rate_above_the_cap_is_refused_with_both_numbers() -> None:
    with pytest.raises(RateAboveCap, match=r"26\.\d\d %, above the cap of 24\.00 %") as refused:
        quote_from_json(REQUEST | {"annual_rate": "23.9", "fee_upfront": "1000"})
    assert refused.value.cap == "24.00"

    assert quote_from_json(REQUEST | {"annual_rate": "24", "day_count": "30/360", "start": "2025-01-20"})["apr_irr"] == "24.00"


def test_a_fee_that_swallows_the_loan_is_refused_not_a_crash() -> None:
    with pytest.raises(RateAboveCap):
        quote_from_json(REQUEST | {"fee_upfront": "119999.99"})


def test_the_public_shape_of_a_quote() -> None:
    answer = quote_from_json(REQUEST | {"fee_upfront": 600})

    assert list(answer) == ["installment", "total_interest", "fees", "total_cost", "apr_irr", "effective_rate", "schedule"]
    assert list(answer["schedule"][0]) == ["no", "due_date", "days", "principal", "interest", "total", "balance"]
    assert answer["fees"] == "600.00"
    assert Decimal(answer["total_cost"]) == Decimal(answer["total_interest"]) + 600
    assert json.loads(json.dumps(answer)) == answer


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("principal", "-1"), ("principal", "NaN"), ("principal", "0"), ("principal", "1.001"), ("principal", 1.5),
        ("principal", "10000000001"), ("principal", True), ("principal", None), ("principal", ["1"]),
        ("annual_rate", "-0.1"), ("annual_rate", "inf"), ("annual_rate", "9.1234567"), ("annual_rate", "1001"),
        ("annual_rate", "1e1"),
        ("installments", 0), ("installments", "2.5"), ("installments", 1201), ("installments", "x"),
        ("method", "equal"), ("method", None), ("day_count", "act/366"), ("day_count", 365),
        ("start", "2025-02-30"), ("start", "20250110"), ("start", "1900-01-01"), ("start", "2025-02-20"),
        ("first_due", "2025-01-10"), ("first_due", "2024-12-31"), ("first_due", ""),
        ("due_day", 21), ("due_day", 0), ("due_day", 32), ("frequency", "year"), ("every", 0), ("every", 1000),
        ("fee_upfront", "120000"), ("fee_upfront", "-5"), ("balloon", "100"), ("shares", "0.5,0.5"),
        ("multiple", "0"), ("multiple", "0.001"), ("rounding", "ceiling"), ("even_out", "yes"), ("evenout", True),
    ],
)  # fmt: skip
def test_bad_input_names_its_field(field: str, value: Any) -> None:
    with pytest.raises(BadTerms) as refused:
        quote_from_json(REQUEST | {field: value})
    assert refused.value.field in (field, "first_due")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"method": "balloon"}, "balloon"),
        ({"method": "balloon", "balloon": "120000"}, "balloon"),
        ({"method": "custom"}, "shares"),
        ({"method": "custom", "installments": 2, "shares": "0.5,0.4"}, "shares"),
        ({"method": "custom", "installments": 2, "shares": "0.5,0.3,0.2"}, "shares"),
        ({"method": "step", "installments": 2, "shares": ["1.5", "-0.5"]}, "shares"),
        ({"installments": 1200, "every": 12}, "installments"),
        ({"principal_grace": 12}, "principal_grace"),
        ({"principal_grace": -1}, "principal_grace"),
        ({"principal_grace": "1.5"}, "principal_grace"),
        ({"method": "interest_first", "principal_grace": 1}, "principal_grace"),
        ({"interest_grace": 12}, "interest_grace"),
        ({"method": "bullet", "interest_grace": 1}, "interest_grace"),
        ({"interest_free": 13}, "interest_free"),
        ({"interest_free": True}, "interest_free"),
        ({"month_end": "first"}, "month_end"),
    ],
)
def test_terms_that_do_not_fit_together_are_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(BadTerms) as refused:
        quote_from_json(REQUEST | changes)
    assert refused.value.field == field


@pytest.mark.parametrize("request_", [None, [], "x", {}, {"principal": "1"}])
def test_a_request_that_is_no_request_is_refused(request_: Any) -> None:
    with pytest.raises(BadTerms):
        quote_from_json(request_)


def test_floating_rates_and_their_reset_days() -> None:
    assert floating_rate(Decimal("0.03"), 120) == Decimal("0.042")
    assert floating_rate(Decimal("0.035"), -50) == Decimal("0.03")
    with pytest.raises(BadTerms):
        floating_rate(Decimal("0.03"), -301)

    start, end = day("2024-01-31"), day("2025-03-31")
    assert reset_dates(Repricing.YEARLY_1_JANUARY, start, end) == [day("2025-01-01")]
    assert reset_dates(Repricing.YEARLY_ANNIVERSARY, start, end) == [day("2025-01-31")]
    assert reset_dates(Repricing.QUARTERLY, start, end)[:2] == [day("2024-04-30"), day("2024-07-31")]
    assert reset_dates(Repricing.MONTHLY, start, end)[:2] == [day("2024-02-29"), day("2024-03-31")]


SMALL = {
    "principal": "1200", "annual_rate": "12", "day_count": "30/360", "start": "2025-01-15", "first_due": "2025-02-15",
    "method": "equal_principal", "installments": 12,
}  # fmt: skip
OPENING = {"name": "opening", "when": "disbursement", "of": "amount", "percent": "2"}
MONTHLY = {"name": "service", "when": "instalment", "of": "flat", "amount": "1"}
HALVES = [{"on": "2025-01-15", "amount": "600"}, {"on": "2025-02-15", "amount": "600"}]


def cost(**changes: Any) -> tuple[str, ...]:
    answer = quote_from_json(SMALL | changes)
    return tuple(answer[name] for name in ("total_interest", "fees", "total_cost", "apr_irr", "effective_rate"))


def test_a_quote_counts_the_fees_of_the_terms() -> None:
    assert cost() == ("78.00", "0.00", "78.00", "12.00", "12.68")
    assert cost(fees=[MONTHLY]) == ("78.00", "12.00", "90.00", "13.81", "14.72")
    # 2 % of what is paid out is the same as 24.00 up front, and both add up.
    assert cost(fees=[OPENING]) == cost(fee_upfront="24") == ("78.00", "24.00", "102.00", "15.92", "17.14")
    assert cost(fees=[OPENING], fee_upfront="12")[1:3] == ("36.00", "114.00")
    # A fee for being late is no cost of a loan that is paid in time.
    assert cost(fees=[{"name": "late", "when": "overdue", "of": "flat", "amount": "8"}]) == cost()
    rows = quote_from_json(SMALL | {"fees": [MONTHLY]})["schedule"]
    assert {(row["fee"], row["total"]) for row in rows[:1]} == {("1.00", "112.00")}


def test_the_rate_with_fees_is_the_internal_rate_of_return() -> None:
    totals = [float(row["total"]) + 1 for row in quote_from_json(SMALL | {"fees": [MONTHLY, OPENING]})["schedule"]]

    theirs = pyxirr.irr([-1176.0, *totals])

    assert cost(fees=[MONTHLY, OPENING])[3] == f"{theirs * 1200:.2f}"


def test_a_quote_counts_planned_tranches_from_their_days() -> None:
    # 6.00 on the first 600.00, then 11.50, 10.45 … on 1,150.00: one per cent a month, whenever the money comes.
    assert cost(tranches=HALVES) == ("75.00", "0.00", "75.00", "12.00", "12.68")
    assert cost(tranches=HALVES, fees=[OPENING]) == ("75.00", "24.00", "99.00", "16.07", "17.31")
    rows = quote_from_json(SMALL | {"tranches": HALVES})["schedule"]
    assert [(row["principal"], row["interest"], row["balance"]) for row in rows[:2]] == [
        ("50.00", "6.00", "1150.00"), ("104.55", "11.50", "1045.45"),
    ]  # fmt: skip
    theirs = pyxirr.irr([-588.0, 56.0 - 588.0, *(float(row["total"]) for row in rows[1:])])
    assert theirs * 1200 == pytest.approx(16.07, abs=0.005)
    # In the middle of a period: 15 of 31 days.
    assert cost(tranches=[HALVES[0], HALVES[1] | {"on": "2025-01-30"}])[0] == "75.00"


def test_a_quote_above_the_cap_with_its_fees_is_refused_with_both_numbers() -> None:
    with pytest.raises(RateAboveCap, match=r"26\.21 %, above the cap of 24\.00 %"):
        cost(fees=[MONTHLY | {"amount": "8"}])
    with pytest.raises(RateAboveCap, match=r"above the cap of 16\.00 %"):
        cost(tranches=HALVES, fees=[OPENING], rate_cap="16")


def test_a_tranche_after_the_last_due_date_cannot_be_quoted() -> None:
    late = [HALVES[0], HALVES[1] | {"on": "2026-02-15"}]
    with pytest.raises(BadTerms, match="pay this tranche back"):
        cost(tranches=late)
