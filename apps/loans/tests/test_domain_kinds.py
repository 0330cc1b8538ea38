"""Stories of loans whose terms change, whose sums are corrected, and whose end comes early. Amounts are worked by hand."""

from typing import Any

import pytest

from apps.loans.domain import BadTerms, LoanStatus, RefusedOnEntry, check_entry
from apps.loans.tests.builders import car_loan, day, on, paid_on_time, shown, tx, yuan
from apps.loans.tests.test_domain_replay import small_loan


def totals(state: Any, first: int = 0) -> list[tuple[str, str, str]]:
    rows = (row.installment for row in state.rows[first:])
    return [(row.due_date.isoformat(), str(row.principal), str(row.interest)) for row in rows]


@pytest.mark.parametrize(
    ("when", "due_day", "first", "interest"),
    [
        # From 15 February, at 1,100 x 12 % / 360 a day: 40, 23 and 56 days.
        ("2025-02-20", 25, "2025-03-25", "14.67"),
        ("2025-02-20", 10, "2025-03-10", "8.43"),
        ("2025-03-12", 10, "2025-04-10", "20.53"),
    ],
)
def test_a_new_due_day_moves_the_running_instalment_and_all_later_ones(when: str, due_day: int, first: str, interest: str) -> None:
    state = on(small_loan(), [tx("d", "due_day_change", when, due_day=due_day)], when)

    rows = totals(state)
    assert rows[0] == ("2025-02-15", "100.00", "12.00")
    assert rows[1] == (first, "100.00", interest)
    assert rows[2][1:] == ("100.00", "10.00")
    assert {row[0][-2:] for row in rows[1:]} == {f"{due_day}"}
    assert len(rows) == 12


def test_interest_run_does_not_jump_when_the_due_day_moves() -> None:
    terms = small_loan(method="equal_installment")
    change = tx("d", "due_day_change", "2025-02-27", due_day=31)

    before, after = on(terms, [], "2025-02-27"), on(terms, [change], "2025-02-27")

    assert before.accrued_interest == after.accrued_interest
    assert [row[0] for row in totals(after)[1:4]] == ["2025-03-31", "2025-04-30", "2025-05-31"]
    assert sum(row.installment.principal for row in after.rows) == 1200
    assert len({row.installment.principal + row.installment.interest for row in after.rows[1:-1]}) == 1


def test_only_monthly_instalments_have_a_due_day() -> None:
    with pytest.raises(BadTerms, match="only monthly"):
        on(small_loan(frequency="week"), [tx("d", "due_day_change", "2025-02-20", due_day=5)], "2025-02-20")


def test_a_later_extension_goes_on_with_the_new_due_day() -> None:
    history = [tx("d", "due_day_change", "2025-02-20", due_day=25), tx("x", "extension", "2025-02-21", installments=13)]

    assert [row[0] for row in totals(on(small_loan(), history, "2025-02-21"))[-2:]] == ["2026-01-25", "2026-02-25"]


def test_re_amortising_spreads_the_rest_evenly_again() -> None:
    terms = small_loan()
    shortened = tx("p", "prepayment", "2025-01-15", "650", mode="shorten")
    parts = [row[1] for row in totals(on(terms, [shortened], "2025-01-15"))]
    assert parts == ["100.00"] * 5 + ["50.00"]

    state = on(terms, [shortened, tx("x", "re_amortise", "2025-01-16")], "2025-01-16")

    # 550.00 / 6
    assert [row[1] for row in totals(state)] == ["91.67"] * 5 + ["91.65"]


