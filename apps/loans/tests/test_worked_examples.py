"""The worked examples of docs/rules, to the 分."""

from decimal import Decimal

import pytest

from apps.loans.domain import LoanState, LoanStatus, build_schedule, make_quote, periodic_irr
from apps.loans.tests.builders import car_loan, on, paid_on_time, shown, tx, yuan

BOTH = ("act/365", "30/360")

FIRST_ROWS = {
    "act/365": [("41", "1455.78", "4141.08", "115858.92"), ("28", "959.88", "4636.98", "111221.94")],
    "30/360": [("41", "1440.00", "4158.40", "115841.60"), ("28", "1042.57", "4555.83", "111285.77")],
}
INSTALLMENT = {"act/365": "5596.86", "30/360": "5598.40"}
LAST_ROW = {"act/365": ("50.87", "5545.87", "5596.74"), "30/360": ("49.94", "5548.48", "5598.42")}
LATE = {"act/365": ("4576.67", "20.31"), "30/360": ("4596.83", "20.69")}
PAYOFF = {"act/365": ("438.40", "92600.91", "93039.31"), "30/360": ("444.71", "92648.74", "93093.45")}
PREPAID = {"act/365": ("29561.60", "63039.31"), "30/360": ("29555.29", "63093.45")}
REDUCED = {
    "act/365": ("3792.26", "279.79", "3512.47", "3792.26", "5221.37"),
    "30/360": ("3794.35", "264.99", "3529.36", "3794.42", "5204.92"),
}
SHORTENED = {
    "act/365": ("279.79", "5317.07", "4888.65", "3414.80"),
    "30/360": ("264.99", "5333.41", "4911.27", "3400.22"),
}


@pytest.mark.parametrize("day_count", BOTH)
def test_the_plan_of_the_car_loan(day_count: str) -> None:
    schedule = build_schedule(car_loan(day_count=day_count))

    shown_rows = [(str(r.days), str(r.interest), str(r.principal), str(r.balance)) for r in schedule.rows[:2]]
    last = schedule.rows[-1]
    assert shown_rows == FIRST_ROWS[day_count]
    assert {str(row.total) for row in schedule.rows[:-1]} == {INSTALLMENT[day_count]}
    assert (str(last.interest), str(last.principal), str(last.total)) == LAST_ROW[day_count]


@pytest.mark.parametrize("day_count", BOTH)
def test_an_instalment_ten_days_late_bears_penalty_on_its_unpaid_principal(day_count: str) -> None:
    terms = car_loan(day_count=day_count)
    principal, penalty = LATE[day_count]

    state = on(terms, paid_on_time(terms, 2), "2025-04-30")

    assert str(state.rows[2].installment.principal) == principal
    assert str(state.outstanding["penalty"]) == penalty
    assert state.penalty_rate == Decimal("0.162")
    assert (state.status, state.dpd) == (LoanStatus.OVERDUE, 10)


@pytest.mark.parametrize("day_count", BOTH)
def test_the_late_instalment_with_its_penalty_clears_the_arrears(day_count: str) -> None:
    terms = car_loan(day_count=day_count)
    amount = yuan(INSTALLMENT[day_count]) + yuan(LATE[day_count][1])

    state = on(terms, [*paid_on_time(terms, 2), tx("late", "repayment", "2025-04-30", str(amount))], "2025-04-30")

    assert (state.status, state.dpd, state.credit) == (LoanStatus.ACTIVE, 0, 0)
    assert str(state.transactions[-1].allocated["penalty"]) == LATE[day_count][1]


@pytest.mark.parametrize("day_count", BOTH)
def test_payoff_in_the_middle_of_a_period(day_count: str) -> None:
    terms = car_loan(day_count=day_count)

    state = on(terms, paid_on_time(terms, 6), "2025-08-05")

    payoff = state.payoff
    assert (str(payoff.interest), str(payoff.principal), str(payoff.total)) == PAYOFF[day_count]
    assert str(state.accrued_interest) == PAYOFF[day_count][0]


def prepaid(day_count: str, mode: str) -> LoanState:
    terms = car_loan(day_count=day_count)
    history = [*paid_on_time(terms, 6), tx("p", "prepayment", "2025-08-05", "30000", mode=mode)]
    return on(terms, history, "2025-08-05")


