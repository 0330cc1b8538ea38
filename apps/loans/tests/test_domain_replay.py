"""Stories of running loans: paying, changing, going wrong, and being put right."""

import json
from itertools import pairwise
from typing import Any

import pytest

from apps.loans.domain import (
    BadTerms,
    LoanStatus,
    RefusedOnEntry,
    RowStatus,
    build_schedule,
    check_entry,
    replay_from_json,
    split_components,
)
from apps.loans.domain.terms import Funder
from apps.loans.tests.builders import CAR_LOAN, car_loan, day, on, paid_on_time, shown, tx, yuan

SMALL: dict[str, Any] = {
    "principal": "1200",
    "annual_rate": "12",
    "installments": 12,
    "method": "equal_principal",
    "day_count": "30/360",
    "start": "2025-01-15",
    "first_due": "2025-02-15",
}


def small_loan(**changes: Any) -> Any:
    """1,200.00 at 12 % in twelve principal parts of 100.00; the first interest is 12.00."""
    return car_loan(**(SMALL | changes))


def test_a_loan_is_pending_before_it_is_paid_out_and_active_on_that_day() -> None:
    terms = small_loan()

    before, opened = on(terms, [], "2025-01-14"), on(terms, [], "2025-01-15")

    assert (before.status, before.payoff.total, len(before.rows)) == (LoanStatus.PENDING, 0, 12)
    assert shown(before.outstanding) == {}
    assert (opened.status, str(opened.payoff.total), shown(opened.outstanding)) == (LoanStatus.ACTIVE, "1200.00", {"principal": "1200.00"})


def test_the_first_day_bears_interest_and_the_last_does_not() -> None:
    terms = small_loan(day_count="act/360")

    assert str(on(terms, [], "2025-01-16").accrued_interest) == "0.40"
    assert str(on(terms, [], "2025-02-14").accrued_interest) == "12.00"
    due = on(terms, [], "2025-02-15")
    assert (str(due.accrued_interest), shown(due.outstanding)) == ("0.00", {"interest": "12.40", "principal": "1200.00"})
    assert (due.status, due.dpd, due.rows[0].status) == (LoanStatus.ACTIVE, 0, RowStatus.DUE)
    assert on(terms, [], "2025-02-16").status is LoanStatus.OVERDUE


def test_a_repayment_never_touches_what_is_not_yet_due_and_its_surplus_pays_on_the_next_due_day() -> None:
    terms = small_loan()
    history = [tx("a", "repayment", "2025-02-10", "150")]

    waiting = on(terms, history, "2025-02-14")
    assert (str(waiting.credit), shown(waiting.transactions[0].allocated)) == ("150.00", {})

    used = on(terms, history, "2025-02-15")
    assert (str(used.credit), used.rows[0].status) == ("38.00", RowStatus.PAID)
    assert shown(used.transactions[0].allocated) == {"interest": "12.00", "principal": "100.00"}
    assert {(part.on, part.from_credit) for part in used.allocations} == {(day("2025-02-15"), True)}

    part = on(terms, history, "2025-03-15")
    assert shown(part.rows[1].installment.paid) == {"interest": "11.00", "principal": "27.00"}
    assert str(part.payoff.total) == "1073.00"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [{"interest": "12.00", "principal": "100.00"}, {"interest": "8.00"}]),
        ({"allocation": "by_component"}, [{"interest": "12.00", "principal": "97.00"}, {"interest": "11.00"}]),
        (
            {"waterfall": ["principal", "interest", "compound", "penalty", "fee"]},
            [{"interest": "12.00", "principal": "100.00"}, {"principal": "8.00"}],
        ),
        (
            {"waterfall": ["principal", "interest", "compound", "penalty", "fee"], "allocation": "by_component"},
            [{"principal": "100.00"}, {"principal": "20.00"}],
        ),
    ],
)
def test_the_order_of_payment_is_the_product_s_choice(changes: dict[str, Any], expected: list[dict[str, str]]) -> None:
    terms = small_loan(grace_days=60, **changes)

    state = on(terms, [tx("a", "repayment", "2025-03-15", "120")], "2025-03-15")

    assert [shown(row.installment.paid) for row in state.rows[:2]] == expected