def test_re_amortising_a_shortened_level_loan_gives_equal_instalments_over_the_rows_there_are() -> None:
    history = [*paid_on_time(car_loan(), 6), tx("p", "prepayment", "2025-08-05", "30000", mode="shorten")]
    short = on(car_loan(), history, "2025-08-05")
    level = [str(row.installment.principal + row.installment.interest) for row in short.rows[6:]]
    assert level == ["5596.86"] * 11 + ["4888.65"]

    state = on(car_loan(), [*history, tx("x", "re_amortise", "2025-08-06")], "2025-08-06")

    # 63,039.31 and a day's interest of 18.65 with the first, from 6 August over 12 instalments: one amount, and no odd last one.
    discounts, discount = [], 1.0
    for row in state.rows[6:]:
        discount /= 1 + 0.108 * (row.installment.due_date - max(row.installment.start, day("2025-08-06"))).days / 365
        discounts.append(discount)
    assert str(state.installment) == f"{(63039.31 * (1 + 0.108 / 365 * discounts[0])) / sum(discounts):.2f}" == "5540.70"
    again = [str(row.installment.principal + row.installment.interest) for row in state.rows[6:]]
    assert again[:-1] == ["5540.70"] * 11
    assert abs(yuan(again[-1]) - yuan("5540.70")) < 1
    # On the day of the prepayment it takes effect before it, by its rank, and the prepayment shortens the plan again.
    before = on(car_loan(), [*history, tx("x", "re_amortise", "2025-08-05")], "2025-08-05")
    assert (len(before.rows), str(before.installment)) == (18, "5596.85")
    # The term is not long again by itself: `installments` names the old number.
    longer = on(car_loan(), [*history, tx("x", "re_amortise", "2025-08-06", installments=24)], "2025-08-06")
    assert str(longer.installment) == "3792.26"


def test_re_amortising_can_name_a_new_number_of_instalments() -> None:
    state = on(small_loan(), [tx("x", "re_amortise", "2025-02-16", installments=12 + 11)], "2025-02-16")

    # The overdue 100.00 stays due; 1,100.00 over 22 instalments.
    assert [row[1] for row in totals(state)[:3]] == ["100.00", "50.00", "50.00"]


def test_re_ageing_moves_what_is_overdue_into_a_new_plan() -> None:
    terms, when = small_loan(), "2025-03-25"
    overdue = on(terms, [], when)
    assert (overdue.dpd, shown(overdue.outstanding)) == (38, {"penalty": "2.40", "interest": "23.00", "principal": "1200.00"})

    history = [tx("x", "re_age", when)]
    state = on(terms, history, when)

    # Rest 1,000 + 200 overdue over ten instalments. Interest: 23.00 unpaid + 1,000 x 10 days 3.33 + 1,200 x 20 days 8.00.
    assert totals(state)[:4] == [
        ("2025-02-15", "0.00", "0.00"),
        ("2025-03-15", "0.00", "0.00"),
        ("2025-04-15", "120.00", "34.33"),
        ("2025-05-15", "120.00", "10.80"),
    ]
    assert (state.status, state.dpd, shown(state.outstanding)) == (LoanStatus.ACTIVE, 0, {"penalty": "2.40", "principal": "1200.00"})
    assert state.accrued_interest == overdue.accrued_interest + yuan("23.00") == yuan("26.33")
    # The penalty stands still, and is past due only with the next instalment.
    assert on(terms, history, "2025-04-15").dpd == 0
    later = on(terms, history, "2025-04-20")
    assert (later.dpd, str(later.rows[0].penalty), later.status) == (5, "1.90", LoanStatus.OVERDUE)


def test_re_ageing_after_the_last_due_date_needs_new_instalments() -> None:
    terms, when = small_loan(installments=1), "2025-03-25"

    state = on(terms, [tx("x", "re_age", when, installments=4)], when)

    # 400.00 each from 25 March: 12.00 + 1,200 x 12 % x 21 / 360 = 20.40, then 800 and 400 for a month.
    assert totals(state, 1) == [("2025-04-15", "400.00", "20.40"), ("2025-05-15", "400.00", "8.00"), ("2025-06-15", "400.00", "4.00")]
    with pytest.raises(RefusedOnEntry, match="larger total"):
        check_entry(terms, [], tx("x", "re_age", when))
    with pytest.raises(RefusedOnEntry, match="nothing is overdue"):
        check_entry(small_loan(), [], tx("x", "re_age", "2025-02-01"))


