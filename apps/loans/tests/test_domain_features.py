"""What terms can ask besides a plan: fees of their own, orders of payment, tranches, pauses, subsidies. Amounts by hand."""

from typing import Any

import pytest

from apps.loans.domain import BadTerms, LoanStatus, RefusedOnEntry, check_entry, incomes_of, interest_refund, replay_from_json
from apps.loans.tests.builders import CAR_LOAN, day, on, shown, tx, yuan
from apps.loans.tests.test_domain_replay import small_loan

SERVICE = {"name": "service", "when": "instalment", "of": "flat", "amount": "5"}
LATE = {"name": "late", "when": "overdue", "of": "overdue", "percent": "5", "min": "1", "max": "50"}
COMPONENTS = ("fee", "penalty", "compound", "interest", "principal")


def by_component(*components: str) -> list[str]:
    return [f"{bucket}.{component}" for component in components for bucket in ("overdue", "due")]


def test_fees_of_the_terms_are_charged_on_the_due_date_and_after_the_days_of_grace() -> None:
    terms = small_loan(fees=[SERVICE, LATE], grace_days=3)

    assert shown(on(terms, [], "2025-02-14").outstanding) == {"principal": "1200.00"}
    assert shown(on(terms, [], "2025-02-18").outstanding)["fee"] == "5.00"
    late = on(terms, [], "2025-02-19")
    # 5 % of 112.00, once.
    assert (shown(late.outstanding)["fee"], str(late.fees_charged)) == ("10.60", "10.60")
    assert shown(on(terms, [], "2025-03-14").outstanding)["fee"] == "10.60"
    paid = on(terms, [tx("a", "repayment", "2025-02-15", "117")], "2025-03-01")
    assert shown(paid.transactions[0].allocated) == {"fee": "5.00", "interest": "12.00", "principal": "100.00"}
    assert (paid.dpd, str(paid.fees_charged), shown(paid.outstanding)) == (0, "5.00", {"principal": "1100.00"})


@pytest.mark.parametrize(
    ("fee", "expected"),
    [
        ({"when": "disbursement", "of": "amount", "percent": "1", "min": "20"}, "20.00"),
        ({"when": "disbursement", "of": "amount", "percent": "2"}, "24.00"),
        ({"when": "disbursement", "of": "flat", "amount": "30"}, "30.00"),
        ({"when": "instalment", "of": "interest", "percent": "10"}, "1.20"),
        ({"when": "instalment", "of": "principal", "percent": "1.5"}, "1.50"),
        ({"when": "instalment", "of": "instalment", "percent": "10", "max": "11"}, "11.00"),
        ({"when": "instalment", "of": "amount", "percent": "0.5"}, "6.00"),
        ({"when": "overdue", "of": "flat", "amount": "8"}, "8.00"),
        ({"when": "overdue", "of": "overdue", "percent": "0.1", "min": "3"}, "3.00"),
    ],
)
def test_fees_by_time_and_basis(fee: dict[str, Any], expected: str) -> None:
    assert shown(on(small_loan(fees=[fee | {"name": "x"}]), [], "2025-02-16").outstanding)["fee"] == expected


def test_the_order_of_payment_can_differ_by_kind_and_by_days_past_due() -> None:
    rules = [{"kinds": ["repayment"], "min_dpd": 20, "order": by_component("principal", "interest", "penalty", "compound", "fee")}]
    terms = small_loan(allocation_rules=rules, grace_days=60)

    def paid(history: list[Any], when: str) -> dict[str, str]:
        return shown(on(terms, history, when).transactions[-1].allocated)

    # 28 days past due: both principal parts first. 10 days: as ever.
    assert paid([tx("a", "repayment", "2025-03-15", "120")], "2025-03-15") == {"principal": "120.00"}
    assert paid([tx("a", "repayment", "2025-02-25", "20")], "2025-02-25") == {"interest": "12.00", "principal": "8.00"}
    recovered = [tx("w", "write_off", "2025-03-15"), tx("v", "recovery", "2025-03-15", "20")]
    assert paid(recovered, "2025-03-15") == {"interest": "12.00", "principal": "8.00"}


def test_overdue_and_due_parts_can_be_told_apart() -> None:
    order = [f"{bucket}.{component}" for bucket in ("due", "overdue") for component in COMPONENTS]
    terms = small_loan(allocation_rules=[{"order": order}], grace_days=60)

    state = on(terms, [tx("a", "repayment", "2025-03-15", "120")], "2025-03-15")

    assert [shown(row.installment.paid) for row in state.rows[:2]] == [{"interest": "9.00"}, {"interest": "11.00", "principal": "100.00"}]


