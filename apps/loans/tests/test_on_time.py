"""Exact payments on their day: the set-based way writes what the replay writes, and leaves alone what is not its business."""

from __future__ import annotations

import datetime as dt
import os
import random
import threading
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.common.actors import Actor
from apps.common.clock import beijing
from apps.common.errors import BadInput, CarloanError
from apps.common.models import OutboxMessage, new_id
from apps.common.money import round_money
from apps.ledger.models import JournalEntry
from apps.loans import services
from apps.loans.models import Instalment, Loan, LoanAmount, LoanBalance, LoanRun, LoanTransaction
from apps.loans.services.payments import _record
from apps.loans.tests.factories import START, SYSTEM, TERMS, a_lender, a_loan, assert_sound, close_through, pay, run_end_of_day, shared
from apps.loans.tests.test_sums import random_terms
from apps.loans.tests.test_take_over import HEAD
from apps.organisations.selectors import business_date

pytestmark = pytest.mark.django_db
LONG = bool(os.environ.get("CARLOAN_TEST_LONG"))
ONE_DAY = dt.timedelta(days=1)
CENT = Decimal("0.01")
FIRST_DUE = dt.date(2025, 2, 20)


def payment(loan: Loan, amount: Decimal, day: dt.date, reference: str = "") -> services.Payment:
    return services.Payment(loan.id, amount, day, "debit", reference or f"debit-{day}")


def on_time(*payments: services.Payment, actor: Actor = SYSTEM) -> list[services.TransactionBrief]:
    return services.record_on_time(payments, actor=actor, now=beijing(payments[0].value_date, 12))


def by_replay(loan: Loan, amount: Decimal, day: dt.date) -> services.TransactionBrief:
    return _record(
        loan_id=loan.id,
        kind=LoanTransaction.Kind.REPAYMENT,
        amount=amount,
        value_date=day,
        source="debit",
        reference=f"debit-{day}",
        params={},
        actor=SYSTEM,
        now=beijing(day, 12),
    )


def due_on(loan: Loan, day: dt.date) -> Decimal:
    """What of a loan falls due on a day and is unpaid."""
    rows = Instalment.objects.filter(loan=loan, due_date=day).exclude(status="paid")
    principal = sum((row.principal - row.paid_principal - row.waived_principal for row in rows), Decimal(0))
    return sum((row.interest - row.paid_interest - row.waived_interest for row in rows), principal)