def test_a_pause_of_interest_leaves_its_days_out() -> None:
    terms = small_loan()

    inside = on(terms, [tx("x", "interest_pause", "2025-01-25", until="2025-02-05")], "2025-02-10")
    across = on(terms, [tx("x", "interest_pause", "2025-01-25", until="2025-02-25")], "2025-02-10")

    # 1,200 x 12 % x 19 / 360, of which 15 run by 10 February; then 10 days before the due date and 20 after it.
    assert (totals(inside)[0][2], str(inside.accrued_interest)) == ("7.60", "6.00")
    assert (totals(across)[0][2], totals(across)[1][2], str(across.accrued_interest)) == ("4.00", "7.33", "4.00")
    assert {row[1] for row in totals(across)} == {"100.00"}


def test_pauses_that_overlap_count_each_day_once_and_level_instalments_take_them_in() -> None:
    terms = small_loan(method="equal_installment")
    history = [tx("x", "interest_pause", "2025-01-25", until="2025-02-05"), tx("y", "interest_pause", "2025-02-01", until="2025-02-15")]

    state = on(terms, history, "2025-02-10")

    assert totals(state)[0][2] == "4.00"
    assert len({row.installment.principal + row.installment.interest for row in state.rows[:-1]}) == 1


def test_an_adjustment_corrects_what_is_due_up_and_down() -> None:
    terms, when = small_loan(), "2025-02-25"
    change = tx("a", "adjustment", when, components={"interest": "-2", "penalty": "1.50", "fee": "30"})

    state = check_entry(terms, [], change)

    assert shown(state.outstanding) == {"fee": "30.00", "penalty": "2.00", "interest": "10.00", "principal": "1200.00"}
    assert shown(state.transactions[0].allocated) == {"fee": "30.00", "penalty": "1.50", "interest": "-2.00"}
    assert state.rows[0].installment.interest == 10
    with pytest.raises(RefusedOnEntry, match=r"only 12\.00 of interest is owed"):
        check_entry(terms, [], tx("a", "adjustment", when, components={"interest": "-12.01"}))


def test_an_adjustment_of_one_component_may_give_its_amount_beside_it() -> None:
    when = "2025-03-01"
    short = on(small_loan(), [tx("a", "adjustment", when, "-5", components=["interest"])], when)
    long = on(small_loan(), [tx("a", "adjustment", when, components={"interest": "-5"})], when)
    assert short == long
    for components in (["interest", "fee"], {"interest": "-5"}, []):
        with pytest.raises(BadTerms, match="one listed component"):
            tx("a", "adjustment", when, "-5", components=components)


def test_an_adjustment_of_principal_takes_due_parts_first_and_then_the_rest() -> None:
    terms, when = small_loan(), "2025-02-25"

    less = on(terms, [tx("a", "adjustment", when, components={"principal": "-210"})], when)
    more = on(terms, [tx("a", "adjustment", when, components={"principal": "110"})], when)

    # 1,100 - 110 = 990 over eleven instalments; 1,100 + 110 = 1,210.
    assert [row[1] for row in totals(less)[:3]] == ["0.00", "90.00", "90.00"]
    assert [row[1] for row in totals(more)[:3]] == ["100.00", "110.00", "110.00"]
    assert (str(less.outstanding["principal"]), str(more.outstanding["principal"])) == ("990.00", "1310.00")


@pytest.mark.parametrize("components", [None, [], {}, ["fee"], {"fee": "0"}, {"fee": "x"}, {"fee": "--1"}, {"gift": "1"}, {"fee": "NaN"}])
def test_an_adjustment_names_its_amounts(components: Any) -> None:
    with pytest.raises(BadTerms) as refused:
        tx("a", "adjustment", "2025-02-25", components=components)
    assert refused.value.field == "components"