def test_the_order_of_payment_can_differ_by_asset_class() -> None:
    order = by_component("principal", "interest", "penalty", "compound", "fee")
    last = by_component("penalty", "interest", "principal", "compound", "fee")
    rules = [{"classes": ["special_mention"], "order": order}, {"classes": ["non_accrual"], "order": last}]
    terms = small_loan(allocation_rules=rules, class_bounds={"special_mention": 15, "non_accrual": 100}, grace_days=60)

    def paid(when: str) -> dict[str, str]:
        return shown(on(terms, [tx("a", "repayment", when, "20")], when).transactions[-1].allocated)

    # 15 days past due are normal, 16 special mention; 100 days are substandard and still accrue, 101 do not.
    assert paid("2025-03-02") == {"interest": "12.00", "principal": "8.00"}
    assert paid("2025-03-03") == {"principal": "20.00"}
    # 5.00 of penalty on instalment 1 alone; then 5.05 on it and 3.65 on instalment 2, 73 days late, before any interest.
    assert paid("2025-05-26") == {"penalty": "5.00", "interest": "12.00", "principal": "3.00"}
    assert paid("2025-05-27") == {"penalty": "8.70", "interest": "11.30"}


@pytest.mark.parametrize(
    ("ahead", "advance", "allocated", "parts", "interest"),
    [
        # 20 days have run: 8.00; the last ten days bear 1,200 - principal x 12 % x 10 / 360.
        (("interest", "principal"), "next", {"interest": "8.00", "principal": "142.00"}, ["0.00", "58.00", "100.00"], "3.53"),
        (("interest", "principal"), "last", {"interest": "8.00", "principal": "142.00"}, ["100.00"] * 3, "3.53"),
        (("interest", "principal"), "re_amortise", {"interest": "8.00", "principal": "142.00"}, ["88.17"] * 3, "3.53"),
        (("principal", "interest"), "next", {"principal": "150.00"}, ["0.00", "50.00", "100.00"], "11.50"),
        (("interest",), "next", {"interest": "8.00"}, ["100.00"] * 3, "4.00"),
        ((), "next", {}, ["100.00"] * 3, "12.00"),
    ],
)
def test_money_beyond_what_is_due_pays_in_advance_where_the_terms_say_so(
    ahead: tuple[str, ...], advance: str, allocated: dict[str, str], parts: list[str], interest: str
) -> None:
    order = by_component(*COMPONENTS) + [f"advance.{component}" for component in ahead]
    terms = small_loan(allocation_rules=[{"order": order, "advance": advance, "kinds": ["repayment"]}])

    state = on(terms, [tx("a", "repayment", "2025-02-04", "150")], "2025-02-04")

    assert shown(state.transactions[0].allocated) == allocated
    assert [str(row.installment.principal) for row in state.rows[:3]] == parts
    assert str(state.rows[0].installment.interest) == interest
    assert state.credit == 150 - sum(map(yuan, allocated.values()))
    assert len(state.rows) == (11 if advance == "last" else 12)
    assert sum(row.installment.principal for row in state.rows) == state.outstanding["principal"]


def test_overdue_then_due_then_in_advance() -> None:
    order = [*by_component(*COMPONENTS), "advance.interest", "advance.principal"]
    terms = small_loan(allocation_rules=[{"order": order}], method="equal_installment")

    state = on(terms, [tx("a", "repayment", "2025-03-15", "300")], "2025-03-15")

    # 94.62 for 28 days 1.32; two instalments of 106.62; 85.44 are left, and come off the third, which bears
    # 1 % of 1,009.81 - 85.44. Those after it stay as they are.
    assert shown(state.transactions[0].allocated) == {"penalty": "1.32", "interest": "23.05", "principal": "275.63"}
    parts = [(str(row.installment.principal), str(row.installment.interest)) for row in state.rows[1:4]]
    assert parts == [("95.57", "11.05"), ("11.08", "9.24"), ("97.49", "9.13")]


def test_all_that_is_left_in_advance_ends_the_loan() -> None:
    for ahead in (["advance.interest", "advance.principal"], ["advance.principal", "advance.interest"]):
        terms = small_loan(allocation_rules=[{"order": by_component(*COMPONENTS) + ahead}])

        state = on(terms, [tx("a", "repayment", "2025-02-04", "1210")], "2025-02-04")
        short = on(terms, [tx("a", "repayment", "2025-02-04", "1207.99")], "2025-02-04")

        assert (state.status, str(state.credit)) == (LoanStatus.SETTLED, "2.00")
        assert str(short.payoff.total) == "0.01"
    only = small_loan(allocation_rules=[{"order": [*by_component(*COMPONENTS), "advance.principal"]}])
    left = on(only, [tx("a", "repayment", "2025-02-04", "1210")], "2025-02-04")
    # Interest of 8.00 is paid with the instalment: the last 分 of principal stays with it.
    assert (str(left.outstanding["principal"]), str(left.credit), left.status) == ("0.01", "10.01", LoanStatus.ACTIVE)


