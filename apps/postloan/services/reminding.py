"""Reminders before the due day, and the text about an instalment that is still unpaid a day after it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from apps.common.actors import Actor
from apps.customers import selectors as customers
from apps.loans import selectors as loans
from apps.messaging import services as messaging
from apps.postloan.domain import RECHECK_DAYS


def remind_due(*, legal_entity_id: UUID, loan: loans.LoanDue, day: dt.date, actor: Actor, now: dt.datetime) -> None:
    """D-3, D-2, D-1 and D0: what falls due and when; once per loan, due date and day."""
    assert loan.due_date is not None
    key = f"due:{loan.loan_id}:{loan.due_date}:{(loan.due_date - day).days}"
    _send("due_reminder", legal_entity_id, loan, key, {"due_date": f"{loan.due_date:%Y-%m-%d}"}, actor, now)


def remind_overdue(*, legal_entity_id: UUID, loan: loans.LoanDue, day: dt.date, actor: Actor, now: dt.datetime) -> bool:
    """The re-check 24 hours after the due day: only what is still unpaid then is called overdue; once per loan and due date."""
    days_past_due = (day - loan.due_date).days if loan.due_date else 0
    if days_past_due not in RECHECK_DAYS:
        return False
    key = f"overdue:{loan.loan_id}:{loan.due_date}:{days_past_due}"
    _send("overdue_reminder", legal_entity_id, loan, key, {"days": str(days_past_due)}, actor, now)
    return True


def tell_payment_received(*, loan_id: UUID, amount: Decimal, transaction_id: UUID, actor: Actor, now: dt.datetime) -> None:
    """A payment was booked on the loan."""
    loan = loans.loan_brief(loan_id)
    messaging.send(
        template="payment_received",
        phone=customers.phone_of(loan.borrower_ref),
        variables={"loan_number": loan.number, "amount": f"{amount:,.2f}"},
        legal_entity_id=loan.legal_entity_id,
        person_ref=loan.borrower_ref,
        dedupe_key=f"payment_received:{transaction_id}",
        actor=actor,
        now=now,
    )


def _send(
    template: str, legal_entity_id: UUID, loan: loans.LoanDue, key: str, variables: dict[str, str], actor: Actor, now: dt.datetime
) -> None:
    messaging.send(
        template=template,
        phone=customers.phone_of(loan.borrower_ref),
        variables={"loan_number": loan.number, "amount": f"{loan.total:,.2f}", **variables},
        legal_entity_id=legal_entity_id,
        person_ref=loan.borrower_ref,
        dedupe_key=key,
        actor=actor,
        now=now,
    )