def test_a_chargeback_lets_what_was_paid_be_owed_again_from_its_own_day() -> None:
    terms = small_loan()
    history = [tx("r", "repayment", "2025-02-15", "112"), tx("c", "chargeback", "2025-03-01", "112", reverses="r")]

    at_once, later = on(terms, history, "2025-03-01"), on(terms, history, "2025-03-11")

    assert (at_once.status, at_once.dpd, shown(at_once.outstanding)) == (
        LoanStatus.ACTIVE,
        0,
        {"interest": "12.00", "principal": "1200.00"},
    )
    assert shown(at_once.transactions[1].allocated) == {"interest": "-12.00", "principal": "-100.00"}
    # 100.00 x 18 % x 10 / 360 from 1 March; a reversal counts from 15 February.
    bounced = on(terms, [history[0], tx("v", "reversal", "2025-03-01", reverses="r")], "2025-03-11")
    assert (bounced.dpd, str(bounced.outstanding["penalty"])) == (24, "1.20")
    assert (later.dpd, str(later.outstanding["penalty"]), later.status) == (10, "0.50", LoanStatus.OVERDUE)
    assert on(terms, [*history, tx("v", "reversal", "2025-03-02", reverses="c")], "2025-03-11").dpd == 0


def test_a_chargeback_takes_credit_first_and_then_the_latest_parts() -> None:
    terms = small_loan()
    history = [tx("r", "repayment", "2025-02-15", "142"), tx("c", "chargeback", "2025-03-01", "80")]

    state = on(terms, history, "2025-03-01")

    assert (str(state.credit), shown(state.transactions[1].allocated)) == ("0.00", {"principal": "-50.00"})
    with pytest.raises(RefusedOnEntry, match=r"only 142\.00"):
        check_entry(terms, history[:1], tx("c", "chargeback", "2025-03-01", "150", reverses="r"))


def test_a_prepayment_charged_back_returns_to_the_plan() -> None:
    terms = small_loan()
    history = [tx("p", "prepayment", "2025-02-04", "608"), tx("c", "chargeback", "2025-02-10", "608", reverses="p")]
    prepaid = on(terms, history[:1], "2025-02-04")
    assert shown(prepaid.transactions[0].allocated) == {"interest": "8.00", "principal": "600.00"}

    state = on(terms, history, "2025-02-10")

    # 8.00 + 600 for 6 days 1.20, and 1,200 for the last 4 days 1.60.
    assert totals(state)[0] == ("2025-02-15", "100.00", "10.80")
    assert (str(state.accrued_interest), str(state.interest_accrued_to(day("2025-02-10")))) == ("9.20", "9.20")
    assert shown(state.outstanding) == {"principal": "1200.00"}


def test_a_settlement_charged_back_is_due_at_once() -> None:
    terms = small_loan()
    history = [tx("s", "early_settlement", "2025-01-15", "1200"), tx("c", "chargeback", "2025-02-01", "1200")]

    assert on(terms, history, "2025-01-31").status is LoanStatus.SETTLED
    state = on(terms, history, "2025-02-11")

    # 1,200 x 18 % x 10 / 360
    assert (state.status, state.dpd, shown(state.outstanding)) == (LoanStatus.OVERDUE, 10, {"penalty": "6.00", "principal": "1200.00"})
    assert totals(state) == [("2025-02-01", "1200.00", "0.00")]


def test_a_termination_lets_everything_fall_due_and_penalty_go_on() -> None:
    terms = small_loan()
    recall = tx("t", "termination", "2025-02-25")

    at_once, later = on(terms, [recall], "2025-02-25"), on(terms, [recall], "2025-03-07")

    assert (at_once.status, str(at_once.payoff.total)) == (LoanStatus.TERMINATED, "1216.17")
    # 100 for 20 days and 1,100 for 10 days at 18 %: 1.00 + 5.50.
    assert (str(later.outstanding["penalty"]), later.dpd, later.accrued_interest) == ("6.50", 20, 0)
    assert on(terms, [recall, tx("r", "repayment", "2025-03-07", "1222.17")], "2025-03-07").status is LoanStatus.SETTLED
    with pytest.raises(RefusedOnEntry, match="was terminated on"):
        check_entry(terms, [recall], tx("u", "termination", "2025-03-07"))