def test_penalty_comes_before_interest_and_principal_of_the_same_instalment() -> None:
    terms = small_loan()

    # 100.00 x 18 % x 10 / 360 = 0.50
    state = on(terms, [tx("a", "repayment", "2025-02-25", "50")], "2025-02-25")

    assert shown(state.transactions[0].allocated) == {"penalty": "0.50", "interest": "12.00", "principal": "37.50"}


def test_penalty_runs_in_segments_summed_unrounded_and_rounded_once() -> None:
    terms = small_loan()
    history = [tx("a", "repayment", "2025-02-25", "50")]

    # 100.00 x 18 % x 10 / 360 + 62.50 x 18 % x 3 / 360 = 0.50 + 0.09375 = 0.59375, of which 0.50 is collected.
    state = on(terms, history, "2025-02-28")

    assert (str(state.rows[0].penalty), str(state.outstanding["penalty"])) == ("0.59", "0.09")


def test_penalty_rate_is_capped() -> None:
    assert str(on(small_loan(annual_rate="20"), [], "2025-03-01").penalty_rate) == "0.24"
    assert str(on(small_loan(penalty_uplift="0.3"), [], "2025-03-01").penalty_rate) == "0.156"


def test_compound_interest_runs_on_unpaid_interest_only_when_the_product_says_so() -> None:
    # 12.00 x 18 % x 20 / 360 = 0.12
    with_it, without = on(small_loan(compound=True), [], "2025-03-07"), on(small_loan(), [], "2025-03-07")

    assert shown(with_it.outstanding) == {"penalty": "1.00", "compound": "0.12", "interest": "12.00", "principal": "1200.00"}
    assert without.outstanding["compound"] == 0


def test_paid_in_part_within_grace_and_the_rest_too_late_bears_penalty_from_the_due_date() -> None:
    terms = small_loan(grace_days=5)
    part = tx("a", "repayment", "2025-02-17", "62")

    within = on(terms, [part], "2025-02-20")
    beyond = on(terms, [part], "2025-02-21")

    assert within.outstanding["penalty"] == 0
    # (100 x 2 + 50 x 4) x 18 % / 360 = 0.20
    assert str(beyond.outstanding["penalty"]) == "0.20"


def test_a_fee_is_due_on_its_day_and_belongs_to_the_instalment_running_then() -> None:
    terms = small_loan()
    history = [tx("f", "fee", "2025-02-01", "30"), tx("a", "repayment", "2025-02-03", "40")]

    state = on(terms, history, "2025-02-03")

    assert shown(state.transactions[1].allocated) == {"fee": "30.00"}
    assert (str(state.credit), str(state.rows[0].installment.fee)) == ("10.00", "30.00")


def test_a_fee_left_unpaid_does_not_count_as_days_past_due() -> None:
    terms = small_loan(installments=1)
    history = [tx("a", "repayment", "2025-02-15", "1212"), tx("f", "fee", "2025-03-01", "30")]

    state = on(terms, history, "2025-03-10")

    assert (state.status, state.dpd, shown(state.outstanding)) == (LoanStatus.ACTIVE, 0, {"fee": "30.00"})


def test_a_waiver_forgives_what_is_due_by_component() -> None:
    terms = small_loan()
    late = "2025-02-25"

    all_of_it = on(terms, [tx("w", "waiver", late, components=["penalty"])], late)
    some = on(terms, [tx("w", "waiver", late, "5", components=["interest", "penalty"])], late)
    split = on(terms, [tx("w", "waiver", late, components={"penalty": "0.10", "interest": "2"})], late)

    assert shown(all_of_it.transactions[0].allocated) == {"penalty": "0.50"}
    assert shown(some.transactions[0].allocated) == {"penalty": "0.50", "interest": "4.50"}
    assert shown(split.transactions[0].allocated) == {"penalty": "0.10", "interest": "2.00"}
    assert shown(all_of_it.rows[0].installment.paid) == {}
    with pytest.raises(BadTerms, match="principal"):
        on(terms, [tx("w", "waiver", late, "5", components=["principal"])], late)


