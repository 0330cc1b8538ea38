"""Counter operations: previewed, proposed by one person, approved by another, carried out once (docs/rules/posting-rules.md)."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest

from apps.common import approvals, clock
from apps.common.actors import Actor
from apps.common.clock import beijing
from apps.common.errors import BadInput, NotPermitted
from apps.common.models import ChangeRequest, OutboxMessage
from apps.ledger.models import JournalEntry
from apps.loans import selectors, services
from apps.loans.domain.terms import Tranche
from apps.loans.models import Loan, LoanTransaction
from apps.loans.services.errors import NotByBank
from apps.loans.tests.factories import TERMS, a_lender, a_loan, assert_sound, books, business_day, pay, shared
from apps.organisations.tests.factories import UserFactory

pytestmark = pytest.mark.django_db
D = Decimal
DUE_1, DUE_2, DUE_3 = dt.date(2025, 2, 20), dt.date(2025, 3, 20), dt.date(2025, 4, 20)
LATE = dt.date(2025, 4, 30)


@pytest.fixture
def entity():
    """A lender whose first day is 2025-04-30: what happened before is taken into the books at once."""
    clock.move_to(beijing(LATE, 10))
    return a_lender(first_day=LATE)


@pytest.fixture
def late(entity):
    """The loan of the worked examples, its third instalment ten days late: 20.31 of penalty."""
    loan = a_loan(entity)
    pay(loan, "5596.86", DUE_1)
    pay(loan, "5596.86", DUE_2)
    return loan


def staff(entity, *roles):
    return Actor.of(UserFactory(legal_entity=entity, roles=list(roles)))


def now(entity):
    return beijing(business_day(entity.id), 15)


def do(loan, operation, reason="as agreed", **data):
    """Proposed by one, approved by another who may approve anything."""
    entity = loan.legal_entity
    data.setdefault("value_date", str(business_day(entity.id)))
    change = services.propose_operation(
        operation=operation, loan_id=loan.id, data=data, reason=reason, actor=staff(entity, "finance"), now=now(entity)
    )
    done = approvals.approve(request_id=change.id, actor=staff(entity, "entity_admin"), now=now(entity))
    assert done.state == "executed", done.error
    return done


def journal(change):
    """Event → account → debit minus credit, of what an executed operation posted."""
    return {
        entry["event"]: {line["account"]: D(line["debit"] or 0) - D(line["credit"] or 0) for line in entry["lines"]}
        for entry in change.result["journal"]
    }


def counts():
    return tuple(model.objects.count() for model in (LoanTransaction, JournalEntry, OutboxMessage, ChangeRequest))


# -- the way of every operation -----------------------------------------------------------------------------


def test_a_preview_tells_all_and_writes_nothing(entity, late):
    before = counts(), books(entity)
    told = services.preview_operation(
        operation="waiver",
        loan_id=late.id,
        data={"value_date": "2025-04-30", "penalty": "20.31"},
        actor=staff(entity, "finance"),
        now=now(entity),
    )
    assert (counts(), books(entity)) == before
    assert told["before"]["outstanding"]["penalty"] == "20.31"
    assert told["after"]["outstanding"]["penalty"] == "0.00"
    assert [entry["event"] for entry in told["journal"]] == ["waiver"]


def test_what_was_previewed_is_what_happens(entity, late):
    change = do(late, "waiver", penalty="20.31")
    assert [entry["lines"] for entry in change.preview["journal"]] == [entry["lines"] for entry in change.result["journal"]]
    assert_sound(entity)


def test_maker_and_checker_are_two(entity, late):
    both = staff(entity, "finance", "entity_admin")
    data = {"value_date": "2025-04-30", "penalty": "20.31"}
    change = services.propose_operation(operation="waiver", loan_id=late.id, data=data, reason="goodwill", actor=both, now=now(entity))
    with pytest.raises(approvals.OwnProposal):
        approvals.approve(request_id=change.id, actor=both, now=now(entity))
    assert not LoanTransaction.objects.filter(kind="waiver").exists()
    approvals.approve(request_id=change.id, actor=staff(entity, "finance"), now=now(entity))
    assert LoanTransaction.objects.get(kind="waiver").reason == "goodwill"


def test_large_amounts_want_a_higher_checker(entity, late):
    data = {"value_date": "2025-04-30"}
    change = services.propose_operation(
        operation="write_off", loan_id=late.id, data=data, reason="fraud", actor=staff(entity, "finance"), now=now(entity)
    )
    with pytest.raises(NotPermitted):
        approvals.approve(request_id=change.id, actor=staff(entity, "finance"), now=now(entity))
    assert approvals.approve(request_id=change.id, actor=staff(entity, "entity_admin"), now=now(entity)).state == "executed"


def test_the_same_reference_of_a_partner_is_one_proposal(entity, late):
    ask = {
        "operation": "waiver",
        "loan_id": late.id,
        "reason": "r",
        "actor": staff(entity, "finance"),
        "now": now(entity),
        "reference": "crm-7",
    }
    first = services.propose_operation(data={"value_date": "2025-04-30", "penalty": "20.31"}, **ask)
    assert services.propose_operation(data={"value_date": "2025-04-30", "penalty": "20.31"}, **ask).id == first.id
    with pytest.raises(services.ReferenceReused):
        services.propose_operation(data={"value_date": "2025-04-30", "penalty": "20.30"}, **ask)


@pytest.mark.parametrize(
    ("operation", "data", "field"),
    [
        ("waiver", {"penalty": "-1"}, "penalty"),
        ("waiver", {"penalty": "NaN"}, "penalty"),
        ("waiver", {"penalty": "0.001"}, "penalty"),
        ("repayment", {"amount": "0", "means": "cash"}, "amount"),
        ("repayment", {"amount": "20000000000", "means": "cash"}, "amount"),
        ("repayment", {"amount": "5", "means": "purse"}, "means"),
        ("extension", {"installments": "many"}, "installments"),
        ("rate_reset", {"annual_rate": "1e3"}, "annual_rate"),
        ("cancel_repayment", {"transaction": "7"}, "transaction"),
        ("refund", {"amount": "5", "means": "cash", "extra": "x"}, "extra"),
        ("refund", {"amount": "5", "means": "cash", "value_date": "2025-02-30"}, "value_date"),
        ("refund", {"means": "cash"}, "amount"),
    ],
)
def test_bad_input_names_its_field_and_writes_nothing(entity, late, operation, data, field):
    before = counts()
    with pytest.raises(BadInput) as refused:
        services.propose_operation(
            operation=operation,
            loan_id=late.id,
            data={"value_date": "2025-04-30"} | data,
            reason="r",
            actor=staff(entity, "finance"),
            now=now(entity),
        )
    assert field in refused.value.fields
    assert counts() == before


def test_nobody_reaches_another_lenders_loan(late):
    stranger = staff(a_lender(), "finance")
    with pytest.raises(services.LoanUnknown):
        services.preview_operation(
            operation="waiver", loan_id=late.id, data={"value_date": "2025-04-30", "penalty": "1"}, actor=stranger, now=clock.now()
        )


# -- stories, one per operation -------------------------------------------------------------------------------


def test_a_waiver_takes_penalty_out_of_income_and_tax(entity, late):
    change = do(late, "waiver", penalty="20.31")
    # 20.31 with 6 % inside: 1.15 of tax, 19.16 of income.
    assert journal(change)["waiver"] == {"601102": D("19.16"), "222101": D("1.15"), "113202": D("-20.31")}
    assert "113202" not in books(entity)
    assert "601102" not in books(entity)
    assert_sound(entity)


def test_credit_goes_back_to_the_customer(entity, late):
    pay(late, "6000.00", LATE)
    assert books(entity)["224102"] == D("382.83"), "5,617.17 were due"
    change = do(late, "refund", amount="382.83", means="cash")
    assert journal(change)["refund"] == {"224102": D("382.83"), "1012": D("-382.83")}
    assert "224102" not in books(entity)
    assert_sound(entity)
    with pytest.raises(services.AmountRefused):
        do(late, "refund", amount="0.01", means="cash")


def test_a_write_off_uses_the_provision_and_a_recovery_gives_it_back(entity, late):
    change = do(late, "write_off", fraud="yes", note="car sold abroad")
    found = journal(change)
    # 111,221.94 is unpaid; special mention from 8 days, so 2 % of it was provided for: 2,224.44.
    assert found["write_off"] == {"1304": D("111221.94"), "130301": D("-111221.94"), "9003": D("111221.94"), "9099": D("-111221.94")}
    assert found["provision"]["6702"] == D("108997.50")
    stand = books(entity)
    assert {"1304", "113201", "113202", "130301", "130302"}.isdisjoint(stand)
    assert stand["6702"] == stand["9003"] == D("111221.94")
    assert Loan.objects.get(id=late.id).state == "written_off"
    assert LoanTransaction.objects.get(kind="write_off").params == {"fraud": True, "about": {"note": "car sold abroad"}}
    assert selectors.state_on(late.id, LATE).is_fraud
    do(late, "cancel_change", transaction=str(LoanTransaction.objects.get(kind="write_off").id))
    assert not selectors.state_on(late.id, LATE).is_fraud
    assert Loan.objects.get(id=late.id).state == "overdue"
    assert_sound(entity)


def test_what_comes_in_after_a_write_off_lowers_the_loss(entity, late):
    do(late, "write_off")
    change = do(late, "recovery", amount="50000.00", means="cash")
    found = journal(change)
    # 20.31 of penalty, 1,062.04 of interest run to the write-off, the rest principal, in the order of the waterfall row by row.
    principal = found["recovery"]["130301"]
    assert found["recovery"] == {"130301": principal, "1304": -principal, "9099": principal, "9003": -principal}
    assert found["provision"] == {"1304": principal, "6702": -principal}
    assert found["cash_received"] == {"1001": D("50000.00"), "1012": D("-50000.00")}
    interest = D("50000.00") - principal
    assert found["accrual"]["113201"] + found["penalty"]["113202"] == interest, "collected after all, it is income"
    stand = books(entity)
    assert stand["1001"] == D("50000.00")
    assert stand["9003"] == stand["6702"] == D("111221.94") - principal
    assert_sound(entity)


def test_a_write_off_is_undone_as_if_it_had_never_been(entity, late):
    before = books(entity)
    do(late, "write_off")
    written_off = LoanTransaction.objects.get(kind="write_off")
    do(late, "cancel_change", transaction=str(written_off.id))
    assert books(entity) == before
    assert Loan.objects.get(id=late.id).state == "overdue"
    assert_sound(entity)


def test_a_guarantor_pays_for_the_borrower(entity, late):
    change = do(late, "compensation", amount="5617.17", means="cash", payer="Zhejiang Guarantee Ltd", note="claim by contract G-7")
    assert LoanTransaction.objects.get(reference=f"change:{change.id}").source == "compensation"
    assert change.payload["data"]["payer"] == "Zhejiang Guarantee Ltd"
    assert journal(change)["repayment"] == {
        "1012": D("5617.17"), "113201": D("-1020.19"), "113202": D("-20.31"), "130301": D("-4576.67"),
    }  # fmt: skip
    assert Loan.objects.get(id=late.id).state == "active"
    assert_sound(entity)


def test_who_paid_for_the_borrower_has_a_claim_until_it_is_recovered(entity, late):
    do(late, "compensation", amount="5700.00", means="cash", payer="Zhejiang Guarantee Ltd")
    paid = LoanTransaction.objects.get(source="compensation")
    (claim,) = selectors.claims_of(late, LATE)
    assert (claim.payer, claim.paid, claim.total, claim.open) == ("Zhejiang Guarantee Ltd", D("5700.00"), D("5617.17"), D("5617.17"))
    assert claim.components == {"penalty": D("20.31"), "interest": D("1020.19"), "principal": D("4576.67")}
    before = books(entity)
    do(late, "claim_recovery", transaction=str(paid.id), amount="1617.17", note="first part")
    (claim,) = selectors.claims_of(late, LATE)
    assert (claim.recovered, claim.open) == (D("1617.17"), D("4000.00"))
    assert books(entity) == before, "the claim is the payer's"
    with pytest.raises(services.AmountRefused):
        do(late, "claim_recovery", transaction=str(paid.id), amount="4000.01")
    do(late, "cancel_repayment", transaction=str(paid.id))
    (claim,) = selectors.claims_of(late, LATE)
    assert (claim.is_void, claim.open) == (True, D("0.00"))
    with pytest.raises(services.ClaimUnknown):
        do(late, "claim_recovery", transaction=str(paid.id), amount="1.00")
    assert_sound(entity)


def test_a_loan_is_cleared_with_less_than_it_owes_but_never_less_than_its_principal(entity, late):
    payoff = services.payoff_quote(loan_id=late.id, on=LATE).total
    assert payoff == D("112577.99")
    change = do(late, "clearing", amount="112500.00", means="cash")
    # 77.99 are missing: the penalty of 20.31, and 57.68 of the interest due.
    waived = LoanTransaction.objects.get(kind="waiver")
    assert waived.params == {"components": {"penalty": "20.31", "interest": "57.68"}}
    assert Loan.objects.get(id=late.id).state == "settled"
    assert [row["kind"] for row in change.result["transactions"]] == ["waiver", "early_settlement"]
    assert {"113201", "113202", "130301", "130302", "1304"}.isdisjoint(books(entity))
    assert_sound(entity)


def test_what_a_clearing_cannot_forgive_is_said(entity, late):
    with pytest.raises(services.AmountRefused) as refused:
        do(late, "clearing", amount="100000.00", means="cash")
    assert "111537.49" in refused.value.detail, "payoff less the 20.31 of penalty and the 1,020.19 of interest that are due"


def test_money_moves_between_suspense_and_loans(entity, late):
    other = a_loan(entity)
    do(late, "repayment", amount="6000.00", means="cash")
    do(late, "internal_transfer", way="to_suspense", amount="200.00")
    assert books(entity)["224103"] == D("200.00")
    do(other, "internal_transfer", way="from_suspense", amount="150.00")
    assert books(entity)["224103"] == D("50.00")
    change = do(late, "internal_transfer", way="to_loan", amount="182.83", to_loan=other.number)
    assert [row["kind"] for row in change.result["transactions"]] == ["refund", "repayment"]
    assert "224102" not in books(entity)
    assert books(entity)["1012"] == D("240000.00") - 2 * D("5596.86"), "clearing was passed, not moved"
    with pytest.raises(services.AmountRefused):
        do(other, "internal_transfer", way="from_suspense", amount="50.01")
    assert_sound(entity)


def test_a_repayment_is_cancelled_and_its_cash_given_back(entity, late):
    before = books(entity)
    paid = do(late, "repayment", amount="5617.17", means="cash")
    assert books(entity)["1001"] == D("5617.17")
    do(late, "cancel_repayment", transaction=paid.result["transactions"][0]["id"])
    assert books(entity) == before
    assert_sound(entity)


def test_a_disbursement_is_cancelled(entity):
    loan = a_loan(entity)
    paid_out = LoanTransaction.objects.get(loan=loan, kind="disbursement")
    do(loan, "cancel_disbursement", transaction=str(paid_out.id))
    assert Loan.objects.get(id=loan.id).state == "cancelled"
    assert books(entity) == {}
    assert_sound(entity)


def test_only_a_payment_is_cancelled_as_a_payment(entity, late):
    paid_out = LoanTransaction.objects.get(loan=late, kind="disbursement")
    with pytest.raises(services.TransactionUnknown):
        do(late, "cancel_repayment", transaction=str(paid_out.id))


def test_a_new_loan_pays_off_the_old_one(entity, late):
    change = do(late, "refinance", installments="36", annual_rate="9.6", method="equal_installment", first_due="2025-06-10")
    old, new = Loan.objects.get(id=late.id), Loan.objects.exclude(id=late.id).get()
    assert (old.state, new.state, new.principal) == ("settled", "active", D("112577.99"))
    assert change.result["loans"] == sorted([old.number, new.number])
    assert new.terms["annual_rate"] == "9.6"
    assert books(entity)["130301"] == D("112577.99")
    assert books(entity)["1012"] == D("120000.00") - 2 * D("5596.86"), "no money has moved"
    assert_sound(entity)


def test_a_chargeback_makes_a_payment_owed_again(entity, late):
    paid = pay(late, "5617.17", LATE)
    change = do(late, "chargeback", amount="1000.00", transaction=str(paid.id))
    assert journal(change)["repayment"]["1012"] == D("-1000.00")
    assert journal(change)["clearing_out"] == {"1012": D("1000.00"), "1002": D("-1000.00")}
    assert services.payoff_quote(loan_id=late.id, on=LATE).due["principal"] == D("1000.00")


def test_only_a_payment_that_came_by_bank_is_charged_back(entity, late):
    other = a_loan(entity, reference="transfer-2")
    do(late, "repayment", amount="1000.00", means="cash")
    do(late, "goodwill", amount="20.00")
    pay(other, "30000.00", LATE, "too-much")
    do(other, "internal_transfer", way="to_suspense", amount="200.00")
    do(other, "internal_transfer", way="to_loan", amount="100.00", to_loan=late.number)
    for row in LoanTransaction.objects.filter(loan=late, kind="repayment").exclude(source="debit"):
        with pytest.raises(NotByBank):
            do(late, "chargeback", amount="1.00", transaction=str(row.id))
    by_bank = do(late, "repayment", amount="200.00", means="suspense").result["transactions"][0]["id"]
    assert "clearing_out" in journal(do(late, "chargeback", amount="200.00", transaction=by_bank))
    assert_sound(entity)


def test_a_new_loan_takes_no_gift_of_the_old_one_over(entity):
    old = a_loan(entity, replace(TERMS, principal_grace=2, interest_free=3, first_due=dt.date(2025, 2, 20)))
    asked = {"installments": "36", "annual_rate": "9.6", "method": "interest_first", "first_due": "2025-06-10"}
    do(old, "refinance", **asked)
    new = Loan.objects.exclude(id=old.id).get()
    assert (new.terms["principal_grace"], new.terms["interest_free"]) == (0, 0)
    days = (dt.date(2025, 1, 10), dt.date(2025, 2, 10))
    in_two = replace(TERMS, tranches=tuple(Tranche(day, D(60000)) for day in days))
    old = a_loan(entity, in_two, reference="transfer-2")
    do(old, "refinance", **asked)
    assert Loan.objects.get(id=old.id).state == "settled"
    assert_sound(entity)


def test_an_adjustment_corrects_each_component_in_its_place(entity, late):
    change = do(late, "adjustment", interest="-20.19", fee="50.00")
    found = journal(change)
    assert found["accrual"] == {"113201": D("-20.19"), "601101": D("19.05"), "222101": D("1.14")}
    assert found["fee"] == {"122101": D("50.00"), "6021": D("-47.17"), "222101": D("-2.83")}
    assert_sound(entity)


@pytest.mark.parametrize(
    ("operation", "data", "installments"),
    [
        ("extension", {"installments": "36"}, 36),
        ("term_change", {"installments": "18"}, 18),
        ("rate_reset", {"annual_rate": "9.6"}, 24),
        ("due_day_change", {"due_day": "28"}, 24),
        ("re_age", {}, 24),
        ("interest_pause", {"until": "2025-05-10"}, 24),
        ("termination", {}, 4),
    ],
)
def test_new_terms_change_the_schedule_and_post_nothing_unsound(entity, late, operation, data, installments):
    change = do(late, operation, **data)
    before, after = change.preview["before"], change.preview["after"]
    assert len(after["schedule"]) == installments
    assert before["schedule"] != after["schedule"]
    principal = sum(D(row["principal"]) for row in after["schedule"])
    assert principal == D("120000.00")
    assert_sound(entity)


def test_a_partner_bears_its_own_loss(entity):
    loan = a_loan(entity, shared(entity))
    pay(loan, "5596.86", DUE_1)
    pay(loan, "5596.86", DUE_2)
    do(loan, "waiver", penalty="20.31")
    do(loan, "write_off")
    stand = books(entity)
    assert stand["9003"] == stand["6702"] == D("33366.58"), "30 % of 111,221.94: the lender's part"
    assert stand["9004"] == D("77855.36"), "the partner's claim stays a memo"
    assert stand["9003"] + stand["9004"] == D("111221.94")
    assert {"1304", "130301", "130302", "130303", "113201", "113202", "601102"}.isdisjoint(stand)
    assert_sound(entity)
    do(loan, "recovery", amount="10000.00", means="cash")
    assert_sound(entity)