def test_a_sale_and_a_buy_back_change_the_owner_and_no_sum() -> None:
    terms = small_loan()
    sold = tx("o", "owner_transfer", "2025-02-01", "1180", owner_ref="abs-2025-1")

    state = on(terms, [sold], "2025-02-20")

    assert (state.owner_ref, state.outstanding) == ("abs-2025-1", on(terms, [], "2025-02-20").outstanding)
    assert on(terms, [sold, tx("b", "owner_transfer", "2025-02-10", owner_ref="")], "2025-02-20").owner_ref == ""
    with pytest.raises(RefusedOnEntry, match="already"):
        check_entry(terms, [sold], tx("p", "owner_transfer", "2025-02-10", owner_ref="abs-2025-1"))


def test_a_bullet_loan_is_extended_to_a_later_due_date() -> None:
    terms = small_loan(method="bullet", installments=1, first_due="2025-07-15")

    state = on(terms, [tx("x", "extension", "2025-03-15", installments=3)], "2025-03-15")

    # Eight months at 12.00.
    assert totals(state) == [("2025-09-15", "1200.00", "96.00")]
    with pytest.raises(RefusedOnEntry, match="lengthen"):
        check_entry(terms, [], tx("x", "extension", "2025-03-15", installments=1))


def test_a_plan_by_shares_takes_new_shares_with_its_new_term() -> None:
    terms = small_loan(method="step", installments=3, shares=["0.5", "0.3", "0.2"])
    change = tx("x", "extension", "2025-02-20", installments=4, shares="0.5,0.25,0.25")

    assert [row[1] for row in totals(check_entry(terms, [], change))] == ["600.00", "300.00", "150.00", "150.00"]
    with pytest.raises(BadTerms, match="needs the shares"):
        on(terms, [tx("x", "extension", "2025-02-20", installments=4)], "2025-02-20")
    with pytest.raises(RefusedOnEntry, match="3 instalments are still to come"):
        check_entry(terms, [], tx("x", "extension", "2025-02-20", installments=4, shares="0.5,0.5"))


@pytest.mark.parametrize(
    ("kind", "more", "field"),
    [
        ("due_day_change", {}, "due_day"), ("due_day_change", {"due_day": 0}, "due_day"), ("due_day_change", {"due_day": 32}, "due_day"),
        ("interest_pause", {}, "until"), ("interest_pause", {"until": "2025-02-20"}, "until"),
        ("interest_pause", {"until": "2025-02-29"}, "until"), ("interest_pause", {"until": "2045-02-20"}, "until"),
        ("owner_transfer", {}, "owner_ref"), ("owner_transfer", {"owner_ref": 5}, "owner_ref"),
        ("chargeback", {}, "amount"), ("chargeback", {"amount": "0"}, "amount"), ("chargeback", {"amount": "-1"}, "amount"),
        ("chargeback", {"amount": "Infinity"}, "amount"), ("repayment", {"amount": "1.0000000000001"}, "amount"),
        ("repayment", {"amount": "10000000000.01"}, "amount"), ("repayment", {"amount": "1", "reverses": "x"}, "reverses"),
        ("extension", {"installments": 13, "shares": "0.5,0.4"}, "shares"), ("waiver", {"components": {"fee": "-1"}}, "components"),
    ],
)  # fmt: skip
def test_changes_that_say_too_little_or_too_much_are_refused_by_field(kind: str, more: dict[str, Any], field: str) -> None:
    with pytest.raises(BadTerms) as refused:
        tx("x", kind, "2025-02-20", **more)
    assert refused.value.field == field