def test_a_prepayment_pays_due_parts_then_interest_then_fee_then_principal() -> None:
    terms = small_loan(prepay_fee_rate="0.02")
    history = [tx("p", "prepayment", "2025-02-25", "521")]

    state = on(terms, history, "2025-02-25")

    # due 112.00 + penalty 0.50; interest 1,100 x 12 % x 10 / 360 = 3.67; 404.83 / 1.02 = 396.89 and its fee 7.94.
    assert shown(state.transactions[0].allocated) == {"fee": "7.94", "penalty": "0.50", "interest": "15.67", "principal": "496.89"}
    assert str(state.outstanding["principal"]) == "703.11"
    # The running instalment bears interest on the new balance for what is left of its fraction: 20 of 30.
    assert str(state.rows[1].installment.interest) == "4.69"
    assert sum(row.installment.principal for row in state.rows[1:]) == yuan("703.11")


def test_the_prepayment_fee_has_a_floor_and_ends_after_n_instalments() -> None:
    terms = small_loan(prepay_fee_rate="0.02", prepay_fee_floor="20", prepay_fee_free_after=2)

    early = on(terms, [tx("p", "prepayment", "2025-01-15", "120")], "2025-01-15")
    assert shown(early.transactions[0].allocated) == {"fee": "20.00", "principal": "100.00"}

    history = [tx("a", "repayment", "2025-02-15", "112"), tx("b", "repayment", "2025-03-15", "111")]
    free = on(terms, [*history, tx("p", "prepayment", "2025-03-15", "120")], "2025-03-15")
    assert shown(free.transactions[-1].allocated) == {"principal": "120.00"}


def test_a_prepayment_that_covers_no_principal_is_refused_on_entry_and_a_repayment_on_replay() -> None:
    terms = small_loan()
    short = tx("p", "prepayment", "2025-02-25", "115")

    with pytest.raises(RefusedOnEntry, match="counts as a repayment"):
        check_entry(terms, [], short)

    state = on(terms, [short], "2025-02-25")
    assert (str(state.credit), state.transactions[0].remark is None) == ("2.50", False)
    assert shown(state.transactions[0].allocated) == {"penalty": "0.50", "interest": "12.00", "principal": "100.00"}


def test_a_prepayment_of_more_than_everything_ends_the_loan_and_keeps_the_rest_as_credit() -> None:
    state = on(small_loan(), [tx("p", "prepayment", "2025-01-25", "2000", mode="shorten")], "2025-01-25")

    assert (state.status, str(state.credit), state.rows) == (LoanStatus.SETTLED, "796.00", ())


@pytest.mark.parametrize(
    ("method", "more", "reduced", "shortened"),
    [
        ("equal_principal", {}, (12, "50.00"), (6, "100.00")),
        ("interest_first", {}, (12, "0.00"), (12, "0.00")),
        ("custom", {"shares": ["0.5", "0.3", "0.2"], "installments": 3}, (3, "300.00"), (1, "600.00")),
        ("bullet", {"installments": 1, "first_due": "2025-07-15"}, (1, "600.00"), (1, "600.00")),
        ("balloon", {"balloon": "300"}, (12, "23.65"), (8, "76.96")),
    ],
)
def test_prepayment_by_method(method: str, more: dict[str, Any], reduced: tuple[int, str], shortened: tuple[int, str]) -> None:
    terms = small_loan(method=method, **more)
    found = []
    for mode in ("reduce", "shorten"):
        state = on(terms, [tx("p", "prepayment", "2025-01-15", "600", mode=mode)], "2025-01-15")
        assert sum(row.installment.principal for row in state.rows) == 600
        found.append((len(state.rows), str(state.rows[0].installment.principal)))

    assert found == [reduced, shortened]


def test_early_settlement_with_the_payoff_ends_the_loan() -> None:
    terms = car_loan()
    history = [*paid_on_time(terms, 6), tx("s", "early_settlement", "2025-08-05", "93039.31")]

    state = on(terms, history, "2025-08-05")

    assert (state.status, state.payoff.total, state.credit, state.accrued_interest) == (LoanStatus.SETTLED, 0, 0, 0)
    assert len(state.rows) == 6
    assert {row.status for row in state.rows} == {RowStatus.PAID}


def test_early_settlement_uses_credit_first() -> None:
    terms = small_loan()
    history = [tx("a", "repayment", "2025-02-10", "150"), tx("s", "early_settlement", "2025-02-10", "1060.40")]

    state = on(terms, history, "2025-02-10")

    assert (state.status, str(state.payoff.total), str(state.credit)) == (LoanStatus.SETTLED, "0.00", "0.00")
    assert shown(state.transactions[0].allocated) == {"interest": "10.40", "principal": "139.60"}