def test_planned_tranches_are_paid_out_on_their_days_unless_money_went_otherwise() -> None:
    terms = small_loan(tranches=[{"on": "2025-01-15", "amount": "600"}, {"on": "2025-01-30", "amount": "600"}])

    first, both = on(terms, [], "2025-01-29"), on(terms, [], "2025-01-30")

    assert (str(first.outstanding["principal"]), str(first.rows[0].installment.principal)) == ("600.00", "50.00")
    # 600 x 12 % x 15 / 360 + 1,200 x 12 % x 15 / 360
    assert (str(both.outstanding["principal"]), str(both.rows[0].installment.interest)) == ("1200.00", "9.00")
    assert [told.transaction.id for told in both.transactions] == ["tranche-1", "tranche-2"]
    whole = on(terms, [tx("d", "disbursement", "2025-01-15", "1200")], "2025-02-14")
    assert str(whole.rows[0].installment.interest) == "12.00"


@pytest.mark.parametrize("when", ["2025-02-15", "2025-02-20"])
def test_a_tranche_on_or_between_due_days_joins_the_rest(when: str) -> None:
    terms = small_loan(tranches=[{"on": "2025-01-15", "amount": "600"}, {"on": when, "amount": "600"}])

    state = on(terms, [], when)

    # 550 left after the first 50.00, plus 600 over eleven instalments.
    assert {str(row.installment.principal) for row in state.rows[1:-1]} == {"104.55"}
    assert sum(row.installment.principal for row in state.rows) == 1200


def test_a_down_payment_at_disbursement_is_principal_at_once() -> None:
    state = on(small_loan(), [tx("p", "prepayment", "2025-01-15", "240")], "2025-02-15")

    assert shown(state.transactions[0].allocated) == {"principal": "240.00"}
    assert [str(row.installment.principal) for row in state.rows] == ["80.00"] * 12
    assert str(state.rows[0].installment.interest) == "9.60"


def test_a_pause_of_delinquency_stops_the_count_of_days_and_nothing_else() -> None:
    terms = small_loan()
    pause = tx("x", "interest_pause", "2025-02-20", until="2025-03-01", pauses="delinquency")

    state = on(terms, [pause], "2025-03-07")

    assert (state.dpd, on(terms, [], "2025-03-07").dpd) == (11, 20)
    assert str(state.outstanding["penalty"]) == "1.00"
    assert on(terms, [pause], "2025-02-25").dpd == 5


def test_a_write_off_can_carry_the_mark_of_fraud_until_it_is_undone() -> None:
    off = tx("w", "write_off", "2025-02-25", fraud=True)

    marked = on(small_loan(), [off], "2025-03-01")
    undone = on(small_loan(), [off, tx("u", "reversal", "2025-03-01", reverses="w")], "2025-03-01")

    assert (marked.is_fraud, marked.status, undone.is_fraud) == (True, LoanStatus.WRITTEN_OFF, False)
    with pytest.raises(BadTerms, match="write-off only"):
        tx("r", "repayment", "2025-02-25", "5", fraud=True)


def test_a_buy_down_is_earned_by_days_and_its_rest_by_agreement() -> None:
    terms = small_loan()

    def told(when: str, *more: Any, **agreed: Any) -> tuple[str, str]:
        (income,) = incomes_of(on(terms, [tx("b", "buy_down", "2025-01-15", "365", **agreed), *more], when))
        return str(income.earned), str(income.returned)

    assert [told(when) for when in ("2025-01-15", "2025-01-25", "2026-01-15")] == [("0.00", "0.00"), ("10.00", "0.00"), ("365.00", "0.00")]
    settled = tx("s", "early_settlement", "2025-01-25", "1204")
    assert told("2025-02-01", settled) == ("365.00", "0.00")
    assert told("2025-02-01", settled, unearned="returned") == ("10.00", "355.00")
    # A loan that a prepayment shortens to 2025-07-15 earns it in 181 days: 17 of them are 34.28.
    shorter = tx("p", "prepayment", "2025-01-25", "604", mode="shorten")
    assert told("2025-02-01", shorter, unearned="returned") == ("34.28", "0.00")
    assert incomes_of(on(terms, [tx("b", "buy_down", "2025-01-15", "365")], "2025-01-14")) == []
    undone = tx("u", "reversal", "2025-01-20", reverses="b")
    assert incomes_of(on(terms, [tx("b", "buy_down", "2025-01-15", "365"), undone], "2025-02-01")) == []
    with pytest.raises(BadTerms, match="buy-down only"):
        tx("r", "repayment", "2025-02-25", "5", unearned="returned")
    with pytest.raises(RefusedOnEntry, match="could be earned"):
        check_entry(terms, [settled], tx("b", "buy_down", "2025-01-26", "365"))


