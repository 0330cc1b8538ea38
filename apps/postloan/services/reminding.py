"""Reminders before the due day, and the text about an instalment that is still unpaid a day after it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.common.actors import Actor
from apps.common.errors import CarloanError, Conflict
from apps.customers import selectors as customers
from apps.loans import selectors as loans
from apps.messaging import services as messaging
from apps.postloan.domain import FURTHEST_REMINDER, RECHECK_DAYS

_ONE_DAY = dt.timedelta(days=1)


class NoPhone(Conflict):
    """Nobody to be told."""

    code = "no_phone"
    title = _("No telephone number of the customer is known. Add one to the customer's file.")


@transaction.atomic
def remind(
    *, legal_entity_id: UUID, day: dt.date, part: dict[str, str], actor: Actor, now: dt.datetime
) -> tuple[int, list[tuple[str, str]]]:
    """The texts of `day` about a part of the loans (`loans.due_ranges`): D-3, D-2, D-1 and D0 tell what falls due and when.

    24 hours after the due day, what is still unpaid then is called overdue. Each once per loan, due date and day. Returns how many were
    told, and number and reason of the loans set aside.
    """
    falling = loans.loans_falling_due(legal_entity_id, day, day + FURTHEST_REMINDER, part)
    unpaid = loans.due_loans(legal_entity_id, day - _ONE_DAY, part)
    late = {loan.loan_id: loan.number for loan in unpaid if _is_rechecked(loan.due_date, day)}
    dues, unclear = loans.dues_of(late, day)
    overdue = [due for due in dues if _is_rechecked(due.due_date, day)]
    phones = customers.phones_of({loan.borrower_ref for loan in (*falling, *overdue)})
    set_aside = [(late[loan_id], reason) for loan_id, reason in unclear.items()]
    told = 0
    for template, wanted, own in (("due_reminder", falling, _of_due), ("overdue_reminder", overdue, _of_overdue)):
        recipients = [_recipient(loan, phones[loan.borrower_ref], *own(loan, day)) for loan in wanted if loan.borrower_ref in phones]
        set_aside += [(loan.number, NoPhone().detail) for loan in wanted if loan.borrower_ref not in phones]
        try:
            messaging.send_batch(template=template, recipients=recipients, legal_entity_id=legal_entity_id, actor=actor, now=now)
        except CarloanError as error:
            set_aside += [(loan.number, error.detail) for loan in wanted if loan.borrower_ref in phones]
        else:
            told += len(recipients)
    return told, set_aside


def _is_rechecked(due_date: dt.date | None, day: dt.date) -> bool:
    return due_date is not None and (day - due_date).days in RECHECK_DAYS


def _of_due(loan: loans.LoanDue, day: dt.date) -> tuple[str, dict[str, str]]:
    assert loan.due_date is not None
    return f"due:{loan.loan_id}:{loan.due_date}:{(loan.due_date - day).days}", {"due_date": loan.due_date.isoformat()}


def _of_overdue(loan: loans.LoanDue, day: dt.date) -> tuple[str, dict[str, str]]:
    assert loan.due_date is not None
    days_past_due = (day - loan.due_date).days
    return f"overdue:{loan.loan_id}:{loan.due_date}:{days_past_due}", {"days": str(days_past_due)}


def _recipient(loan: loans.LoanDue, phone: str, key: str, variables: dict[str, str]) -> messaging.Recipient:
    said = {"loan_number": loan.number, "amount": f"{loan.total:,.2f}", **variables}
    return messaging.Recipient(phone=phone, variables=said, dedupe_key=key, person_ref=loan.borrower_ref)


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
