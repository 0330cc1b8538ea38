"""Makers of loans for tests: a lender with open books and its shipped rules, and the loan of the worked examples."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.common.actors import Actor
from apps.common.clock import beijing
from apps.common.models import OutboxMessage, new_id
from apps.ledger import audit as ledger_audit
from apps.ledger import selectors as ledger_selectors
from apps.ledger import services as ledger
from apps.loans import audit, services
from apps.loans.domain.parsing import parse_terms
from apps.loans.domain.terms import Funder, LoanTerms
from apps.loans.models import Loan
from apps.organisations import end_of_day
from apps.organisations.business_day import Step, steps
from apps.organisations.models import BusinessDay, LegalEntity
from apps.organisations.services import install_parameters, open_business_day

SYSTEM = Actor.system("tests")
START = dt.date(2025, 1, 10)

# The loan of docs/rules: 120,000.00 at 10.8 %, 24 equal instalments, taken 2025-01-10, first due 2025-02-20.
TERMS = parse_terms(
    {
        "principal": "120000.00",
        "annual_rate": "10.8",
        "installments": 24,
        "method": "equal_installment",
        "day_count": "act/365",
        "start": "2025-01-10",
        "first_due": "2025-02-20",
    }
)


def a_lender(code: str = "", *, first_day: dt.date = START) -> LegalEntity:
    """A legal entity with parameters, open books and its first business day."""
    code = code or new_id().hex[-8:]
    entity = LegalEntity.objects.create(code=code, name=f"{code} 汽车金融有限公司", short_name=code)
    now = beijing(first_day, 9)
    install_parameters(actor=SYSTEM, now=now)
    ledger.open_books(legal_entity_id=entity.id, actor=SYSTEM, now=now)
    open_business_day(entity.id, first_day, now=now)
    return entity


def a_loan(entity: LegalEntity, terms: LoanTerms = TERMS, *, value_date: dt.date | None = None, **options: Any) -> Loan:
    """A loan paid out on the first day of its terms."""
    value_date = value_date or terms.start
    loan_id = services.open_loan(
        legal_entity_id=entity.id,
        borrower_ref=options.pop("borrower_ref", new_id()),
        application_ref=options.pop("application_ref", new_id()),
        terms=terms,
        value_date=value_date,
        reference=options.pop("reference", "transfer-1"),
        actor=SYSTEM,
        now=beijing(value_date, 10),
        **options,
    )
    return Loan.objects.get(id=loan_id)


def shared(entity: LegalEntity, own_parts: int = 3000) -> LoanTerms:
    """The same loan, of which a bank lends the other parts."""
    return replace(TERMS, funders=(Funder(str(entity.id), own_parts), Funder("bank-a", 10_000 - own_parts)))


def pay(loan: Loan, amount: str, day: dt.date, reference: str = "") -> services.TransactionBrief:
    """A debit that came in."""
    return services.record_repayment(
        loan_id=loan.id,
        amount=Decimal(amount),
        value_date=day,
        source="debit",
        reference=reference or f"debit-{day}",
        actor=SYSTEM,
        now=beijing(day, 12),
    )


def close_through(entity: LegalEntity, day: dt.date) -> None:
    """Every end of day up to `day`, by the steps of books and loans alone; `run_end_of_day` is the whole of it."""
    while (today := business_day(entity.id)) <= day:
        BusinessDay.objects.filter(legal_entity=entity, date=today).update(state=BusinessDay.State.CLOSING)
        tomorrow = BusinessDay.objects.create(legal_entity=entity, date=today + dt.timedelta(days=1))
        for phase, on in (("close", today), ("open", tomorrow.date)):
            for step in steps(phase):
                if step.run.startswith(("apps.loans.", "apps.ledger.")):
                    _run(step, entity.id, on)
        BusinessDay.objects.filter(legal_entity=entity, date=today).update(state=BusinessDay.State.CLOSED)


def _run(step: Step, entity_id: UUID, day: dt.date) -> None:
    now = beijing(day + dt.timedelta(days=1), 1)
    cut = step.partition_function()
    parts = cut(entity_id=entity_id, day=day, now=now) if cut else [{}]
    for part in parts:
        with transaction.atomic():
            result = step.function()(entity_id=entity_id, day=day, partition=part, now=now)
        assert result.set_aside == []


def run_end_of_day(entity: LegalEntity, day: dt.date) -> None:
    """Every end of day up to `day`, with all steps of all contexts, as `manage.py eod` does it."""
    end_of_day.run(entity_id=entity.id, to=day, actor=SYSTEM)


def books(entity: LegalEntity) -> dict[str, Decimal]:
    """Account → balance on its normal side, accounts of zero left out."""
    rows = ledger_selectors.trial_balance(entity.id)
    return {row.code: row.debit or row.credit for row in rows}


def assert_sound(entity: LegalEntity) -> None:
    """Every check of the books and of the loans passes; the banks that other contexts compare them with are not here."""
    found = ledger_audit.checks(entity.id) + audit.checks(entity.id)
    bad = [(check.name, check.first_offender) for check in found if not check.ok]
    assert not bad, bad


def told(name: str) -> list[dict[str, Any]]:
    """Events of loans by name, oldest first."""
    return list(OutboxMessage.objects.filter(name=f"loans.{name}").order_by("id").values_list("payload", flat=True))


def business_day(entity_id: UUID) -> dt.date:
    """The open day."""
    return BusinessDay.objects.get(legal_entity_id=entity_id, state=BusinessDay.State.OPEN).date
