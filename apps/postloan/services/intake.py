"""The morning's intake of collection 催收: who is overdue has an open case, whose figures follow the days; who is not has none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.common.actors import Actor
from apps.common.bulk import insert_rows, update_rows
from apps.common.models import new_id
from apps.common.money import ZERO
from apps.common.numbers import next_numbers
from apps.loans import selectors as loans
from apps.postloan.domain import grade_of
from apps.postloan.models import CollectionCase, CollectionLoan

_State = CollectionCase.State
_ByCustomer = Mapping[UUID, list[loans.LoanDue]]


@transaction.atomic
def take_in(
    *, legal_entity_id: UUID, day: dt.date, part: dict[str, str], actor: Actor, now: dt.datetime
) -> tuple[int, list[tuple[str, str]]]:
    """One open case per customer of the part (`loans.borrower_ranges`) with overdue loans, brought up to `day`; the others' cases close.

    A case stays as it is while one of its customer's loans cannot be worked out. Returns how many customers have a case for what is
    overdue, and number and reason of the loans set aside.
    """
    late = {loan.loan_id: loan for loan in loans.overdue_of(legal_entity_id, day, part)}
    dues, problems = loans.dues_of(late, day)
    unclear = {late[loan_id].borrower_ref for loan_id in problems}
    overdue: dict[UUID, list[loans.LoanDue]] = {}
    for due in dues:
        if due.borrower_ref not in unclear:
            overdue.setdefault(due.borrower_ref, []).append(due)
    cases = _open_cases(legal_entity_id, part)
    _close([case for case in cases.values() if case.customer_ref not in overdue and case.customer_ref not in unclear], day)
    _follow([case for case in cases.values() if case.customer_ref in overdue], overdue, day)
    opened = _open(legal_entity_id, [customer for customer in overdue if customer not in cases], overdue, day)
    case_ids = {customer: case.id for customer, case in cases.items()} | opened
    _list_loans(legal_entity_id, {case_ids[customer]: found for customer, found in overdue.items() if customer in case_ids}, day)
    return len(overdue), [(late[loan_id].number, reason) for loan_id, reason in problems.items()]


def _open_cases(legal_entity_id: UUID, part: dict[str, str]) -> dict[UUID, CollectionCase]:
    cases = CollectionCase.objects.select_for_update().filter(loans.of_borrowers("customer_ref", part), legal_entity_id=legal_entity_id)
    return {case.customer_ref: case for case in cases.exclude(state=_State.CLOSED).order_by("id")}


def _figures(found: Iterable[loans.LoanDue]) -> dict[str, Any]:
    days_past_due = max(loan.dpd for loan in found)
    return {
        "days_past_due": days_past_due,
        "grade": grade_of(days_past_due),
        "overdue_amount": sum((loan.total for loan in found), start=ZERO),
    }


def _open(legal_entity_id: UUID, customers: Collection[UUID], overdue: _ByCustomer, day: dt.date) -> dict[UUID, UUID]:
    """New cases: customer and case."""
    numbers = next_numbers("C", day, len(customers))
    rows = [
        {"id": new_id(), "number": number, "customer_ref": customer, **_figures(overdue[customer])}
        for customer, number in zip(sorted(customers), numbers, strict=True)
    ]
    opened = insert_rows(
        CollectionCase, rows, same={"legal_entity_id": legal_entity_id, "state": _State.OPEN, "opened_on": day, "outcome": ""}
    )
    return {row["customer_ref"]: row["id"] for row in rows if row["id"] in opened}


def _follow(cases: Collection[CollectionCase], overdue: _ByCustomer, day: dt.date) -> None:
    """Open cases follow what is overdue today; a promise whose day has passed is broken, and the case comes back into work."""
    rows = []
    for case in cases:
        if case.state == _State.PROMISED and case.promised_on is not None and case.promised_on < day:
            case.work()
        rows.append({"id": case.id, "state": case.state, **_figures(overdue[case.customer_ref])})
    update_rows(CollectionCase, rows, same={})


def _close(cases: Collection[CollectionCase], day: dt.date) -> None:
    for case in cases:
        case.close()
    rows = [{"id": case.id, "state": case.state} for case in cases]
    update_rows(CollectionCase, rows, same={"outcome": CollectionCase.Outcome.CURED, "closed_on": day})
    if cases:
        CollectionLoan.objects.filter(case__in=[case.id for case in cases], is_overdue=True).update(is_overdue=False)


def _list_loans(legal_entity_id: UUID, by_case: Mapping[UUID, list[loans.LoanDue]], day: dt.date) -> None:
    """The loans of the cases as this intake sees them."""
    listed = {(row.case_id, row.loan_ref): row for row in CollectionLoan.objects.filter(case__in=list(by_case))}
    old, new = [], []
    for case_id, found in by_case.items():
        for loan in found:
            row = listed.pop((case_id, loan.loan_id), None)
            facts = {"days_past_due": loan.dpd, "overdue_amount": loan.total}
            if row is None:
                new.append({"id": new_id(), "case_id": case_id, "loan_ref": loan.loan_id, "loan_number": loan.number, **facts})
            else:
                old.append({"id": row.id, **facts})
    update_rows(CollectionLoan, old, same={"is_overdue": True, "seen_on": day})
    insert_rows(CollectionLoan, new, same={"legal_entity_id": legal_entity_id, "is_overdue": True, "seen_on": day})
    cured = [row.id for row in listed.values() if row.is_overdue]
    if cured:
        CollectionLoan.objects.filter(id__in=cured).update(is_overdue=False)
