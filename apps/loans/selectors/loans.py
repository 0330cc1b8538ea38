"""Loans in one line, and what every other question begins with."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db.models import F, QuerySet
from django.utils.translation import gettext_lazy as _

from apps.common.errors import BadInput, Conflict, NotFound
from apps.loans.bridge import replay_of
from apps.loans.domain.state import LoanState
from apps.loans.domain.subledger import CAPITALISED
from apps.loans.models import Loan, LoanTransaction, TakenOverLoan

STATE_NAMES: Final = dict(Loan.State.choices)
KIND_NAMES: Final = {**dict(LoanTransaction.Kind.choices), CAPITALISED: _("interest into principal")}


class LoanUnknown(NotFound):
    """There is no such loan."""

    code = "loan_unknown"
    title = _("There is no such loan.")


class LoanNotRunning(Conflict):
    """The loan takes no such thing in its state."""

    code = "loan_not_running"
    title = _("The loan is not running, so this is not possible.")


class LoanNotSettled(Conflict):
    """A certificate of settlement was asked for a loan that still owes."""

    code = "loan_not_settled"
    title = _("The loan is not settled.")


class DayBeforeLoan(BadInput):
    """The day asked for lies before the loan."""

    code = "day_before_loan"
    title = _("The day lies before the loan was opened.")


@dataclass(frozen=True, slots=True)
class LoanBrief:
    """A loan in one line; `due_total` is all that is due and unpaid on `as_of` in yuan, credit not deducted.

    `is_marked`: another loan of the borrower is bad; `is_watched` keeps the class it had, until `improves_on` if paid in time.
    """

    id: UUID
    number: str
    legal_entity_id: UUID
    borrower_ref: UUID
    application_ref: UUID
    product_code: str
    state: str
    principal: Decimal
    opened_on: dt.date
    settled_on: dt.date | None
    as_of: dt.date
    principal_outstanding: Decimal
    due_total: Decimal
    overdue: Decimal
    credit: Decimal
    dpd: int
    next_due_date: dt.date | None
    asset_class: str
    is_non_accrual: bool
    is_marked: bool
    is_watched: bool
    improves_on: dt.date | None


def loan_of(loan_id: UUID) -> Loan:
    """A loan, fetched with its balance. Raises `LoanUnknown`."""
    loan: Loan | None = Loan.objects.select_related("balance").filter(id=loan_id).first()
    if loan is None:
        raise LoanUnknown(loan_id=loan_id)
    return loan


def transactions_of(loan: Loan) -> list[LoanTransaction]:
    """All transactions of a loan, reversed ones too."""
    return list(LoanTransaction.objects.filter(loan=loan).order_by("value_date", "id"))


def state_on(loan_id: UUID, on: dt.date) -> LoanState:
    """The loan on a day as its transactions known today tell it. Raises `LoanUnknown`, `DayBeforeLoan`."""
    return state_of(loan_of(loan_id), on)


def state_of(loan: Loan, on: dt.date) -> LoanState:
    """The loan on a day as its transactions known today tell it. Raises `DayBeforeLoan`."""
    if on < loan.opened_on:
        raise DayBeforeLoan(on=on, opened_on=loan.opened_on)
    return replay_of(loan, transactions_of(loan), on)


def brief_of(loan: Loan) -> LoanBrief:
    """One line of a loan that was fetched with its balance."""
    balance = loan.balance
    return LoanBrief(
        id=loan.id,
        number=loan.number,
        legal_entity_id=loan.legal_entity_id,
        borrower_ref=loan.borrower_ref,
        application_ref=loan.application_ref,
        product_code=loan.product_code,
        state=loan.state,
        principal=loan.principal,
        opened_on=loan.opened_on,
        settled_on=loan.settled_on,
        as_of=balance.as_of,
        principal_outstanding=balance.principal,
        due_total=balance.due_total,
        overdue=balance.overdue,
        credit=balance.credit,
        dpd=balance.dpd,
        next_due_date=balance.next_due_date,
        asset_class=balance.asset_class,
        is_non_accrual=balance.is_non_accrual,
        is_marked=balance.is_marked,
        is_watched=balance.is_watched,
        improves_on=balance.improves_on,
    )


def loans(user: Any) -> QuerySet[Loan]:
    """The loans a signed-in person may see, newest first."""
    found: QuerySet[Loan] = Loan.objects.visible_to(user).select_related("balance").order_by("-created_at")
    return found


def loan_by_application(application_ref: UUID) -> LoanBrief | None:
    """The loan that an application became; None when there is none."""
    loan = Loan.objects.select_related("balance").filter(application_ref=application_ref).first()
    return None if loan is None else brief_of(loan)


def former_contract(loan_id: UUID) -> str | None:
    """The contract number of a loan taken over, in the system it came from; None of a loan of ours. It has no application here."""
    number: str | None = TakenOverLoan.objects.filter(loan_id=loan_id).values_list("external_number", flat=True).first()
    return number


def loan_by_number(number: str) -> Loan:
    """A loan, fetched with its balance. Raises `LoanUnknown`."""
    loan: Loan | None = Loan.objects.select_related("balance").filter(number=number).first()
    if loan is None:
        raise LoanUnknown(number=number)
    return loan


def loan_brief(loan_id: UUID) -> LoanBrief:
    """A loan in one line. Raises `LoanUnknown`."""
    return brief_of(loan_of(loan_id))


def loans_of(borrower_ref: UUID) -> list[LoanBrief]:
    """All loans of a borrower, newest first."""
    rows = Loan.objects.select_related("balance").filter(borrower_ref=borrower_ref).order_by("-created_at")
    return [brief_of(loan) for loan in rows]


def overdue_loans(legal_entity_id: UUID) -> list[LoanBrief]:
    """Loans that are overdue, longest first; for collection."""
    rows = Loan.objects.select_related("balance").filter(legal_entity_id=legal_entity_id, state=Loan.State.OVERDUE)
    return [brief_of(loan) for loan in rows.order_by(F("balance__dpd").desc(), "id")]
