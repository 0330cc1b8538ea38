"""Loans sold to an external owner and bought back (docs/rules/ownership.md): the story with its numbers, and the laws."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from rest_framework.test import APIClient

from apps.common import approvals, clock
from apps.common.actors import Actor
from apps.common.clock import beijing
from apps.common.errors import BadInput
from apps.common.models import new_id
from apps.ledger import selectors as ledger
from apps.ledger import services as ledger_services
from apps.ledger.domain import Posting
from apps.loans import audit, services
from apps.loans.models import LoanAmount, LoanRun, LoanTransaction
from apps.loans.selectors import OwnerUnknown, owed_to, owner_statement, owners_of
from apps.loans.services.errors import HeldByAnother
from apps.loans.services.owner_deeds import ChangedHandsLater, NotSold
from apps.loans.tests.factories import START, SYSTEM, TERMS, a_lender, a_loan, assert_sound, books, business_day, close_through, pay, shared
from apps.organisations.tests.factories import UserFactory

pytestmark = pytest.mark.django_db
D = Decimal
DUE_1, DUE_2, DUE_3 = dt.date(2025, 2, 20), dt.date(2025, 3, 20), dt.date(2025, 4, 20)
SOLD, BOUGHT = dt.date(2025, 3, 1), dt.date(2025, 4, 10)


def staff(entity, *roles):
    return Actor.of(UserFactory(legal_entity=entity, roles=list(roles)))


def now(entity):
    return beijing(business_day(entity.id), 15)


def do(loan, operation, **data):
    """Proposed by one, approved by another who may approve anything."""
    entity = loan.legal_entity
    data.setdefault("value_date", str(business_day(entity.id)))
    change = services.propose_operation(
        operation=operation, loan_id=loan.id, data=data, reason="pool 2025-1", actor=staff(entity, "finance"), now=now(entity)
    )
    done = approvals.approve(request_id=change.id, actor=staff(entity, "entity_admin"), now=now(entity))
    assert done.state == "executed", done.error
    return done


def journal(change):
    """Event → account → debit minus credit, of what an executed operation posted."""
    found = {}
    for entry in change.result["journal"]:
        for line in entry["lines"]:
            moved = found.setdefault(entry["event"], {})
            moved[line["account"]] = moved.get(line["account"], 0) + D(line["debit"] or 0) - D(line["credit"] or 0)
    return {event: {account: net for account, net in lines.items() if net} for event, lines in found.items()}


def move_to(day):
    clock.move_to(beijing(day, 10))


@pytest.fixture
def entity():
    move_to(START)
    return a_lender(first_day=START)


@pytest.fixture
def loan(entity):
    """The loan of the worked examples with its first instalment paid, on 2025-03-01."""
    loan = a_loan(entity)
    close_through(entity, DUE_1 - dt.timedelta(days=1))
    move_to(DUE_1)
    pay(loan, "5596.86", DUE_1)
    close_through(entity, SOLD - dt.timedelta(days=1))
    move_to(SOLD)
    return loan


def a_transfer_from(entity, amount, reference):
    """A bank transfer that nobody knows yet waits in suspense."""
    ledger_services.post(
        legal_entity_id=entity.id,
        business_date=business_day(entity.id),
        event="suspense_received",
        amounts=[Posting("money", D(amount))],
        reference=reference,
        actor=SYSTEM,
        now=now(entity),
    )


def settle(entity, way, amount):
    change = services.propose_settlement(
        legal_entity_id=entity.id,
        owner="spv-1",
        way=way,
        amount=D(amount),
        reason="as told",
        actor=staff(entity, "finance"),
        now=now(entity),
    )
    done = approvals.approve(request_id=change.id, actor=staff(entity, "entity_admin"), now=now(entity))
    assert done.state == "executed", done.error
    return done


def owed(entity):
    return owed_to(entity.id, "spv-1")


# -- the worked example -------------------------------------------------------------------------------------


def test_a_loan_is_sold_serviced_and_bought_back(entity, loan):
    sold = do(loan, "sale", owner="spv-1", price="117000.00", service_rate="1")
    assert journal(sold)["sale"] == {
        "130301": D("-115858.92"), "113201": D("-308.53"), "1304": D("1158.59"), "6111": D("-1991.14"), "224101": D("117000.00"),
        "9004": D("115858.92"), "9005": D("308.53"), "9099": D("-116167.45"),
    }  # fmt: skip
    held = books(entity)
    assert {code: held.get(code, 0) for code in ("130301", "113201", "1304", "6111")} == {
        "130301": 0, "113201": 0, "1304": 0, "6111": D("1991.14"),
    }  # fmt: skip
    assert_sound(entity)

    a_transfer_from(entity, "117000.00", "price")
    settle(entity, "received", "117000.00")
    assert owed(entity) == 0

    income = books(entity)["601101"]
    close_through(entity, DUE_2 - dt.timedelta(days=1))
    assert LoanRun.objects.get(loan=loan).is_plain, "the end of day takes it with all others"
    assert books(entity)["601101"] == income, "what runs is the owner's"
    assert books(entity)["9005"] == D("959.88")
    assert_sound(entity)
    move_to(DUE_2)
    pay(loan, "5596.86", DUE_2)
    assert (owed(entity), books(entity)["6051"], books(entity)["222102"]) == (D("5540.89"), D("52.80"), D("3.17"))
    settle(entity, "paid", "5540.89")
    assert books(entity)["224103"] == D("5540.89"), "finance pays it by bank"
    assert_sound(entity)

    close_through(entity, BOUGHT - dt.timedelta(days=1))
    move_to(BOUGHT)
    back = do(loan, "buy_back", price="113000.00")
    assert journal(back)["buy_back"] == {
        "130301": D("111221.94"), "113201": D("691.10"), "6111": D("1086.96"), "224101": D("-113000.00"),
        "9004": D("-111221.94"), "9005": D("-691.10"), "9099": D("111913.04"),
    }  # fmt: skip
    assert journal(back)["provision"] == {"6702": D("1112.22"), "1304": D("-1112.22")}
    assert_sound(entity)

    told = owner_statement(entity.id, "spv-1", SOLD, BOUGHT)
    assert [(flow.event, flow.amount, flow.owed) for flow in told.flows] == [
        ("sale", D("-117000.00"), D("-117000.00")),
        ("partner_settlement", D("117000.00"), D("0.00")),
        ("repayment", D("5596.86"), D("5596.86")),
        ("service_fee", D("-55.97"), D("5540.89")),
        ("partner_settlement", D("-5540.89"), D("0.00")),
        ("buy_back", D("113000.00"), D("113000.00")),
    ]
    assert told.opening == 0
    assert told.closing == owed(entity) == D("113000.00")
    assert told.flows[0].loan == loan.number

    close_through(entity, DUE_3)
    assert books(entity)["113201"] == D("1051.75"), "691.10 bought, 329.09 of ten days and 31.56 of the next"
    assert_sound(entity)


def test_a_sale_undone_never_was(entity, loan):
    before = books(entity)
    do(loan, "sale", owner="spv-1", price="117000.00", service_rate="1")
    do(loan, "cancel_change", transaction=str(LoanTransaction.objects.get(kind="owner_transfer").id))
    assert books(entity) == before
    assert_sound(entity)


def test_a_debit_that_bounces_after_the_sale_lowers_the_gain(entity, loan):
    """The owner holds 4,141.08 of principal and 1,455.78 of interest more than was thought, at the same price."""
    do(loan, "sale", owner="spv-1", price="117000.00")
    services.reverse_transaction(
        loan_id=loan.id,
        transaction_id=LoanTransaction.objects.get(kind="repayment").id,
        reason="bounced",
        reference="bounce",
        actor=SYSTEM,
        now=now(entity),
    )
    held = books(entity)
    assert (held["9004"], held.get("130301", 0), held["224101"]) == (D("120000.00"), 0, D("117000.00"))
    assert_sound(entity)
    close_through(entity, SOLD + dt.timedelta(days=40))
    assert_sound(entity)


def test_of_a_shared_loan_the_lenders_part_is_sold(entity):
    loan = a_loan(entity, shared(entity))
    close_through(entity, SOLD - dt.timedelta(days=1))
    move_to(SOLD)
    do(loan, "sale", owner="spv-1", price="36000.00")
    close_through(entity, SOLD + dt.timedelta(days=100))
    parties = ledger.by_party("9004", entity.id)
    assert parties == {"bank-a": D("84000.00"), "spv-1": D("36000.00")}
    assert LoanRun.objects.get(loan=loan).is_suspended, "late for more than 90 days"
    assert "9002" not in books(entity), "and none of the lender's own interest with it"
    assert_sound(entity)
    move_to(SOLD + dt.timedelta(days=101))
    do(loan, "buy_back", price="30000.00")
    assert books(entity)["130303"] == D("36000.00")
    assert books(entity)["9002"] > 0
    assert "113201" not in books(entity)
    assert_sound(entity)


@pytest.mark.parametrize(
    ("operation", "data", "refusal"),
    [
        ("sale", {"owner": "own", "price": "1.00"}, BadInput),
        ("sale", {"owner": "spv-1", "price": "1.00", "service_rate": "100"}, BadInput),
        ("sale", {"owner": "spv-1"}, BadInput),
        ("buy_back", {"price": "1.00"}, NotSold),
    ],
)
def test_what_makes_no_sense_is_refused(entity, loan, operation, data, refusal):
    with pytest.raises(refusal):
        do(loan, operation, **data)
    assert not LoanTransaction.objects.filter(kind="owner_transfer").exists()


def test_a_sold_loan_is_neither_sold_again_nor_written_off(entity, loan):
    do(loan, "sale", owner="spv-1", price="117000.00")
    with pytest.raises(HeldByAnother):
        do(loan, "sale", owner="spv-2", price="117000.00")
    with pytest.raises(HeldByAnother):
        do(loan, "write_off")
    with pytest.raises(ChangedHandsLater):
        do(loan, "sale", owner="spv-2", price="117000.00", value_date=str(SOLD - dt.timedelta(days=2)))


# -- pools and money ----------------------------------------------------------------------------------------


def propose_pool(entity, way="sale", **changes):
    asked = {"owner": "spv-1", "value_date": business_day(entity.id), "reason": "pool 2025-1", "now": now(entity)} | changes
    return services.propose_pool(legal_entity_id=entity.id, way=way, actor=staff(entity, "finance"), **asked)


def test_a_pool_is_sold_whole_and_bought_back(entity, loan):
    other = a_loan(entity, replace(TERMS, start=SOLD - dt.timedelta(days=20), first_due=DUE_2))
    prices = {loan.number: D("117000.00"), other.number: D("120500.00")}
    change = propose_pool(entity, prices=prices, service_rate=D("0.5"))
    assert not LoanTransaction.objects.filter(kind="owner_transfer").exists(), "a preview is taken back"
    assert change.preview["totals"]["principal"] == "235858.92"
    assert change.preview["totals"]["price"] == "237500.00"
    done = approvals.approve(request_id=change.id, actor=staff(entity, "entity_admin"), now=now(entity))
    assert (done.state, done.result["totals"]) == ("executed", change.preview["totals"])
    (standing,) = owners_of(entity.id)
    assert (standing.owner, standing.loans, standing.principal, standing.owed) == ("spv-1", 2, D("235858.92"), D("-237500.00"))
    assert_sound(entity)
    change = propose_pool(entity, "buy_back", prices={other.number: D("120500.00")})
    approvals.approve(request_id=change.id, actor=staff(entity, "entity_admin"), now=now(entity))
    (standing,) = owners_of(entity.id)
    assert (standing.loans, standing.principal, standing.owed) == (1, D("115858.92"), D("-117000.00"))
    assert_sound(entity)


def test_one_loan_that_cannot_be_sold_keeps_the_pool_from_being_sold(entity, loan):
    do(loan, "sale", owner="spv-9", price="117000.00")
    other = a_loan(entity, replace(TERMS, start=SOLD - dt.timedelta(days=20), first_due=DUE_2))
    with pytest.raises(services.PoolRefused, match=loan.number):
        propose_pool(entity, prices={loan.number: D("1.00"), other.number: D("1.00")})
    with pytest.raises(services.PoolRefused, match=other.number):
        propose_pool(entity, "buy_back", prices={other.number: D("1.00")})
    with pytest.raises(services.PoolRefused, match=r"Enter a rate below 100 percent"):
        propose_pool(entity, prices={other.number: D("1.00")}, owner="spv-2", service_rate=D("100"))
    with pytest.raises(services.LoanUnknown):
        propose_pool(entity, prices={"LN-none": D("1.00")})
    assert LoanTransaction.objects.filter(kind="owner_transfer").count() == 1


def test_money_is_settled_only_as_far_as_it_is_there(entity, loan):
    with pytest.raises(OwnerUnknown):
        settle(entity, "paid", "1.00")
    do(loan, "sale", owner="spv-1", price="117000.00")
    with pytest.raises(services.AmountRefused):
        settle(entity, "paid", "1.00")
    with pytest.raises(services.AmountRefused):
        settle(entity, "received", "117000.00")


def test_pools_and_statements_over_the_api(entity, loan):
    client = APIClient()
    client.force_authenticate(UserFactory(legal_entity=entity, roles=["finance"]))
    asked = {"way": "sale", "owner": "spv-1", "value_date": str(SOLD), "reason": "pool 2025-1", "service_rate": "1"}
    asked["loans"] = [{"loan": loan.number, "price": "117000.00"}]
    answer = client.post("/api/v1/loan-owners/pools", asked, format="json", HTTP_IDEMPOTENCY_KEY="pool-1")
    assert (answer.status_code, answer.json()["amount"]) == (201, "117000.00"), answer.json()
    approvals.approve(request_id=answer.json()["id"], actor=staff(entity, "entity_admin"), now=now(entity))
    (standing,) = client.get("/api/v1/loan-owners").json()
    assert standing == {"owner": "spv-1", "loans": 1, "principal": "115858.92", "interest": "308.53", "owed": "-117000.00"}
    told = client.get(f"/api/v1/loan-owners/spv-1/statement?first={SOLD}&last={SOLD}").json()
    assert (told["opening"], told["closing"], [flow["event"] for flow in told["flows"]]) == ("0.00", "-117000.00", ["sale"])
    a_transfer_from(entity, "117000.00", "price")
    money = {"owner": "spv-1", "way": "received", "amount": "117000.00", "reason": "price"}
    assert client.post("/api/v1/loan-owners/settlements", money, format="json", HTTP_IDEMPOTENCY_KEY="s-1").status_code == 201
    assert client.get("/api/v1/loan-owners/spv-2/statement?first=2025-03-01&last=2025-03-01").status_code == 404
    stranger = APIClient()
    stranger.force_authenticate(UserFactory(legal_entity=a_lender(first_day=SOLD), roles=["finance"]))
    assert stranger.get("/api/v1/loan-owners").json() == []
    assert stranger.post("/api/v1/loan-owners/pools", asked, format="json", HTTP_IDEMPOTENCY_KEY="p").status_code == 404


def test_a_dealer_s_system_sees_no_owner_s_balance(entity, loan):
    do(loan, "sale", owner="spv-1", price="117000.00")
    client = APIClient()
    user = UserFactory(legal_entity=entity, kind="client", roles=["finance"], scope_kind="dealer", scope_ref=new_id())
    assert user.can("loans.adjust")
    client.force_authenticate(user)
    for path in ("", f"/spv-1/statement?first={SOLD}&last={SOLD}"):
        assert client.get(f"/api/v1/loan-owners{path}").status_code == 403
    asked = {"owner": "spv-1", "way": "received", "amount": "1.00", "reason": "price"}
    assert client.post("/api/v1/loan-owners/settlements", asked, format="json", HTTP_IDEMPOTENCY_KEY="s").status_code == 403


# -- the audit ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "component", "party", "check", "offender"),
    [
        ("sale", "principal", "", "sub-ledger = general ledger: principal", "account 1303: "),
        ("sale", "provision", "", "sub-ledger = general ledger: loss provision", "account 1304: "),
        ("sale", "difference", "", "sub-ledger = general ledger: result of sales", "account 6111: "),
        ("sale", "principal", "spv-1", "sub-ledger = general ledger: partners' principal", "account 9004, party spv-1: "),
        ("sale", "interest", "spv-1", "sub-ledger = general ledger: partners' interest", "account 9005, party spv-1: "),
        ("sale", "price", "spv-1", "sub-ledger = general ledger: partners' money", "account 224101, party spv-1: "),
    ],
)
def test_what_was_tampered_with_is_named(entity, loan, event, component, party, check, offender):
    do(loan, "sale", owner="spv-1", price="117000.00")
    LoanAmount.objects.filter(loan=loan, event=event, component=component, party_ref=party).update(target=D("7.00"), booked=D("7.00"))
    wrong = {item.name: item.first_offender for item in audit.checks(entity.id) if not item.ok}
    assert wrong[check].startswith(offender)
    assert loan.number in wrong["booked amounts = replayed amounts"]


def test_money_owed_to_the_wrong_party_is_named(entity, loan):
    do(loan, "sale", owner="spv-1", price="117000.00")
    LoanAmount.objects.filter(loan=loan, event="sale", component="price").update(party_ref="spv-2")
    wrong = {item.name: item.first_offender for item in audit.checks(entity.id) if not item.ok}
    assert wrong["sub-ledger = general ledger: partners' money"].startswith("account 224101, party spv-1: loans 0")