def test_a_settlement_that_no_longer_covers_leaves_the_difference_open() -> None:
    terms = car_loan()
    on_time = paid_on_time(terms, 6)
    settlement = tx("s", "early_settlement", "2025-08-05", "93039.31")
    check_entry(terms, on_time, settlement)

    bounced = tx("b", "reversal", "2025-08-06", reverses="r6")
    state = on(terms, [*on_time, settlement, bounced], "2025-08-06")

    # Instalment 6 of 5,596.86 is unpaid after all, with 16 days of penalty; less principal came off the balance.
    row = build_schedule(terms).rows[5]
    penalty = yuan("33.61")
    assert (row.principal, row.due_date) == (yuan("4732.86"), day("2025-07-20"))
    assert state.transactions[-2].remark is not None
    assert state.status is LoanStatus.ACTIVE
    assert state.outstanding["principal"] == row.total + penalty
    # It is a little more than one instalment, so it takes the next two.
    assert len(state.rows) == 8
    with pytest.raises(RefusedOnEntry, match="stays open"):
        check_entry(terms, on_time[:-1], settlement)


def test_a_reversed_repayment_never_happened_and_both_are_shown() -> None:
    terms = small_loan()
    history = [tx("a", "repayment", "2025-02-15", "112"), tx("r", "reversal", "2025-02-18", reverses="a")]

    before, after = on(terms, history, "2025-02-17"), on(terms, history, "2025-02-25")

    assert before.status is LoanStatus.ACTIVE
    assert (after.status, after.dpd, str(after.outstanding["penalty"])) == (LoanStatus.OVERDUE, 10, "0.50")
    assert [(told.transaction.id, told.reversed_by) for told in after.transactions] == [("a", "r"), ("r", None)]
    assert shown(after.transactions[0].allocated) == {}


def test_a_cancelled_disbursement_cancels_the_loan_and_money_paid_is_credit() -> None:
    terms = small_loan()
    history = [
        tx("d", "disbursement", "2025-01-15", "1200"),
        tx("a", "repayment", "2025-01-20", "50"),
        tx("r", "reversal", "2025-01-22", reverses="d"),
        tx("back", "refund", "2025-01-23", "50"),
    ]

    assert on(terms, history, "2025-01-21").status is LoanStatus.ACTIVE
    state = on(terms, history, "2025-01-23")
    assert (state.status, state.credit, shown(state.outstanding), state.rows) == (LoanStatus.CANCELLED, 0, {}, ())


def test_a_transfer_on_another_day_keeps_the_due_days_and_adjusts_the_first_period() -> None:
    terms = small_loan()

    state = on(terms, [tx("d", "disbursement", "2025-01-20", "1200")], "2025-01-20")

    assert on(terms, [tx("d", "disbursement", "2025-01-20", "1200")], "2025-01-19").status is LoanStatus.PENDING
    assert [row.installment.due_date.isoformat() for row in state.rows[:2]] == ["2025-02-15", "2025-03-15"]
    assert str(state.rows[0].installment.interest) == "10.40"
    with pytest.raises(BadTerms, match="first due date"):
        on(terms, [tx("d", "disbursement", "2025-02-15", "1200")], "2025-02-15")


def test_tranches_add_to_the_balance_and_the_rest_is_planned_anew() -> None:
    terms = small_loan()
    history = [tx("d1", "disbursement", "2025-01-15", "600"), tx("d2", "disbursement", "2025-01-30", "600")]

    state = on(terms, history, "2025-01-30")

    # 600 x 12 % x 15 / 360 + 1,200 x 12 % x 15 / 360
    assert str(state.rows[0].installment.interest) == "9.00"
    assert str(state.rows[0].installment.principal) == "100.00"
    assert str(state.accrued_interest) == "3.00"
    with pytest.raises(BadTerms, match="more than the principal"):
        on(terms, [*history, tx("d3", "disbursement", "2025-02-01", "0.01")], "2025-02-01")


