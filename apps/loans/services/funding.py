"""Funding agreements, and the fees between parties that fall due as principal comes back. Rules: docs/rules/co-lending-split.md."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.common.actors import Actor
from apps.common.errors import Conflict
from apps.common.money import ZERO
from apps.ledger import services as ledger
from apps.ledger.domain import PARTNER, Posting
from apps.loans.domain.funding import FundingFeeLine
from apps.loans.models import FundingAgreement, FundingFee, LoanAmount
from apps.loans.selectors import OWN
from apps.organisations.business_day import StepResult

EVENT: Final = "funding_fee"

# Per loan and fee what has fallen due, beside what is booked; moves what is booked, and answers with the sums per fee, tax apart.
# The agreement of a loan is the newest of its co-lender on the day it was opened; the sums are those of `FundingFeeLine.due`.
_FALL_DUE: Final = """
    WITH stands AS (
        SELECT l.id AS loan_id, f.id AS fee_id, l.fee_vat_rate AS vat, coalesce(basis.lent, 0) AS lent, coalesce(basis.back, 0) AS back,
               coalesce(f.amount, round(f.rate * coalesce(basis.lent, 0), 2)) AS agreed
          FROM loans_loan l
          JOIN loans_loanamount d ON d.loan_id = l.id AND d.component = 'principal' AND d.party_ref <> ''
               AND d.event IN ('disbursement', 'take_over')
          JOIN LATERAL (SELECT a.id FROM loans_fundingagreement a
                         WHERE a.legal_entity_id = l.legal_entity_id AND a.party_ref = d.party_ref AND a.effective_from <= l.opened_on
                         ORDER BY a.effective_from DESC LIMIT 1) a ON true
          JOIN loans_fundingfee f ON f.agreement_id = a.id
          JOIN LATERAL (SELECT sum(m.booked) FILTER (WHERE m.event IN ('disbursement', 'take_over')) AS lent,
                               sum(m.booked) FILTER (WHERE m.event = 'repayment') AS back
                          FROM loans_loanamount m
                         WHERE m.loan_id = l.id AND m.component = 'principal' AND m.event IN ('disbursement', 'take_over', 'repayment')
                           AND (f.basis_ref = '' OR m.party_ref = CASE f.basis_ref WHEN %(own)s THEN '' ELSE f.basis_ref END)) basis ON true
         WHERE l.legal_entity_id = %(entity)s
    ), due AS (
        SELECT s.loan_id, s.fee_id, s.vat, coalesce(t.booked, 0) AS booked,
               CASE WHEN s.lent = 0 THEN 0 ELSE round(s.agreed * s.back / s.lent, 2) END AS due
          FROM stands s LEFT JOIN loans_fundingfeetotal t ON t.loan_id = s.loan_id AND t.fee_id = s.fee_id
    ), moved AS (
        INSERT INTO loans_fundingfeetotal (loan_id, fee_id, booked)
        SELECT loan_id, fee_id, due FROM due WHERE due <> booked ORDER BY loan_id, fee_id
        ON CONFLICT (loan_id, fee_id) DO UPDATE SET booked = EXCLUDED.booked
    )
    SELECT fee_id, sum(due - booked), sum(round(due * vat / (1 + vat), 2) - round(booked * vat / (1 + vat), 2)), count(*)
      FROM due WHERE due <> booked GROUP BY fee_id
