"""Opening a loan: the successful transfer makes it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from apps.common.actors import Actor
from apps.common.money import ZERO
from apps.common.numbers import next_number
from apps.common.outbox import publish
from apps.loans import events
from apps.loans.bridge import entry_of, terms_to_json
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.floating import next_reset
from apps.loans.domain.terms import LoanTerms
from apps.loans.models import Loan, LoanTransaction
from apps.loans.services.branches import note_opening_branch, opening_branch
from apps.loans.services.errors import TermsRefused
from apps.loans.services.servicing import LoanFile
from apps.organisations.selectors import parameter
from apps.organisations.services import hold_business_date

_FEE_VAT: Final = {"vat.direct_lease": "vat.direct_lease"}


@transaction.atomic
def open_loan(
    *,
    legal_entity_id: UUID,
    borrower_ref: UUID,
    application_ref: UUID,
    terms: LoanTerms,
    value_date: dt.date,
    reference: str,
    actor: Actor,
    now: dt.datetime,
    product_code: str = "",
    vat_parameter: str = "vat.loan_interest",
    is_lease: bool = False,
) -> UUID:
    """Open the loan that a paid-out application becomes, book the disbursement, and return the loan's id.

    Due days stay as signed; the first period runs from `value_date`. A fee agreed up front is due on that day. `vat_parameter` names the
    dated tax rate of the interest (`vat.loan_interest`, `vat.leaseback`, `vat.direct_lease`; the fees of a direct lease bear it, too).
    `is_lease`: it is booked as a finance lease (docs/rules/vehicle-lease.md). Funders whose `party_ref` is the legal
    entity's id or `own` are the lender itself. A `branch_ref` is the id of the branch that the
    loan belongs to. The same application again: the loan that stands. Raises `TermsRefused`.
    """
    actor.require("loans.open")
    standing = Loan.objects.filter(application_ref=application_ref).values_list("id", flat=True).first()
    if standing is not None:
        return standing
    today = hold_business_date(legal_entity_id)
    branch = opening_branch(terms, legal_entity_id)
    loan = Loan.objects.create(
        branch_id=branch,
        number=next_number("LN", value_date),
        legal_entity_id=legal_entity_id,
        borrower_ref=borrower_ref,
        application_ref=application_ref,
        product_code=product_code,
        terms=terms_to_json(terms),
        principal=terms.principal,
        opened_on=value_date,
        reprices_on=next_reset(terms.floating, value_date, value_date) if terms.floating else None,
        interest_vat_rate=parameter(vat_parameter, on=value_date, legal_entity_id=legal_entity_id),
        fee_vat_rate=parameter(_FEE_VAT.get(vat_parameter, "vat.fees"), on=value_date, legal_entity_id=legal_entity_id),
        is_lease=is_lease,
        created_at=now,
    )
    note_opening_branch(loan, reference=reference, today=today, actor=actor, now=now)
    file = LoanFile(loan=loan, actor=actor, now=now, today=today)
    file.check_value_date(value_date)
    # Of a principal agreed in tranches the first is paid out; those after it are paid at the counter (`tranche`).
    first = terms.tranches[0].amount if terms.tranches else terms.principal
    paid_out = _row(loan, LoanTransaction.Kind.DISBURSEMENT, first, value_date, reference, actor, now)
    try:
        entry_of(loan, [], paid_out)
    except BadTerms as refusal:
        raise TermsRefused(refusal.told(_), field=refusal.field) from None
    file.record(paid_out, narrative=_("Loan %(number)s paid out") % {"number": loan.number})
    if terms.fee_upfront > ZERO:
        fee = _row(loan, LoanTransaction.Kind.FEE, terms.fee_upfront, value_date, f"{reference}/fee"[:64], actor, now)
        file.record(fee, narrative=_("Fee agreed for loan %(number)s") % {"number": loan.number})
    publish(
        events.LoanOpened(
            loan_id=loan.id,
            number=loan.number,
            legal_entity_id=legal_entity_id,
            borrower_ref=borrower_ref,
            application_ref=application_ref,
            principal=terms.principal,
            opened_on=value_date,
        )
    )
    return loan.id


def _row(
    loan: Loan, kind: LoanTransaction.Kind, amount: Decimal, value_date: dt.date, reference: str, actor: Actor, now: dt.datetime
) -> LoanTransaction:
    return LoanTransaction(
        loan=loan, kind=kind, amount=amount, value_date=value_date, reference=reference, actor=str(actor)[:80], created_at=now
    )
