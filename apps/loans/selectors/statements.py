"""Where the money of a loan went."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from apps.common.money import ZERO
from apps.loans.domain.terms import COMPONENTS, Component
from apps.loans.domain.transactions import Kind
from apps.loans.models import Loan, LoanTransaction
from apps.loans.selectors.loans import LoanNotSettled, loan_of, state_of

_MONEY_IN = (Kind.REPAYMENT, Kind.PREPAYMENT, Kind.EARLY_SETTLEMENT)


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


def settlement_facts(loan_id: UUID) -> SettlementFacts:
    """What the settlement certificate of a loan says. Raises `LoanUnknown`, `LoanNotSettled`."""
    loan = loan_of(loan_id)
    if loan.state != Loan.State.SETTLED or loan.settled_on is None:
        raise LoanNotSettled(loan=loan.number)
    state = state_of(loan, loan.balance.as_of)
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


def payments_of(legal_entity_id: UUID) -> dict[str, Decimal]:
    """Reference → amount of all money received on loans and not reversed; for the comparison with the channels' records."""
    rows = LoanTransaction.objects.filter(
        loan__legal_entity_id=legal_entity_id, kind__in=[kind.value for kind in _MONEY_IN], reversed_by__isnull=True
    )
    return {reference: amount for reference, amount in rows.values_list("reference", "amount") if amount is not None}
