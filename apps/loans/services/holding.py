"""Loans held while somebody reads them to act on what they owe."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from apps.common.bulk import any_of
from apps.loans.models import Loan


def hold_loans(loan_ids: Collection[UUID]) -> None:
    """`hold_loan` for many, in the order of their ids; those that do not exist are passed over."""
    if loan_ids:
        list(Loan.objects.select_for_update().filter(any_of("id", loan_ids)).order_by("id").values_list("id", flat=True))
