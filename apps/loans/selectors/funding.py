"""What the parties of a loan owe each other under their funding agreements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from apps.common.money import ZERO
from apps.loans.domain.funding import WHOLE_LOAN, FundingFeeKind, FundingFeeLine
from apps.loans.domain.subledger import Flow, Totals
from apps.loans.domain.terms import Component
from apps.loans.models import FundingAgreement, FundingFee, Loan
from apps.loans.selectors.periods import LoanStatement, party_statements


@dataclass(frozen=True, slots=True)
class FeeDue:
    """A fee between parties of a loan: the whole of it, and what of it had fallen due at the opening and at the close of a period."""

    line: FundingFeeLine
    agreement: str
    agreed: Decimal
    opening: Decimal
    closing: Decimal


def fees_between_parties(told: LoanStatement) -> list[FeeDue]:
    """The fees of a loan's funding agreements over the period of its statement, in pace with principal collected."""
    sides = {party.party_ref: (party.opening, party.closing) for party in party_statements(told)}
    answer = []
    for fee in _fees_of(told.loan, sides):
        line = _line(fee)
        if line.basis_ref == WHOLE_LOAN:
            opening, closing = told.statement.opening, told.statement.closing
        elif line.basis_ref in sides:
            opening, closing = sides[line.basis_ref]
        else:
            continue
        lent = closing.flows[Flow.DISBURSED][Component.PRINCIPAL]
        answer.append(FeeDue(line, fee.agreement.number, line.agreed(lent), _due(line, opening), _due(line, closing)))
    return answer


def _fees_of(loan: Loan, parties: Mapping[str, object]) -> list[FundingFee]:
    """The fees of each co-lender's newest agreement on the day the loan was opened."""
    known = FundingAgreement.objects.filter(
        legal_entity_id=loan.legal_entity_id, party_ref__in=list(parties), effective_from__lte=loan.opened_on
    )
    newest = {agreement.party_ref: agreement.id for agreement in known.order_by("effective_from")}
    return list(FundingFee.objects.filter(agreement__in=newest.values()).select_related("agreement").order_by("id"))


def _line(fee: FundingFee) -> FundingFeeLine:
    return FundingFeeLine(
        kind=FundingFeeKind(fee.kind),
        payer_ref=fee.payer_ref,
        payee_ref=fee.payee_ref,
        basis_ref=fee.basis_ref,
        rate=fee.rate,
        amount=fee.amount,
    )


def _due(line: FundingFeeLine, totals: Totals) -> Decimal:
    lent, back = (totals.flows[flow][Component.PRINCIPAL] for flow in (Flow.DISBURSED, Flow.COLLECTED))
    return line.due(lent, back) if lent else ZERO


__all__ = ["FeeDue", "fees_between_parties"]