@pytest.mark.parametrize("day_count", BOTH)
def test_a_prepayment_pays_interest_run_first_and_then_principal(day_count: str) -> None:
    state = prepaid(day_count, "reduce")

    principal, balance = PREPAID[day_count]
    assert shown(state.transactions[-1].allocated) == {"interest": PAYOFF[day_count][0], "principal": principal}
    assert shown(state.outstanding) == {"principal": balance}


@pytest.mark.parametrize("day_count", BOTH)
def test_reduce_keeps_the_number_of_instalments(day_count: str) -> None:
    rows = [row.installment for row in prepaid(day_count, "reduce").rows[6:]]

    installment, interest, principal, last_total, to_come = REDUCED[day_count]
    assert len(rows) == 18
    assert {str(row.principal + row.interest) for row in rows[:-1]} == {installment}
    assert (str(rows[0].interest), str(rows[0].principal)) == (interest, principal)
    assert str(rows[-1].principal + rows[-1].interest) == last_total
    assert str(sum(row.interest for row in rows)) == to_come


@pytest.mark.parametrize("day_count", BOTH)
def test_shorten_keeps_the_instalment_and_ends_earlier(day_count: str) -> None:
    rows = [row.installment for row in prepaid(day_count, "shorten").rows[6:]]

    interest, principal, last_total, to_come = SHORTENED[day_count]
    assert len(rows) == 12
    assert {str(row.principal + row.interest) for row in rows[:-1]} == {INSTALLMENT[day_count]}
    assert (str(rows[0].interest), str(rows[0].principal)) == (interest, principal)
    assert rows[-1].due_date.isoformat() == "2026-07-20"
    assert str(rows[-1].principal + rows[-1].interest) == last_total
    assert str(sum(row.interest for row in rows)) == to_come


def test_the_seed_s_loan_of_one_hundred_yuan() -> None:
    schedule = build_schedule(car_loan(principal="100", annual_rate="9.125", installments=3, start="2022-05-10", first_due="2022-06-20"))

    assert [str(row.total) for row in schedule.rows] == ["33.93"] * 3
    assert [str(row.interest) for row in schedule.rows] == ["1.03", "0.50", "0.26"]


def test_annual_rate_disclosure_with_a_fee_up_front() -> None:
    rate = periodic_irr(yuan("99000"), [yuan("8833.3")] * 12)

    assert f"{rate:.5%}" == "1.06698%"
    assert f"{rate * 12:.2%}" == "12.80%"
    assert f"{(1 + rate) ** 12 - 1:.2%}" == "13.58%"


def test_a_flat_loan_of_six_percent_discloses_its_real_annual_rate() -> None:
    flat = car_loan(
        principal="100000",
        annual_rate="6",
        installments=12,
        method="flat",
        day_count="30/360",
        start="2025-01-15",
        first_due="2025-02-15",
        fee_upfront="1000",
    )
    quote = make_quote(flat)

    assert (str(quote.installment), str(quote.total_interest), str(quote.total_cost)) == ("8833.33", "6000.00", "7000.00")
    assert (str(quote.apr_irr), str(quote.effective_rate)) == ("12.80", "13.58")


def test_within_grace_the_loan_stays_active_and_paid_then_bears_no_penalty() -> None:
    terms = car_loan(grace_days=3)
    two_paid = paid_on_time(terms, 2)

    unpaid = on(terms, two_paid, "2025-04-23")
    assert (unpaid.status, unpaid.dpd, unpaid.outstanding["penalty"]) == (LoanStatus.ACTIVE, 3, 0)

    paid = on(terms, [*two_paid, tx("r3", "repayment", "2025-04-23", "5596.86")], "2025-05-10")
    assert (paid.status, paid.dpd, shown(paid.outstanding)) == (LoanStatus.ACTIVE, 0, {"principal": "106645.27"})

    late = on(terms, two_paid, "2025-04-30")
    assert (late.status, late.dpd, str(late.outstanding["penalty"])) == (LoanStatus.OVERDUE, 10, "20.31")


@pytest.mark.parametrize(
    ("start", "first_due", "due_day", "interest"),
    [("2025-01-25", "2025-03-20", 20, "1908.00"), ("2025-01-31", "2025-02-28", 31, "1080.00")],
)
def test_thirty_360_counts_months_forward_then_odd_days(start: str, first_due: str, due_day: int, interest: str) -> None:
    terms = car_loan(day_count="30/360", start=start, first_due=first_due, due_day=due_day)

    assert str(build_schedule(terms).rows[0].interest) == interest