def test_a_rate_reset_splits_the_running_period_and_re_amortises_the_rest() -> None:
    terms = small_loan(method="equal_installment")
    planned = build_schedule(terms)

    state = on(terms, [tx("n", "rate_reset", "2025-01-30", annual_rate="6")], "2025-01-30")

    # 1,200 x 12 % x 15 / 360 + 1,200 x 6 % x 15 / 360
    assert str(state.rows[0].installment.interest) == "9.00"
    assert (str(planned.installment), str(state.installment)) == ("106.62", "103.54")
    assert sum(row.installment.principal for row in state.rows) == 1200
    # 6.00 run at the old rate comes due with row 1: (1,200 + 6.00 x d1) / (d1 + … + d12), f1 = 0.25 %, then 0.5 %.
    assert {str(row.installment.principal + row.installment.interest) for row in state.rows[:-1]} == {"103.54"}
    assert str(state.accrued_interest) == "6.00"


def test_a_rate_reset_moves_the_penalty_rate_from_its_day_on() -> None:
    terms = small_loan()

    # 100 x 18 % x 10 / 360 + 100 x 9 % x 10 / 360
    state = on(terms, [tx("n", "rate_reset", "2025-02-25", annual_rate="6")], "2025-03-07")

    assert str(state.outstanding["penalty"]) == "0.75"


def test_an_extension_spreads_the_rest_over_more_instalments() -> None:
    terms = small_loan()
    history = [tx("a", "repayment", "2025-02-15", "112"), tx("x", "extension", "2025-02-15", installments=23)]

    state = on(terms, history, "2025-02-15")

    assert len(state.rows) == 23
    assert state.rows[-1].installment.due_date == day("2026-12-15")
    assert str(state.rows[1].installment.principal) == "50.00"
    with pytest.raises(RefusedOnEntry, match="lengthen"):
        check_entry(terms, [], tx("x", "extension", "2025-02-15", installments=12))


def test_a_term_change_may_shorten_the_loan() -> None:
    state = on(small_loan(), [tx("x", "term_change", "2025-02-15", installments=3)], "2025-02-15")

    assert [str(row.installment.principal) for row in state.rows] == ["100.00", "550.00", "550.00"]
    assert str(state.outstanding["principal"]) == "1200.00"


def test_a_write_off_lets_everything_fall_due_stands_still_and_is_recovered() -> None:
    terms = small_loan()
    off = tx("w", "write_off", "2025-02-25")

    state = on(terms, [off], "2025-05-25")
    claim = {"penalty": "0.50", "interest": "15.67", "principal": "1200.00"}
    assert (state.status, shown(state.outstanding), shown(state.transactions[0].allocated)) == (LoanStatus.WRITTEN_OFF, claim, claim)
    assert str(state.payoff.total) == "1216.17"

    partly = on(terms, [off, tx("v", "recovery", "2025-03-01", "216.17")], "2025-05-25")
    assert (partly.status, shown(partly.outstanding)) == (LoanStatus.WRITTEN_OFF, {"principal": "1000.00"})

    whole = on(terms, [off, tx("v", "recovery", "2025-03-01", "1216.17")], "2025-05-25")
    assert whole.status is LoanStatus.SETTLED

    undone = on(terms, [off, tx("u", "reversal", "2025-03-01", reverses="w")], "2025-03-07")
    assert (undone.status, undone.dpd) == (LoanStatus.OVERDUE, 20)


def test_a_refund_pays_credit_back_and_no_more_than_that() -> None:
    terms = small_loan()
    history = [tx("a", "repayment", "2025-02-15", "152")]

    assert on(terms, [*history, tx("b", "refund", "2025-02-16", "40")], "2025-02-16").credit == 0
    with pytest.raises(RefusedOnEntry, match="only 40"):
        check_entry(terms, history, tx("b", "refund", "2025-02-16", "41"))

    # After the repayment bounces the refund stands, and the customer owes it back.
    bounced = [*history, tx("b", "refund", "2025-02-16", "40"), tx("r", "reversal", "2025-02-17", reverses="a")]
    state = on(terms, bounced, "2025-02-17")
    assert (str(state.credit), str(state.payoff.total)) == ("-40.00", "1252.83")


def test_a_back_dated_repayment_takes_its_place_by_value_date() -> None:
    terms = small_loan()
    late = tx("b", "repayment", "2025-03-20", "111")
    missing = tx("a", "repayment", "2025-02-15", "112")

    assert on(terms, [late], "2025-03-20").status is LoanStatus.OVERDUE
    state = on(terms, [late, missing], "2025-03-20")
    # 100.00 x 18 % x 5 / 360 = 0.25 on the second instalment only.
    assert shown(state.transactions[1].allocated) == {"penalty": "0.25", "interest": "11.00", "principal": "99.75"}


