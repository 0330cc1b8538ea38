"""The customer's statement of account 客户对账单: what a loan owed, what moved, what it owes; for a page and on paper."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.common.errors import BadInput
from apps.common.money import ZERO
from apps.customers import selectors as customers
from apps.documents import services as documents
from apps.loans import selectors as loans
from apps.loans.domain.subledger import CREDIT_USED, FLOWS, Line
from apps.loans.domain.terms import COMPONENTS
from apps.loans.selectors import DepositStatement, InstalmentView, LoanBrief, Standing
from apps.organisations import selectors as organisations

TEMPLATE: Final = "documents/customer_statement.html"
MAX_PRINTED: Final = 2_000  # lines on one paper
_COMPONENTS: Final = {
    "fee": _("fee"),
    "penalty": _("penalty interest"),
    "compound": _("compound interest"),
    "interest": _("interest"),
    "principal": _("principal"),
}


class TooMuchForOnePaper(BadInput):
    """The period holds more lines than one paper takes."""

    code = "statement_too_long"
    title = _("There are too many lines for one paper. Ask for a shorter period.")


@dataclass(frozen=True, slots=True)
class Movement:
    """A line of the statement in words; `allocated` pairs of component and amount."""

    line: Line
    kind: str | Promise
    allocated: tuple[tuple[str | Promise, Decimal], ...]
    reference: str


@dataclass(frozen=True, slots=True)
class ComponentLine:
    """A component over the period, in yuan: closing = opening + disbursed + charged − collected − waived + adjusted."""

    name: str | Promise
    opening: Decimal
    flows: tuple[Decimal, ...]
    closing: Decimal


@dataclass(frozen=True, slots=True)
class CustomerStatement:
    """A loan from the opening of `first` to the close of `last`, and where it stands on `last`.

    `next_due` is the oldest instalment that still asks for money; None when there is none.
    """

    brief: LoanBrief
    standing: Standing
    first: dt.date
    last: dt.date
    components: tuple[ComponentLine, ...]
    total: ComponentLine
    opening_credit: Decimal
    closing_credit: Decimal
    deposit: DepositStatement
    movements: tuple[Movement, ...]
    next_due: InstalmentView | None


def customer_statement(*, loan: Any, first: dt.date | None, last: dt.date | None) -> CustomerStatement:
    """The statement of a loan that was fetched in somebody's scope, by its transactions known today.

    From its first day unless `first` is given, to the business day of its lender unless `last` is.
    Raises `PeriodReversed`, `DayBeforeLoan`.
    """
    today = max(organisations.business_date(loan.legal_entity_id), loan.opened_on)
    first, last = first or loan.opened_on, last or today
    told = loans.statement_for(loan, first, last)
    statement = told.statement
    opening, closing, moved = statement.opening.owed(), statement.closing.owed(), statement.moved.flows
    components = tuple(
        ComponentLine(_COMPONENTS[part], opening[part], tuple(moved[flow][part] for flow in FLOWS), closing[part]) for part in COMPONENTS
    )
    standing = loans.standing_in(loan, told.state)
    return CustomerStatement(
        brief=standing.brief,
        standing=standing,
        first=first,
        last=last,
        components=components,
        total=_total(components),
        opening_credit=statement.opening_credit,
        closing_credit=statement.closing_credit,
        deposit=loans.deposit_between(loan.id, first, last),
        movements=tuple(_movement(told, line) for line in statement.lines),
        next_due=next((row for row in standing.schedule if row.left > ZERO), None),
    )


def print_statement(*, loan: Any, first: dt.date | None, last: dt.date | None, now: dt.datetime) -> bytes:
    """The statement as PDF; names and numbers of people are masked. Raises what `customer_statement` raises, `TooMuchForOnePaper`."""
    told = customer_statement(loan=loan, first=first, last=last)
    if len(told.movements) > MAX_PRINTED:
        raise TooMuchForOnePaper(lines=len(told.movements), most=MAX_PRINTED)
    context = {
        "number": loan.number,
        "lender": organisations.entity(loan.legal_entity_id),
        "borrower": customers.brief(loan.borrower_ref),
        "told": told,
        "printed_at": now,
    }
    return documents.render(template=TEMPLATE, context=context)


def _movement(told: loans.LoanStatement, line: Line) -> Movement:
    row = told.rows.get(line.transaction_id)
    return Movement(
        line=line,
        kind=_("credit put to use") if line.kind == CREDIT_USED else loans.KIND_NAMES[line.kind],
        allocated=tuple((_COMPONENTS[component], amount) for component, amount in line.allocated.items()),
        reference=row.reference if row else "",
    )


def _total(lines: tuple[ComponentLine, ...]) -> ComponentLine:
    return ComponentLine(
        _("Total"),
        sum((line.opening for line in lines), start=ZERO),
        tuple(sum(amounts, start=ZERO) for amounts in zip(*(line.flows for line in lines), strict=True)),
        sum((line.closing for line in lines), start=ZERO),
    )
