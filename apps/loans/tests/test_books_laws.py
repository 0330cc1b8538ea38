"""Law: whatever is booked on a loan, in whatever order, leaves the books that a straight replay of it all would have left."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from apps.common import clock
from apps.common.clock import beijing
from apps.common.errors import CarloanError
from apps.common.models import new_id
from apps.common.money import ZERO, round_money
from apps.ledger import audit as ledger_audit
from apps.loans import audit, services
from apps.loans.domain import FeeBasis, FeeRule, FeeTime, FirstInterest, GraceInterest
from apps.loans.models import LoanAmount, LoanTransaction
from apps.loans.services.servicing import open_file
from apps.loans.tests.factories import START, SYSTEM, TERMS, a_lender, a_loan, books, shared

pytestmark = pytest.mark.django_db
D = Decimal
TODAY = dt.date(2025, 12, 20)
MONEY = ("repayment", "prepayment", "early_settlement")
COMPONENTS = ("fee", "penalty", "compound", "interest", "principal")
DAYS = (TODAY - START).days
# Terms by which the books have more to do than with a car loan: interest that becomes principal or is put off, charges, a gift of interest.
CAPITALISED_GRACE = {"principal_grace": 3, "interest_grace": 3, "grace_interest": GraceInterest.CAPITALISED}
FEES = (
    FeeRule(name="service", when=FeeTime.INSTALMENT, of=FeeBasis.PRINCIPAL, value=D("0.002")),
    FeeRule(name="reminder", when=FeeTime.OVERDUE, of=FeeBasis.FLAT, value=D("20.00")),
    FeeRule(name="opening", when=FeeTime.DISBURSEMENT, of=FeeBasis.AMOUNT, value=D("0.01"), maximum=D("500.00")),
)
VARIATIONS: tuple[dict[str, Any], ...] = (
    {}, {}, CAPITALISED_GRACE, {"first_interest": FirstInterest.CAPITALISED}, {"principal_grace": 2, "interest_grace": 2},
    {"interest_free": 2}, {"fees": FEES}, {"fees": FEES, "compound": True} | CAPITALISED_GRACE, {"fee_upfront": D("1200.00")},
)  # fmt: skip


def _some(dice, most):
    return D(dice.randint(1, most * 100)) / 100


def _particulars(dice, kind, day):
    """Amount and particulars of a change."""
    if kind in ("capitalised_income", "buy_down"):
        return _some(dice, 4000), {"unearned": dice.choice(("earned", "returned"))} if kind == "buy_down" else {}
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
    "buy_down", "buy_down", "capitalised_income", "capitalised_income",
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


def _a_loan(entity, drawn):
    """A loan as it was drawn: whether it is shared, whether it is a lease, and what varies."""
    is_shared, is_lease, variation = drawn
    options = {"vat_parameter": "vat.direct_lease", "is_lease": True} if is_lease else {}
    return a_loan(entity, replace(shared(entity) if is_shared else TERMS, **variation), **options)


def _straight(entity, drawn, loan):
    """The same transactions on another loan, replayed at once."""
    twin = _a_loan(entity, drawn)
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


def _check_tax(booked, rate):
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
        drawn = dice.random() < 0.3, dice.random() < 0.25, dice.choice(VARIATIONS)
        loan = _a_loan(ours, drawn)
        for step in range(dice.randint(1, 9)):
            try:
                _do(dice, loan, step)
            except CarloanError:
                continue
        twin = _straight(theirs, drawn, loan)
        booked = _booked(loan)
        assert booked == _booked(twin), f"history {seed}/{number}"
        if not LoanTransaction.objects.filter(loan=loan, kind="owner_transfer").exists():
            _check_tax(booked, loan.interest_vat_rate)  # of a loan that changed hands only the lender's own days are taxed
    assert books(ours) == books(theirs)
    moved = set(LoanAmount.objects.filter(loan__legal_entity=ours).exclude(booked=0).values_list("event", flat=True))
    assert {"deferred", "deferred_earned", "unearned", "fee"} <= moved
    for entity in (ours, theirs):
        found = [*ledger_audit.checks(entity.id), *audit.checks(entity.id)]
        assert [(check.name, check.first_offender) for check in found if not check.ok] == []


def test_books_of_any_history_are_those_of_its_straight_replay():
    _histories(200, "books")


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_books_of_many_more_histories(seed):
    _histories(200, f"long-{seed}")