def test_same_day_transactions_run_by_rank_of_kind_then_by_id() -> None:
    terms = small_loan()
    history = [tx("1", "repayment", "2025-02-01", "10"), tx("9", "fee", "2025-02-01", "5"), tx("10", "repayment", "2025-02-01", "1")]

    state = on(terms, history, "2025-02-01")

    assert [told.transaction.id for told in state.transactions] == ["9", "1", "10"]


def test_accrual_of_a_day_is_the_difference_of_two_running_totals() -> None:
    terms = small_loan(day_count="act/365")
    days = [f"2025-01-{number:02}" for number in range(15, 32)] + [f"2025-02-{number:02}" for number in range(1, 16)]
    totals = [on(terms, [], text).interest_accrued_to(day(text)) for text in days]

    assert totals[0] == 0
    assert totals[-1] == build_schedule(terms).rows[0].interest == yuan("12.23")
    steps = {str(later - earlier) for earlier, later in pairwise(totals)}
    assert steps == {"0.39", "0.40"}
    with pytest.raises(ValueError, match="replay to that day"):
        on(terms, [], "2025-02-01").interest_accrued_to(day("2025-01-31"))


def test_the_closing_accrual_of_a_late_day_counts_interest_and_penalty_to_the_morning_after() -> None:
    state = on(small_loan(), [], "2025-02-24")

    assert str(state.penalty_accrued_to(day("2025-02-25"))) == "0.50"
    assert str(state.interest_accrued_to(day("2025-02-25"))) == "15.67"


def test_interest_of_a_grace_period_runs_on_and_falls_due_with_the_first_later_instalment() -> None:
    terms = small_loan(interest_grace=2)

    waiting, due = on(terms, [], "2025-03-25"), on(terms, [], "2025-04-15")

    # 12.00 + 11.00 + 1,000 x 12 % x 10 / 360 = 26.33; then 10.00 for the whole of the third month.
    assert (str(waiting.accrued_interest), shown(waiting.outstanding)["principal"]) == ("26.33", "1200.00")
    assert str(waiting.payoff.interest) == "26.33"
    assert (shown(due.outstanding)["interest"], due.accrued_interest) == ("33.00", 0)


def test_interest_free_instalments_bear_none_and_the_loan_costs_nothing_to_settle_then() -> None:
    state = on(small_loan(interest_free=2), [], "2025-02-10")

    assert (state.accrued_interest, str(state.payoff.total)) == (0, "1200.00")
    assert [str(row.installment.interest) for row in state.rows[:3]] == ["0.00", "0.00", "10.00"]


def test_floating_terms_are_read_and_checked() -> None:
    floating = {"index": "lpr_5y", "spread_bp": -20, "repricing": "yearly_1_january"}

    terms = small_loan(floating=floating)

    assert terms.floating is not None
    assert (terms.floating.index, terms.floating.spread_bp) == ("lpr_5y", -20)
    for wrong in ({"index": "shibor"}, {"spread_bp": "x"}, {"spread_bp": 1.5}, {"spread_bp": -9999}, {"repricing": "weekly"}, {"more": 1}):
        with pytest.raises(BadTerms) as refused:
            small_loan(floating=floating | wrong)
        assert refused.value.field == "floating"


def test_co_lenders_share_every_flow_and_get_back_what_they_lent() -> None:
    funders = (Funder("bank", 7000), Funder("own", 3000))
    first = {"interest": yuan("1.03"), "principal": yuan("32.90")}

    parts = split_components({}, first, funders)  # type: ignore[arg-type]

    assert parts == {
        "bank": {"interest": yuan("0.72"), "principal": yuan("23.03")},
        "own": {"interest": yuan("0.31"), "principal": yuan("9.87")},
    }


def loan_json(**transaction: Any) -> dict[str, Any]:
    base = {"id": "t1", "kind": "repayment", "value_date": "2025-02-20", "booked_at": "2025-02-20T09:00:00+08:00", "amount": "5596.86"}
    return {"id": "L1", "terms": CAR_LOAN | {"grace_days": 3}, "transactions": [base | transaction]}


