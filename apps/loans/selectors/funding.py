"""What the parties of a loan owe each other under their funding agreements."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet

from apps.common.money import ZERO
from apps.ledger import selectors as ledger
from apps.ledger.selectors import FunderAccount, FunderMove
from apps.loans.domain.funding import WHOLE_LOAN, FundingFeeKind, FundingFeeLine
from apps.loans.domain.subledger import FLOWS, Flow, Totals
from apps.loans.domain.terms import COMPONENTS, Component
from apps.loans.models import FundingAgreement, FundingFee, Loan
from apps.loans.selectors.periods import LoanStatement, PartyUnknown, party_statement, party_statements, statement_for

LOANS_ON_A_PAGE: Final = 50


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


def funding_agreements(user: Any) -> QuerySet[FundingAgreement]:
    """The agreements that a signed-in person may see with their fees, by party, the newest first."""
    found: QuerySet[FundingAgreement] = FundingAgreement.objects.visible_to(user).prefetch_related("fees")
    return found.order_by("party_ref", "-effective_from")


def funding_parties(legal_entity_id: UUID) -> list[str]:
    """Everybody whose account a lender keeps, or with whom it has an agreement."""
    agreed = FundingAgreement.objects.filter(legal_entity_id=legal_entity_id).values_list("party_ref", flat=True)
    return sorted({*agreed, *ledger.funder_refs(legal_entity_id)})


@dataclass(frozen=True, slots=True)
class PartyLoan:
    """A loan in a funder's statement: the party's part of it, in yuan; `flows` in the order of `FLOWS`, `closing` by component."""

    loan_id: UUID
    number: str
    share: int
    opening: Decimal
    flows: tuple[Decimal, ...]
    closing: Decimal
    principal: Decimal


@dataclass(frozen=True, slots=True)
class FunderStatement:
    """What a lender and a funder settle 资金方对账单, from the opening of `first` to the close of `last`.

    `accounts` and `moves` are those of the books; `loans` is one page of `pages` of the loans that were there in the period.
    """

    party_ref: str
    first: dt.date
    last: dt.date
    accounts: tuple[FunderAccount, ...]
    moves: tuple[FunderMove, ...]
    loans: tuple[PartyLoan, ...]
    count: int
    page: int
    pages: int


def funder_statement(*, legal_entity_id: UUID, party_ref: str, first: dt.date, last: dt.date, page: int = 1) -> FunderStatement:
    """The statement of a funder with `LOANS_ON_A_PAGE` of its loans. Raises `PartyUnknown`, `BadInput` when the days are reversed.

    The loans stand as their transactions known today tell it; the accounts as they were booked.
    """
    if party_ref not in funding_parties(legal_entity_id):
        raise PartyUnknown(party=party_ref)
    accounts = ledger.funder_accounts(legal_entity_id, party_ref, first, last)
    shared = _shared_loans(legal_entity_id, party_ref, first, last)
    count = shared.count()
    pages = max(1, -(-count // LOANS_ON_A_PAGE))
    page = min(max(page, 1), pages)
    rows = shared.order_by("number")[(page - 1) * LOANS_ON_A_PAGE : page * LOANS_ON_A_PAGE]
    return FunderStatement(
        party_ref=party_ref,
        first=first,
        last=last,
        accounts=tuple(accounts),
        moves=tuple(ledger.funder_moves(legal_entity_id, party_ref, first, last)),
        loans=tuple(_party_loan(loan, party_ref, first, last) for loan in rows),
        count=count,
        page=page,
        pages=pages,
    )


def _shared_loans(legal_entity_id: UUID, party_ref: str, first: dt.date, last: dt.date) -> QuerySet[Loan]:
    """Loans of which the party lends a part, that were there in the period and not settled before it."""
    lent = {"amounts__party_ref": party_ref, "amounts__component": "principal", "amounts__event__in": ("disbursement", "take_over")}
    rows = Loan.objects.filter(legal_entity_id=legal_entity_id, opened_on__lte=last, **lent).distinct()
    return rows.exclude(state=Loan.State.SETTLED, settled_on__lt=first).exclude(state=Loan.State.CANCELLED)


def _party_loan(loan: Loan, party_ref: str, first: dt.date, last: dt.date) -> PartyLoan:
    party = party_statement(statement_for(loan, first, last), party_ref)
    opening, closing, moved = party.opening.owed(), party.closing.owed(), party.closing.less(party.opening).flows
    return PartyLoan(
        loan_id=loan.id,
        number=loan.number,
        share=party.share,
        opening=sum(opening.values(), start=ZERO),
        flows=tuple(sum((moved[flow][part] for part in COMPONENTS), start=ZERO) for flow in FLOWS),
        closing=sum(closing.values(), start=ZERO),
        principal=closing[Component.PRINCIPAL],
    )


__all__ = [
    "FeeDue",
    "FunderStatement",
    "PartyLoan",
    "fees_between_parties",
    "funder_statement",
    "funding_agreements",
    "funding_parties",
]