def test_capitalised_income_joins_the_principal_and_is_earned_over_the_life() -> None:
    history = [tx("c", "capitalised_income", "2025-01-15", "120")]

    state = on(small_loan(), history, "2025-02-15")

    assert {str(row.installment.principal) for row in state.rows} == {"110.00"}
    assert (str(state.rows[0].installment.interest), str(state.outstanding["principal"])) == ("13.20", "1320.00")
    # 31 of 365 days of 120.00.
    assert [str(income.earned) for income in incomes_of(state)] == ["10.19"]
    assert shown(state.transactions[0].allocated) == {"principal": "120.00"}


def test_a_merchant_s_refund_gives_back_the_interest_it_has_cost() -> None:
    terms, when = small_loan(), day("2025-02-04")

    # 20 days: 8.00 on 1,200.00 and 4.00 on 600.00.
    assert str(interest_refund(terms, [], yuan("600.00"), when)) == "4.00"
    assert str(interest_refund(terms, [], yuan("1200.00"), when)) == "8.00"
    state = check_entry(terms, [], tx("m", "prepayment", "2025-02-04", "608", source="merchant"))
    assert str(state.outstanding["principal"]) == "600.00"
    # A merchant pays no fee for paying early.
    charged = small_loan(prepay_fee_rate="0.02")
    assert (
        str(on(charged, [tx("m", "prepayment", "2025-02-04", "608", source="merchant")], "2025-02-04").outstanding["principal"]) == "600.00"
    )
    assert str(on(charged, [tx("m", "prepayment", "2025-02-04", "620")], "2025-02-04").outstanding["principal"]) == "600.00"


def test_a_tranche_of_a_settled_loan_is_refused_on_entry() -> None:
    terms = small_loan()
    history = [tx("d", "disbursement", "2025-01-15", "600"), tx("s", "early_settlement", "2025-01-20", "601")]

    with pytest.raises(RefusedOnEntry, match="pay this tranche back"):
        check_entry(terms, history, tx("e", "disbursement", "2025-01-21", "600"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fees", "x"), ("fees", [{}]), ("fees", [SERVICE, SERVICE]), ("fees", [SERVICE | {"amount": "0"}]),
        ("fees", [SERVICE | {"amount": "-1"}]), ("fees", [SERVICE | {"amount": "NaN"}]), ("fees", [SERVICE | {"percent": "1"}]),
        ("fees", [LATE | {"percent": "101"}]), ("fees", [LATE | {"min": "60"}]), ("fees", [LATE | {"when": "instalment"}]),
        ("fees", [LATE | {"when": "never"}]), ("fees", [LATE | {"name": ""}]),
        ("fees", [SERVICE | {"when": "disbursement", "of": "interest"}]),
        ("allocation_rules", {}), ("allocation_rules", [{"order": []}]), ("allocation_rules", [{"order": ["due.fee"] * 10}]),
        ("allocation_rules", [{"order": ["late.fee"]}]), ("allocation_rules", [{"order": by_component(*COMPONENTS), "kinds": ["gift"]}]),
        ("allocation_rules", [{"order": by_component(*COMPONENTS), "min_dpd": -1}]), ("allocation_rules", ["x"]),
        ("allocation_rules", [{"order": [*by_component(*COMPONENTS), "advance.fee"]}]),
        ("allocation_rules", [{"order": ["advance.interest", *by_component(*COMPONENTS)]}]),
        ("allocation_rules", [{"order": [*by_component(*COMPONENTS), "advance.interest", "advance.interest"]}]),
        ("allocation_rules", [{"order": by_component(*COMPONENTS), "classes": ["rotten"]}]),
        ("allocation_rules", [{"order": by_component(*COMPONENTS), "advance": "first"}]),
        ("class_bounds", []), ("class_bounds", {"rotten": 5}), ("class_bounds", {"doubtful": 5}), ("class_bounds", {"loss": "x"}),
        ("tranches", [{"on": "2025-01-11", "amount": "120000"}]), ("tranches", [{"on": "2025-01-10", "amount": "1"}]),
        ("tranches", [{"on": "2025-01-10", "amount": "60000"}] * 2), ("tranches", [{"on": "2025-01-10"}]), ("tranches", "x"),
        ("floating", []), ("floating", {"index": "lpr_1y"}),
    ],
)  # fmt: skip
def test_terms_that_cannot_be_right_are_refused_by_field(field: str, value: Any) -> None:
    with pytest.raises(BadTerms) as refused:
        replay_from_json({"id": "x", "terms": CAR_LOAN | {field: value}}, "2025-03-01")
    assert refused.value.field == field
    assert "\n" not in str(refused.value)