def test_the_public_shape_of_a_replay() -> None:
    answer = replay_from_json(loan_json(), "2025-02-20")

    assert list(answer) == [
        "id", "status", "as_of", "dpd", "outstanding", "accrued_interest", "payoff", "credit", "schedule", "transactions",
    ]  # fmt: skip
    components = ["fee", "penalty", "compound", "interest", "principal"]
    assert list(answer["outstanding"]) == components
    assert answer["outstanding"]["principal"] == "115858.92"
    row = answer["schedule"][0]
    assert list(row) == ["no", "due_date", "principal", "interest", "fee", "penalty", "paid", "status"]
    assert (row["status"], row["paid"]["interest"]) == ("paid", "1455.78")
    assert answer["transactions"] == [
        {
            "id": "t1",
            "kind": "repayment",
            "value_date": "2025-02-20",
            "amount": "5596.86",
            "allocated": {"fee": "0.00", "penalty": "0.00", "compound": "0.00", "interest": "1455.78", "principal": "4141.08"},
            "reversed_by": None,
        }
    ]
    assert json.loads(json.dumps(answer)) == answer


def test_funders_and_servicing_terms_are_read() -> None:
    more = {
        "penalty_uplift": "0.3", "rate_cap": "24", "compound": False, "prepay_fee_rate": "0.01", "prepay_fee_free_after": 12,
        "waterfall": ["fee", "penalty", "compound", "interest", "principal"], "allocation": "by_instalment",
        "funders": [{"party_ref": "bank", "parts": 7000}, {"party_ref": "own", "parts": 3000}],
    }  # fmt: skip
    assert replay_from_json({"id": 1, "terms": CAR_LOAN | more}, "2025-01-10")["status"] == "active"


@pytest.mark.parametrize(
    "transaction",
    [
        {"kind": "gift"}, {"kind": None}, {"id": None}, {"id": ""}, {"value_date": "2025-01-09"}, {"value_date": "soon"},
        {"amount": "0"}, {"amount": "-5"}, {"amount": "NaN"}, {"amount": None}, {"amount": 1.5}, {"booked_at": "yesterday"},
        {"reverses": "t1"}, {"kind": "reversal", "amount": None}, {"kind": "reversal", "amount": None, "reverses": "t9"},
        {"kind": "reversal", "amount": None, "reverses": "t1"}, {"kind": "prepayment", "mode": "both"},
        {"kind": "rate_reset", "amount": None}, {"kind": "term_change", "amount": None}, {"remark": "x"},
        {"kind": "extension", "amount": None, "installments": 5000},
    ],
)  # fmt: skip
def test_bad_transactions_are_refused(transaction: dict[str, Any]) -> None:
    with pytest.raises(BadTerms) as refused:
        replay_from_json(loan_json(**transaction), "2025-03-01")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("terms", [{"grace_days": -1}, {"funders": [{"party_ref": "a", "parts": 1}]}, {"funders": "a"},
                                   {"waterfall": ["fee"]}, {"allocation": "x"}, {"compound": 1}, {"prepay_fee_rate": "2"},
                                   {"funders": [{"party_ref": "a", "parts": 5000}, {"party_ref": "a", "parts": 5000}]}])  # fmt: skip
def test_bad_servicing_terms_are_refused(terms: dict[str, Any]) -> None:
    with pytest.raises(BadTerms) as refused:
        replay_from_json({"id": "x", "terms": CAR_LOAN | terms, "transactions": []}, "2025-03-01")
    assert refused.value.field in terms


def test_an_endless_chain_of_reversals_is_refused() -> None:
    chain = [tx(f"v{n}", "reversal", "2025-02-20", reverses=f"v{n - 1}") for n in range(1, 400)]

    with pytest.raises(BadTerms, match="100 reversals"):
        on(small_loan(), [tx("v0", "repayment", "2025-02-20", "1"), *chain], "2025-02-20")
    assert on(small_loan(), [tx("v0", "repayment", "2025-02-14", "1"), *chain[:3]], "2025-02-20").credit == 0


def test_one_id_for_two_transactions_is_refused_but_the_same_one_twice_counts_once() -> None:
    one = tx("a", "repayment", "2025-02-15", "112")

    assert on(small_loan(), [one, one], "2025-02-15").credit == 0
    with pytest.raises(BadTerms, match="two different"):
        on(small_loan(), [one, tx("a", "repayment", "2025-02-15", "113")], "2025-02-15")
