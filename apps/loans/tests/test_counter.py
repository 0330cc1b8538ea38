"""Counter operations: previewed, proposed by one person, approved by another, carried out once (docs/rules/posting-rules.md)."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from apps.common import approvals, clock
from apps.common.actors import Actor
from apps.common.clock import beijing
from apps.common.errors import BadInput, NotPermitted
from apps.common.models import ChangeRequest, OutboxMessage
from apps.ledger.models import JournalEntry
from apps.loans import services
from apps.loans.models import Loan, LoanTransaction
from apps.loans.tests.factories import a_lender, a_loan, assert_sound, books, business_day, pay
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
        ("repayment", {"amount": "0", "source": "counter"}, "amount"),
        ("repayment", {"amount": "20000000000", "source": "counter"}, "amount"),
        ("repayment", {"amount": "5", "source": "purse"}, "source"),
        ("extension", {"installments": "many"}, "installments"),
        ("rate_reset", {"annual_rate": "1e3"}, "annual_rate"),
        ("cancel_repayment", {"transaction": "7"}, "transaction"),
        ("refund", {"amount": "5", "extra": "x"}, "extra"),
        ("refund", {"amount": "5", "value_date": "2025-02-30"}, "value_date"),
        ("refund", {}, "amount"),
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
    change = do(late, "refund", amount="382.83")
    assert journal(change)["refund"] == {"224102": D("382.83"), "1012": D("-382.83")}
    assert "224102" not in books(entity)
    assert_sound(entity)
    with pytest.raises(services.AmountRefused):
        do(late, "refund", amount="0.01")


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
    assert LoanTransaction.objects.get(kind="write_off").params == {"about": {"fraud": "yes", "note": "car sold abroad"}}
    assert_sound(entity)
