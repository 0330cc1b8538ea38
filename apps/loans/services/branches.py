"""Loans belong to branches 网点, and move between them 分支机构转移. Rules: docs/rules/branches.md."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict
from apps.loans.domain.terms import LoanTerms
from apps.loans.models import BranchStay, Loan
from apps.loans.selectors import LoanUnknown
from apps.loans.services.errors import ReferenceReused, TermsRefused, ValueDateRefused
from apps.organisations import selectors as organisations
from apps.organisations.services import hold_business_date


class AtThisBranch(Conflict):
    """The loan belongs to the branch already."""

    code = "loan_at_this_branch"
    title = gettext_lazy("This loan belongs to that branch already. Choose another one.")


class MovedLater(Conflict):
    """The loan went to another branch on a later day."""

    code = "loan_moved_later"
    title = gettext_lazy("This loan went to another branch on a later day. Give that day or a later one.")


def opening_branch(terms: LoanTerms, legal_entity_id: UUID) -> UUID | None:
    """The branch that the terms name by its id; None when they name none. Raises `TermsRefused`."""
    if not terms.branch_ref:
        return None
    for branch in organisations.branches(legal_entity_id):
        if str(branch.id) == terms.branch_ref:
            return branch.id
    raise TermsRefused(_("The legal entity has no such branch."), field="branch_ref")


def note_opening_branch(loan: Loan, *, reference: str, today: dt.date, actor: Actor, now: dt.datetime) -> None:
    """The first row of a loan that is opened at a branch."""
    if loan.branch_id is not None:
        _note(loan, loan.branch_id, loan.opened_on, reference, "", today, actor, now)


@transaction.atomic
def transfer_branch(
    *, loan_id: UUID, branch_code: str, value_date: dt.date, reason: str, reference: str, actor: Actor, now: dt.datetime
) -> BranchStay:
    """The loan belongs to another branch of its legal entity from `value_date` on. The same reference again changes nothing.

    Nothing is posted: the books know no branches. Raises `BadInput` for a branch that is none, `AtThisBranch`, `ValueDateRefused`,
    `MovedLater`, `ReferenceReused`.
    """
    loan: Loan | None = Loan.objects.select_for_update().within(actor.data_scope).filter(id=loan_id).first()
    if loan is None:
        raise LoanUnknown(loan_id=loan_id)
    actor.require("loans.adjust")
    branch = next((each for each in organisations.branches(loan.legal_entity_id) if each.code == branch_code), None)
    if branch is None:
        raise BadInput(fields={"branch": [_("Choose a branch of the loan's legal entity.")]})
    earlier = BranchStay.objects.filter(loan=loan, reference=reference).first()
    if earlier is not None:
        if (earlier.branch_id, earlier.since) != (branch.id, value_date):
            raise ReferenceReused(reference=reference)
        return earlier
    if loan.branch_id == branch.id:
        raise AtThisBranch(loan=loan.number, branch=branch.code)
    today = hold_business_date(loan.legal_entity_id)
    _check_day(loan, value_date, today)
    loan.branch_id = branch.id
    loan.save(update_fields=["branch"])
    return _note(loan, branch.id, value_date, reference, reason, today, actor, now)


def _check_day(loan: Loan, value_date: dt.date, today: dt.date) -> None:
    if not loan.opened_on <= value_date <= today:
        raise ValueDateRefused(value_date=value_date, opened_on=loan.opened_on, last=today)
    latest = BranchStay.objects.filter(loan=loan).last()
    if latest is not None and latest.since > value_date:
        raise MovedLater(loan=loan.number, on=latest.since)


def _note(
    loan: Loan, branch_id: UUID, since: dt.date, reference: str, reason: str, today: dt.date, actor: Actor, now: dt.datetime
) -> BranchStay:
    return BranchStay.objects.create(
        loan=loan,
        branch_id=branch_id,
        since=since,
        business_date=today,
        reference=reference,
        reason=reason[:200],
        actor=str(actor)[:80],
        created_at=now,
    )