@contextmanager
def undone():
    """What happens inside is taken back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def stored(loan: Loan, transaction_id) -> dict[str, object]:
    """All rows that a payment touches, without surrogate ids."""
    entries = JournalEntry.objects.filter(reference=str(transaction_id)).order_by("event")
    fields = [field.name for field in Instalment._meta.concrete_fields if field.name != "id"]
    news = OutboxMessage.objects.filter(name__startswith="loans.").order_by("id").last()
    return {
        "state": Loan.objects.values("state", "settled_on").get(id=loan.id),
        "balance": LoanBalance.objects.values().get(loan=loan),
        "run": LoanRun.objects.values().filter(loan=loan).first(),
        "instalments": list(Instalment.objects.filter(loan=loan).order_by("no").values(*fields)),
        "amounts": {
            (row.event, row.component, row.party_ref): (row.target, row.booked)
            for row in LoanAmount.objects.filter(loan=loan)
            if row.target or row.booked
        },
        "transaction": LoanTransaction.objects.values(
            "kind", "value_date", "business_date", "amount", "source", "reference", "reverses", "params", "reason", "actor", "created_at"
        ).get(id=transaction_id),
        "entries": [
            (
                entry.event,
                entry.business_date,
                entry.narrative,
                entry.total,
                entry.actor,
                sorted(entry.lines.values_list("account__code", "debit", "credit", "party_ref", "subject_ref", "component")),
            )
            for entry in entries
        ],
        "news": (news.name, {name: value for name, value in news.payload.items() if name != "transaction_id"}),
    }


# What else happens to loans, and how much of it.
DEEDS = {
    "prepayment": lambda dice: ({"amount": Decimal(dice.randrange(1_000, 2_000_000)) * CENT, "mode": dice.choice(("reduce", "shorten"))}),
    "credit": lambda dice: ({"amount": Decimal(dice.randrange(1, 300_000)) * CENT}),
    "fee": lambda dice: ({"amount": Decimal(dice.randrange(1, 9_000)) * CENT}),
    "adjustment": lambda dice: (
        {"particulars": {"components": {dice.choice(("interest", "fee", "principal")): str(dice.randrange(-900, 900) or 1)}}}
    ),
    "waiver": lambda dice: ({"amount": Decimal(dice.randrange(1, 9_000)) * CENT}),
    "rate_reset": lambda dice: ({"particulars": {"annual_rate": str(dice.randrange(1, 24))}}),
    "sale": lambda dice: ({"amount": Decimal(dice.randrange(1, 900_000)) * CENT, "particulars": {"owner_ref": "spv-1"}}),
    "buy_back": lambda dice: ({"amount": Decimal(dice.randrange(1, 900_000)) * CENT, "particulars": {"owner_ref": ""}}),
    "reversal": lambda dice: ({}),
}


def some_taken_over(entity) -> list[Loan]:
    """Loans of a former system, 21 days old."""
    lines = []
    for number, principal in enumerate((60_000, 48_000, 30_000, 90_000, 12_345)):
        interest = round_money(Decimal(principal) * Decimal("0.108") * 21 / 365)
        lines.append(
            f"OLD-{number},{new_id()},{principal}.00,10.8,12,equal_installment,act/365,2024-12-20,2025-01-20,{principal}.00,{interest},,,,"
        )
    content = "\n".join((HEAD, *lines)).encode()
    services.take_over_loans(legal_entity_id=entity.id, file_name="old.csv", content=content, actor=SYSTEM, now=beijing(START, 9))
    return list(Loan.objects.filter(taken_over__isnull=False).order_by("number"))


def happen(dice: random.Random, loan: Loan, day: dt.date) -> str:
    """Something else that happens to a loan; its name, or nothing when it is refused."""
    name = dice.choice(list(DEEDS))
    given = DEEDS[name](dice)
    who = {"loan_id": loan.id, "reference": f"{name}-{day}", "actor": SYSTEM, "now": beijing(day, 11)}
    try:
        if name == "prepayment":
            services.prepay(value_date=day, **given, **who)
        elif name == "credit":
            services.record_repayment(value_date=day, source="debit", **given, **who)
        elif name == "reversal":
            last = LoanTransaction.objects.filter(loan=loan).exclude(kind="disbursement").order_by("id").last()
            if last is None:
                return ""
            services.reverse_transaction(transaction_id=last.id, reason="r", **who)
        else:
            kind = "owner_transfer" if name in ("sale", "buy_back") else name
            services.record_change(kind=kind, value_date=day, reason="r", **given, **who)
    except CarloanError:
        return ""
    return name


@pytest.mark.parametrize("seed", range(8 if LONG else 2))
def test_what_is_written_is_what_the_replay_writes(seed):
    """Exact payments of loans to which all kinds of things have happened before, some of them taken over while they ran."""
    dice = random.Random(seed)
    entity = a_lender()
    loans = [a_loan(entity, random_terms(dice, start=START, most=8)) for _ in range(25)]
    lived = {loan.id: set() for loan in loans}
    for loan in some_taken_over(entity):
        loans.append(loan)
        lived[loan.id] = {"taken over"}
    day, taken, after = START, 0, set()
    for _ in range(75):
        close_through(entity, day)
        day += ONE_DAY
        for loan in loans:
            if dice.random() < 0.02:
                lived[loan.id].add(happen(dice, loan, day))
            amount = due_on(loan, day)
            if not amount or dice.random() < 0.1:
                continue
            with undone():
                wanted = stored(loan, by_replay(loan, amount, day).id)
            with transaction.atomic():
                done = on_time(payment(loan, amount, day))
                if done:
                    taken += 1
                    after |= lived[loan.id]
                    assert stored(loan, done[0].id) == wanted
                if dice.random() < 0.2:  # not paid after all: late from now on
                    transaction.set_rollback(True)
    assert taken > 20
    assert {"taken over", "prepayment"} <= after
    assert_sound(entity)


@pytest.fixture
def entity():
    return a_lender()


@pytest.fixture
def loan(entity):
    found = a_loan(entity)
    close_through(entity, FIRST_DUE - ONE_DAY)
    return found


def test_repayments_take_the_short_way(loan):
    amount = due_on(loan, FIRST_DUE)
    with undone():
        assert [brief.amount for brief in on_time(payment(loan, amount, FIRST_DUE))] == [amount]
    with CaptureQueriesContext(connection) as asked:
        brief = pay(loan, str(amount), FIRST_DUE)
    assert brief.amount == amount
    assert len(asked) <= 12
    assert pay(loan, str(amount), FIRST_DUE).repeated


@pytest.mark.parametrize(
    ("more", "days"), [(CENT, 0), (-CENT, 0), (Decimal(0), -1), (Decimal(0), 1)], ids=["too much", "too little", "yesterday", "tomorrow"]
)
def test_what_is_not_exact_or_not_of_today_is_left_alone(loan, more, days):
    assert on_time(payment(loan, due_on(loan, FIRST_DUE) + more, FIRST_DUE + days * ONE_DAY)) == []
    assert LoanTransaction.objects.filter(loan=loan, kind="repayment").count() == 0


@pytest.mark.parametrize(("source", "reference"), [("gift", "debit-1"), ("", "debit-1"), ("debit", "x" * 65)])
def test_money_whose_origin_cannot_be_kept_is_refused(loan, source, reference):
    amount = due_on(loan, FIRST_DUE)
    assert on_time(services.Payment(loan.id, amount, FIRST_DUE, source, reference)) == []
    with pytest.raises(BadInput) as refused:
        services.record_repayment(
            loan_id=loan.id,
            amount=amount,
            value_date=FIRST_DUE,
            source=source,
            reference=reference,
            actor=SYSTEM,
            now=beijing(FIRST_DUE, 11),
        )
    assert "source" in refused.value.fields


def test_what_is_late_is_left_alone(entity, loan):
    amount = due_on(loan, FIRST_DUE)
    close_through(entity, FIRST_DUE)
    assert on_time(payment(loan, amount, FIRST_DUE + ONE_DAY)) == []


def test_a_reference_counts_once_and_a_loan_once_a_day(loan):
    amount = due_on(loan, FIRST_DUE)
    assert len(on_time(payment(loan, amount, FIRST_DUE), payment(loan, amount, FIRST_DUE, "debit-2"))) == 1
    assert on_time(payment(loan, amount, FIRST_DUE)) == []


def test_a_transaction_of_the_day_leaves_the_rest_to_the_replay(entity, loan):
    amount = due_on(loan, FIRST_DUE)
    pay(loan, "100.00", FIRST_DUE, "early-morning")
    assert on_time(payment(loan, amount - 100, FIRST_DUE)) == []
    pay(loan, str(amount - 100), FIRST_DUE)
    assert_sound(entity)


def test_the_last_instalment_settles_by_the_replay(entity):
    loan = a_loan(entity, replace(TERMS, installments=1))
    close_through(entity, FIRST_DUE - ONE_DAY)
    amount = due_on(loan, FIRST_DUE)
    assert on_time(payment(loan, amount, FIRST_DUE)) == []
    assert pay(loan, str(amount), FIRST_DUE).loan_state == "settled"


def test_a_shared_loan_is_paid_in_shares(entity):
    loan = a_loan(entity, shared(entity))
    close_through(entity, FIRST_DUE - ONE_DAY)
    assert len(on_time(payment(loan, due_on(loan, FIRST_DUE), FIRST_DUE))) == 1
    paid = LoanAmount.objects.filter(loan=loan, event="repayment").values_list("component", "party_ref", "target")
    assert {(component, party): amount for component, party, amount in paid} == {
        ("interest", ""): Decimal("436.73"),
        ("interest", "bank-a"): Decimal("1019.05"),
        ("principal", ""): Decimal("1242.32"),
        ("principal", "bank-a"): Decimal("2898.76"),
    }
    assert_sound(entity)


def test_loans_out_of_sight_are_left_alone(loan):
    stranger = Actor(kind="staff", label="of nobody", permissions=frozenset({"loans.record"}))
    assert on_time(payment(loan, due_on(loan, FIRST_DUE), FIRST_DUE), actor=stranger) == []


def test_many_take_as_many_statements_as_some(entity):
    loans = [a_loan(entity) for _ in range(75)]
    close_through(entity, FIRST_DUE - ONE_DAY)
    asked = []
    for part in (loans[:15], loans[15:30], loans[30:]):
        payments = [payment(loan, due_on(loan, FIRST_DUE), FIRST_DUE) for loan in part]
        with CaptureQueriesContext(connection) as queries:
            assert len(on_time(*payments)) == len(part)
        asked.append(len(queries))
    assert asked[1] == asked[2]  # the first one reads the posting rules
    assert_sound(entity)


@pytest.mark.django_db(transaction=True)
def test_payments_while_the_day_closes_count_once():
    """Payments of all loans come while their day is closed: those that are late for it go the long way, and the books stay whole."""
    entity = a_lender(first_day=FIRST_DUE)
    loans = [a_loan(entity, reference=f"transfer-{number}") for number in range(24)]
    amount = due_on(loans[0], FIRST_DUE)
    ready, short, errors = threading.Barrier(4), [], []

    def paying(part):
        for loan in part:
            with transaction.atomic():
                short.append(len(on_time(payment(loan, amount, FIRST_DUE))))
            pay(loan, str(amount), FIRST_DUE)

    def one(deed, *given):
        try:
            ready.wait(timeout=20)
            deed(*given)
        except Exception as error:  # noqa: BLE001  (whatever it is, the test shows it)
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(paying, loans[number::3])) for number in range(3)]
    threads.append(threading.Thread(target=one, args=(run_end_of_day, entity, FIRST_DUE)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert errors == []
    assert len(short) == 24
    assert business_date(entity.id) == FIRST_DUE + ONE_DAY
    assert LoanTransaction.objects.filter(kind="repayment", value_date=FIRST_DUE).count() == 24
    assert Instalment.objects.filter(due_date=FIRST_DUE, status="paid").count() == 24
    assert_sound(entity)
