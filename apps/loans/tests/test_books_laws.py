"""Law: whatever is booked on a loan, in whatever order, leaves the books that a straight replay of it all would have left."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal

import pytest

from apps.common import clock
from apps.common.clock import beijing
from apps.common.errors import CarloanError
from apps.common.models import new_id
from apps.common.money import ZERO, round_money
from apps.ledger import audit as ledger_audit
from apps.loans import audit, services
from apps.loans.models import LoanAmount, LoanTransaction
from apps.loans.services.servicing import open_file
from apps.loans.tests.factories import START, SYSTEM, TERMS, a_lender, a_loan, books, shared

pytestmark = pytest.mark.django_db
D = Decimal
TODAY = dt.date(2025, 12, 20)
MONEY = ("repayment", "prepayment", "early_settlement")
COMPONENTS = ("fee", "penalty", "compound", "interest", "principal")
DAYS = (TODAY - START).days
# Checks of sums that adjustments of principal and chargebacks are no part of.


def _some(dice, most):
    return D(dice.randint(1, most * 100)) / 100


def _particulars(dice, kind, day):
    """Amount and particulars of a change."""
    if kind in ("refund", "fee", "chargeback"):
        return _some(dice, 6000 if kind != "fee" else 400), {}
    if kind == "recovery":
        return _some(dice, 60000), {}
    if kind == "waiver":
        return _some(dice, 500), {}
    if kind == "adjustment":
        return None, {"components": {dice.choice(COMPONENTS): f"{_some(dice, 300) * dice.choice((1, -1)):.2f}"}}
    if kind in ("extension", "term_change", "re_age"):
        return None, {"installments": dice.randint(13, 36)}
    if kind == "owner_transfer":
        owner = dice.choice(("", "spv-1", "spv-2"))
        return _some(dice, 120_000), {"owner_ref": owner} | ({"service_rate": str(dice.randint(0, 3))} if owner else {})
    extra = {
        "rate_reset": {"annual_rate": str(dice.randint(1, 20))},
        "due_day_change": {"due_day": dice.randint(1, 28)},
        "interest_pause": {"until": str(day + dt.timedelta(days=dice.randint(1, 40)))},
    }
    return None, extra.get(kind, {})


CHANGES = (
    "waiver", "waiver", "refund", "fee", "adjustment", "chargeback", "extension", "term_change", "rate_reset", "due_day_change",
    "re_amortise", "re_age", "interest_pause", "write_off", "recovery", "recovery", "owner_transfer", "owner_transfer", "owner_transfer",
)  # fmt: skip


def _do(dice, loan, number):
    """One deed with a random value date; what is refused leaves nothing."""
    day = START + dt.timedelta(days=dice.randint(1, DAYS))
    who = {"loan_id": loan.id, "reference": f"t{number}", "actor": SYSTEM, "now": beijing(TODAY, 12)}
    choice = dice.random()
    if choice < 0.45:
        amount = dice.choice((D("5596.86"), D("5596.86"), _some(dice, 9000), _some(dice, 60000)))
        services.record_repayment(amount=amount, value_date=day, source="debit", **who)
    elif choice < 0.55:
        services.prepay(amount=_some(dice, 30000), mode=dice.choice(("reduce", "shorten")), value_date=day, **who)
    elif choice < 0.58:
        services.settle_early(amount=_some(dice, 10000) + 115000, value_date=day, **who)
    elif choice < 0.68:
        row = dice.choice(LoanTransaction.objects.filter(loan=loan).order_by("id"))
        services.reverse_transaction(transaction_id=row.id, reason="r", **who)
    else:
        kind = dice.choice(CHANGES)
        amount, particulars = _particulars(dice, kind, day)
        services.record_change(kind=kind, value_date=day, reason="r", amount=amount, particulars=particulars, **who)


def _straight(entity, terms, loan):
    """The same transactions on another loan, replayed at once."""
    twin = a_loan(entity, terms)
    names = {row.reference: row for row in LoanTransaction.objects.filter(loan=twin)}
    ids = {}
    for row in LoanTransaction.objects.filter(loan=loan).order_by("id"):
        if row.reference in names:
            ids[row.id] = names[row.reference].id
            continue
        ids[row.id] = new_id()
        row.id, row.loan, row.reverses_id = ids[row.id], twin, ids.get(row.reverses_id)
        row.save(force_insert=True)
    file = open_file(twin.id, SYSTEM, beijing(TODAY, 12))
    file._project(TODAY)
    file._book(not_before=TODAY, reference=str(new_id()), narrative="")
    file._write()
    return twin


def _booked(loan):
    rows = LoanAmount.objects.filter(loan=loan).exclude(booked=0)
    return {(row.event, row.component, row.party_ref or "own"): row.booked for row in rows}


def _check_tax(booked, rate=D("0.06")):
    for (event, component, _party), tax in booked.items():
        if component.endswith("_vat"):
            gross = tax + booked.get((event, component.removesuffix("_vat"), "own"), ZERO)
            assert tax == round_money(gross * rate / (1 + rate)), (event, component)


def _histories(count, seed):
    """Histories by the services on one lender, straight on another: the same books."""
    clock.move_to(beijing(TODAY, 9))
    ours, theirs = a_lender(first_day=TODAY), a_lender(first_day=TODAY)
    for number in range(count):
        dice = random.Random(f"{seed}/{number}")
        is_shared = dice.random() < 0.3
        loan = a_loan(ours, shared(ours) if is_shared else TERMS)
        for step in range(dice.randint(1, 9)):
            try:
                _do(dice, loan, step)
            except CarloanError:
                continue
        twin = _straight(theirs, shared(theirs) if is_shared else TERMS, loan)
        booked = _booked(loan)
        assert booked == _booked(twin), f"history {seed}/{number}"
        if not LoanTransaction.objects.filter(loan=loan, kind="owner_transfer").exists():
            _check_tax(booked)  # of a loan that changed hands only the lender's own days are taxed
    assert books(ours) == books(theirs)
    for entity in (ours, theirs):
        found = [*ledger_audit.checks(entity.id), *audit.checks(entity.id)]
        assert [(check.name, check.first_offender) for check in found if not check.ok] == []


def test_books_of_any_history_are_those_of_its_straight_replay():
    _histories(200, "books")


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_books_of_many_more_histories(seed):
    _histories(200, f"long-{seed}")
