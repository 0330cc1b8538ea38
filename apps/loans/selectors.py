"""Questions about loans. What a stored row cannot tell for the asked day is replayed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from apps.common.errors import BadInput, Conflict, NotFound
from apps.common.money import ZERO
from apps.loans.bridge import replay_of
from apps.loans.domain.state import LoanState
from apps.loans.domain.terms import COMPONENTS, Component
from apps.loans.domain.transactions import Kind
from apps.loans.models import LIVE, Instalment, Loan, LoanTransaction

_MONEY_IN = (Kind.REPAYMENT, Kind.PREPAYMENT, Kind.EARLY_SETTLEMENT)
LOANS_PER_PART: Final = 500
_RANGES: Final = """
    SELECT (array_agg(id ORDER BY id))[1], (array_agg(id ORDER BY id DESC))[1] FROM (
        SELECT l.id, (row_number() OVER (ORDER BY l.id) - 1) / %s AS part
          FROM loans_loan l JOIN loans_loanbalance b ON b.loan_id = l.id
         WHERE l.legal_entity_id = %s AND l.state = ANY(%s) AND (%s::date IS NULL OR b.next_due_date <= %s)
    ) numbered GROUP BY part ORDER BY part
"""


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
    """A loan in one line; `due_total` is all that is due and unpaid on `as_of` in yuan, credit not deducted."""

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


@dataclass(frozen=True, slots=True)
class InstalmentView:
    """One row of the schedule; amounts in yuan, `left` is what is still to be paid of it."""

    no: int
    due_date: dt.date
    principal: Decimal
    interest: Decimal
    fee: Decimal
    penalty: Decimal
    total: Decimal
    paid: Decimal
    left: Decimal
    status: str


@dataclass(frozen=True, slots=True)
class LoanView:
    """A loan with its schedule."""

    brief: LoanBrief
    annual_rate: Decimal
    installments: int
    method: str
    schedule: tuple[InstalmentView, ...]


@dataclass(frozen=True, slots=True)
class DueAmount:
    """What is to be paid on a day, credit deducted from `total`; `components` before credit. Zero total: nothing is due."""

    total: Decimal
    components: dict[str, Decimal]
    credit: Decimal
    oldest_due_date: dt.date | None
    dpd: int


@dataclass(frozen=True, slots=True)
class DueLoan:
    """A loan with an unpaid instalment; `due_date` is that of the oldest one."""

    loan_id: UUID
    number: str
    borrower_ref: UUID
    due_date: dt.date
    state: str


@dataclass(frozen=True, slots=True)
class LoanDue:
    """A loan on which something is due; `total` in yuan, credit deducted."""

    loan_id: UUID
    number: str
    borrower_ref: UUID
    application_ref: UUID
    total: Decimal
    due_date: dt.date | None
    dpd: int
    state: str


@dataclass(frozen=True, slots=True)
class PayoffQuote:
    """What ends the loan when paid on `on`; `total` = due + interest + fee + principal − credit, in yuan."""

    loan_id: UUID
    on: dt.date
    due: dict[str, Decimal]
    interest: Decimal
    fee: Decimal
    principal: Decimal
    credit: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class SettlementFacts:
    """What a settlement certificate says."""

    loan_id: UUID
    number: str
    legal_entity_id: UUID
    borrower_ref: UUID
    application_ref: UUID
    principal: Decimal
    annual_rate: Decimal
    installments: int
    opened_on: dt.date
    settled_on: dt.date
    paid_total: Decimal
    paid: dict[str, Decimal]
    was_settled_early: bool


@dataclass(frozen=True, slots=True)
class StatementLine:
    """A transaction with where its money went."""

    id: UUID
    kind: str
    value_date: dt.date
    business_date: dt.date
    amount: Decimal | None
    allocated: dict[str, Decimal]
    reference: str
    is_reversed: bool


def _loan(loan_id: UUID) -> Loan:
    loan: Loan | None = Loan.objects.select_related("balance").filter(id=loan_id).first()
    if loan is None:
        raise LoanUnknown(loan_id=loan_id)
    return loan


def transactions_of(loan: Loan) -> list[LoanTransaction]:
    """All transactions of a loan, reversed ones too."""
    return list(LoanTransaction.objects.filter(loan=loan).order_by("value_date", "id"))


def state_on(loan_id: UUID, on: dt.date) -> LoanState:
    """The loan on a day as its transactions known today tell it. Raises `LoanUnknown`, `DayBeforeLoan`."""
    return _state(_loan(loan_id), on)


def _state(loan: Loan, on: dt.date) -> LoanState:
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
    )


def loans(user: Any) -> QuerySet[Loan]:
    """The loans a signed-in person may see, newest first."""
    found: QuerySet[Loan] = Loan.objects.visible_to(user).select_related("balance").order_by("-created_at")
    return found


def loan_by_application(application_ref: UUID) -> LoanBrief | None:
    """The loan that an application became; None when there is none."""
    loan = Loan.objects.select_related("balance").filter(application_ref=application_ref).first()
    return None if loan is None else brief_of(loan)


def loan_by_number(number: str) -> Loan:
    """A loan, fetched with its balance. Raises `LoanUnknown`."""
    loan: Loan | None = Loan.objects.select_related("balance").filter(number=number).first()
    if loan is None:
        raise LoanUnknown(number=number)
    return loan


def loan_brief(loan_id: UUID) -> LoanBrief:
    """A loan in one line. Raises `LoanUnknown`."""
    return brief_of(_loan(loan_id))


def loans_of(borrower_ref: UUID) -> list[LoanBrief]:
    """All loans of a borrower, newest first."""
    rows = Loan.objects.select_related("balance").filter(borrower_ref=borrower_ref).order_by("-created_at")
    return [brief_of(loan) for loan in rows]


def loan_view(loan_id: UUID) -> LoanView:
    """A loan with its schedule. Raises `LoanUnknown`."""
    return view_of(_loan(loan_id))


def view_of(loan: Loan) -> LoanView:
    """A loan, fetched with its balance, with its schedule."""
    return LoanView(
        brief=brief_of(loan),
        annual_rate=Decimal(loan.terms["annual_rate"]) / 100,
        installments=loan.terms["installments"],
        method=loan.terms["method"],
        schedule=tuple(_instalment(row) for row in Instalment.objects.filter(loan=loan).order_by("no")),
    )


def _instalment(row: Instalment) -> InstalmentView:
    total = row.principal + row.interest + row.fee + row.penalty + row.compound
    paid = row.paid_principal + row.paid_interest + row.paid_fee + row.paid_penalty + row.paid_compound
    return InstalmentView(
        no=row.no,
        due_date=row.due_date,
        principal=row.principal,
        interest=row.interest,
        fee=row.fee,
        penalty=row.penalty + row.compound,
        total=total,
        paid=paid,
        left=ZERO if row.status == Instalment.Status.PAID else total - paid,
        status=row.status,
    )


def amount_due(loan_id: UUID, on: dt.date) -> DueAmount:
    """What is to be paid on `on`, penalty to that day included. Raises `LoanUnknown`, `DayBeforeLoan`."""
    state = _state(_loan(loan_id), on)
    components = {component.value: sum((row.owed[component] for row in state.rows), start=ZERO) for component in COMPONENTS}
    unpaid = [row.installment.due_date for row in state.rows if row.installment.due_date <= on and any(row.owed.values())]
    return DueAmount(
        total=max(sum(components.values(), start=ZERO) - state.credit, ZERO),
        components=components,
        credit=state.credit,
        oldest_due_date=min(unpaid, default=None),
        dpd=state.dpd,
    )


def due_ranges(legal_entity_id: UUID, *, due_by: dt.date | None) -> list[dict[str, str]]:
    """Ranges of ids that cut running loans into parts of `LOANS_PER_PART`; with `due_by` only those with an instalment unpaid by then."""
    with connection.cursor() as cursor:
        cursor.execute(_RANGES, [LOANS_PER_PART, legal_entity_id, list(LIVE), due_by, due_by])
        return [{"first": str(first), "last": str(last)} for first, last in cursor.fetchall()]


def due_loans(legal_entity_id: UUID, day: dt.date, part: Mapping[str, str]) -> list[DueLoan]:
    """Running loans of a part (`due_ranges`; empty: all) with an instalment due on `day` or before, by their rows; nothing is replayed."""
    rows = Loan.objects.filter(_of_part("id", part), legal_entity_id=legal_entity_id, state__in=LIVE, balance__next_due_date__lte=day)
    found = rows.order_by("id").values_list("id", "number", "borrower_ref", "balance__next_due_date", "state")
    return [DueLoan(loan_id, number, who, due, state) for loan_id, number, who, due, state in found if due is not None]


def _of_part(id_field: str, part: Mapping[str, str]) -> Q:
    return Q(**{f"{id_field}__range": (part["first"], part["last"])}) if part else Q()


def due_of(loan_id: UUID, day: dt.date) -> LoanDue | None:
    """What is to be paid on a loan on `day`; None when nothing is. Raises `LoanUnknown`, and what a replay raises (`ValueError`)."""
    loan = _loan(loan_id)
    if loan.balance.as_of == day:
        total, dpd = loan.balance.due_total - loan.balance.credit, loan.balance.dpd
    else:
        amount = amount_due(loan.id, day)
        total, dpd = amount.total, amount.dpd
    if total <= 0:
        return None
    return LoanDue(
        loan_id=loan.id,
        number=loan.number,
        borrower_ref=loan.borrower_ref,
        application_ref=loan.application_ref,
        total=total,
        due_date=loan.balance.next_due_date,
        dpd=dpd,
        state=loan.state,
    )


def loans_falling_due(legal_entity_id: UUID, first: dt.date, last: dt.date, part: Mapping[str, str]) -> list[LoanDue]:
    """Running loans of a part with an unpaid instalment due from `first` to `last`, with what that instalment still asks; for reminders."""
    rows = (
        Instalment.objects.filter(_of_part("loan__id", part), loan__legal_entity_id=legal_entity_id, loan__state__in=LIVE)
        .filter(due_date__gte=first, due_date__lte=last)
        .exclude(status=Instalment.Status.PAID)
        .select_related("loan__balance")
        .order_by("due_date", "loan_id")
    )
    return [
        LoanDue(
            loan_id=row.loan.id,
            number=row.loan.number,
            borrower_ref=row.loan.borrower_ref,
            application_ref=row.loan.application_ref,
            total=_instalment(row).left,
            due_date=row.due_date,
            dpd=row.loan.balance.dpd,
            state=row.loan.state,
        )
        for row in rows
    ]


def overdue_loans(legal_entity_id: UUID) -> list[LoanBrief]:
    """Loans that are overdue, longest first; for collection."""
    rows = Loan.objects.select_related("balance").filter(legal_entity_id=legal_entity_id, state=Loan.State.OVERDUE)
    return [brief_of(loan) for loan in rows.order_by(F("balance__dpd").desc(), "id")]


def payoff_quote(*, loan_id: UUID, on: dt.date) -> PayoffQuote:
    """What ends the loan when paid on `on`. A quote for a later day binds when paid on that day. Raises `LoanUnknown`, `DayBeforeLoan`."""
    payoff = _state(_loan(loan_id), on).payoff
    return PayoffQuote(
        loan_id=loan_id,
        on=on,
        due={component.value: amount for component, amount in payoff.due.items()},
        interest=payoff.interest,
        fee=payoff.fee,
        principal=payoff.principal,
        credit=payoff.credit,
        total=payoff.total,
    )


def settlement_facts(loan_id: UUID) -> SettlementFacts:
    """What the settlement certificate of a loan says. Raises `LoanUnknown`, `LoanNotSettled`."""
    loan = _loan(loan_id)
    if loan.state != Loan.State.SETTLED or loan.settled_on is None:
        raise LoanNotSettled(loan=loan.number)
    state = _state(loan, loan.balance.as_of)
    paid = dict.fromkeys(COMPONENTS, ZERO)
    early = False
    for told in state.transactions:
        if told.transaction.kind in _MONEY_IN and told.reversed_by is None:
            early = early or told.transaction.kind is Kind.EARLY_SETTLEMENT
            for component in COMPONENTS:
                paid[component] += told.allocated[component]
    return SettlementFacts(
        loan_id=loan.id,
        number=loan.number,
        legal_entity_id=loan.legal_entity_id,
        borrower_ref=loan.borrower_ref,
        application_ref=loan.application_ref,
        principal=paid[Component.PRINCIPAL],
        annual_rate=Decimal(loan.terms["annual_rate"]) / 100,
        installments=loan.terms["installments"],
        opened_on=loan.opened_on,
        settled_on=loan.settled_on,
        paid_total=sum(paid.values(), start=ZERO),
        paid={component.value: amount for component, amount in paid.items()},
        was_settled_early=early,
    )


def statement_of(loan: Loan) -> list[StatementLine]:
    """Every transaction of a loan with where its money went, in the order in which they count."""
    rows = {str(row.id): row for row in transactions_of(loan)}
    as_of = max([loan.balance.as_of, *(row.value_date for row in rows.values())])
    lines = []
    for told in replay_of(loan, rows.values(), as_of).transactions:
        row = rows[told.transaction.id]
        lines.append(
            StatementLine(
                id=row.id,
                kind=row.kind,
                value_date=row.value_date,
                business_date=row.business_date,
                amount=row.amount,
                allocated={component.value: amount for component, amount in told.allocated.items() if amount},
                reference=row.reference,
                is_reversed=told.reversed_by is not None,
            )
        )
    return lines


def payments_of(legal_entity_id: UUID) -> dict[str, Decimal]:
    """Reference → amount of all money received on loans and not reversed; for the comparison with the channels' records."""
    rows = LoanTransaction.objects.filter(
        loan__legal_entity_id=legal_entity_id, kind__in=[kind.value for kind in _MONEY_IN], reversed_by__isnull=True
    )
    return {reference: amount for reference, amount in rows.values_list("reference", "amount") if amount is not None}


def transaction_by_reference(loan_id: UUID, reference: str) -> UUID | None:
    """Id of the transaction recorded under a reference; None when there is none."""
    return LoanTransaction.objects.filter(loan_id=loan_id, reference=reference).values_list("id", flat=True).first()