"""


class AgreementInUse(Conflict):
    """Loans of this co-lender were opened from that day on."""

    code = "funding_agreement_in_use"
    title = gettext_lazy(
        "Loans with this co-lender were opened since that day, or another agreement begins on it. Let this one begin on a later day."
    )


@transaction.atomic
def agree_funding(
    *,
    legal_entity_id: UUID,
    party_ref: str,
    number: str,
    effective_from: dt.date,
    fees: Sequence[FundingFeeLine],
    actor: Actor,
    now: dt.datetime,
) -> UUID:
    """Record a funding agreement for loans opened from a day on; `own` names the lender itself. The same number again: nothing changes.

    Raises `AgreementInUse`.
    """
    actor.require("organisations.edit")
    standing = FundingAgreement.objects.filter(legal_entity_id=legal_entity_id, number=number).first()
    if standing is not None:
        return standing.id
    check_funding(legal_entity_id, party_ref, effective_from)
    agreement = FundingAgreement.objects.create(
        legal_entity_id=legal_entity_id,
        party_ref=party_ref,
        number=number,
        effective_from=effective_from,
        actor=str(actor)[:80],
        created_at=now,
    )
    FundingFee.objects.bulk_create(
        FundingFee(
            agreement=agreement,
            kind=line.kind.value,
            payer_ref=line.payer_ref,
            payee_ref=line.payee_ref,
            basis_ref=line.basis_ref,
            rate=line.rate,
            amount=line.amount,
            created_at=now,
        )
        for line in fees
    )
    return agreement.id


def check_funding(legal_entity_id: UUID, party_ref: str, effective_from: dt.date) -> None:
    """An agreement changes no loan that was opened under another one. Raises `AgreementInUse`."""
    shared = LoanAmount.objects.filter(loan__legal_entity_id=legal_entity_id, loan__opened_on__gte=effective_from, party_ref=party_ref)
    same_day = FundingAgreement.objects.filter(legal_entity_id=legal_entity_id, party_ref=party_ref, effective_from=effective_from)
    if shared.exists() or same_day.exists():
        raise AgreementInUse(party=party_ref, effective_from=effective_from)


def funding_parts(*, entity_id: UUID, day: dt.date, now: dt.datetime) -> list[dict[str, Any]]:
    """One part for a lender that has funding agreements, none for others."""
    return [{}] if FundingAgreement.objects.filter(legal_entity_id=entity_id).exists() else []


@transaction.atomic
def funding_fees(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Step of the end of day: what has fallen due between the parties of shared loans, one entry per agreement.

    Only what the lender itself pays or is paid is in its books; what others owe each other is kept in `FundingFeeTotal` alone.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FALL_DUE, {"entity": entity_id, "own": OWN})
        moved = {fee_id: (amount, tax, count) for fee_id, amount, tax, count in cursor.fetchall()}
    amounts: dict[FundingAgreement, list[Posting]] = defaultdict(list)
    for fee in FundingFee.objects.filter(id__in=moved).select_related("agreement").order_by("id"):
        amount, tax, _count = moved[fee.id]
        amounts[fee.agreement] += _postings(fee, amount, tax)
    for agreement, postings in amounts.items():
        if postings:
            _post(agreement, postings, day, now)
    return StepResult(done=sum(count for _amount, _tax, count in moved.values()))


def _postings(fee: FundingFee, amount: Decimal, tax: Decimal) -> list[Posting]:
    """What a fee moves in the lender's books; income is parted from its tax."""
    if fee.payee_ref == OWN:
        parts = {f"{fee.kind}_received": amount - tax, f"{fee.kind}_received_vat": tax}
        return [Posting(component, part, PARTNER, fee.payer_ref, None) for component, part in parts.items() if part != ZERO]
    if fee.payer_ref == OWN and amount:
        return [Posting(f"{fee.kind}_paid", amount, PARTNER, fee.payee_ref, None)]
    return []


def _post(agreement: FundingAgreement, postings: list[Posting], day: dt.date, now: dt.datetime) -> None:
    ledger.post(
        legal_entity_id=agreement.legal_entity_id,
        business_date=ledger.hold_day(agreement.legal_entity_id, not_before=day),
        event=EVENT,
        amounts=postings,
        reference=f"{day}/{agreement.number}"[:64],
        narrative=_("Fees under %(agreement)s") % {"agreement": agreement.number},
        actor=Actor.system("eod"),
        now=now,
    )
