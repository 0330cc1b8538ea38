"""The counter 柜面: an operation on a loan, previewed, proposed by one person, approved by another, carried out once.

A preview is a rehearsal: the deed itself in a database transaction that is taken back. So it tells what will happen to the 分, in the
schedule and in the books, and refuses what would be refused. See docs/decisions/0015-a-preview-is-a-rehearsal.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models import Q

from apps.common import approvals
from apps.common.actors import Actor
from apps.common.models import ChangeRequest
from apps.common.money import ZERO
from apps.ledger import selectors as ledger
from apps.loans.bridge import replay_of
from apps.loans.domain.public import state_to_json
from apps.loans.models import Loan, LoanTransaction
from apps.loans.selectors import LoanUnknown
from apps.loans.services.deeds import Order
from apps.loans.services.errors import ReferenceReused
from apps.loans.services.operations import OPERATIONS, Operation, as_json, operation_named, parsed
from apps.loans.services.servicing import LoanFile, hold_loan, open_file

# What the deeds themselves ask for: whoever may approve an operation has it carried out.
_DEEDS: Final = frozenset({"loans.adjust", "loans.record", "loans.open"})


@dataclass(frozen=True)
class Asked:
    """An operation as it was asked for, checked by its fields; `amount` is the money that its approval is measured by."""

    operation: Operation
    loan: Loan
    values: dict[str, Any]
    amount: Decimal | None


def register_approvals() -> None:
    """Make every operation a kind of change that two people decide on."""
    for operation in OPERATIONS.values():
        approvals.register(
            approvals.Kind(
                name=operation.kind,
                propose_permission="loans.adjust",
                check_permission="approvals.check",
                preview="apps.loans.services.counter.preview_payload",
                execute="apps.loans.services.counter.execute_payload",
                matrix=operation.matrix,
            )
        )


def _asked(operation: str, loan_id: UUID, data: Mapping[str, Any], actor: Actor) -> Asked:
    known = operation_named(operation)
    loan = Loan.objects.within(actor.data_scope).select_related("balance").filter(id=loan_id).first()
    if loan is None:
        raise LoanUnknown(loan_id=loan_id)
    values = parsed(known, data)
    balance = loan.balance
    claim = balance.principal + balance.interest + balance.penalty + balance.compound + balance.fee
    return Asked(known, loan, values, known.amount(values, claim))


def preview_operation(*, operation: str, loan_id: UUID, data: Mapping[str, Any], actor: Actor, now: dt.datetime) -> dict[str, Any]:
    """What an operation would make of the loan and of the books; nothing is written. Raises what carrying it out would."""
    actor.require("loans.adjust")
    asked = _asked(operation, loan_id, data, actor)
    return _rehearse(asked, replace(actor, permissions=actor.permissions | _DEEDS), now)


@transaction.atomic
def propose_operation(
    *, operation: str, loan_id: UUID, data: Mapping[str, Any], reason: str, actor: Actor, now: dt.datetime, reference: str = ""
) -> ChangeRequest:
    """Propose an operation, with its preview, for another person to decide on.

    The same `reference` of the asking system again: the proposal that stands. Raises what the operation would, `ReasonMissing`,
    `ReferenceReused` when it asked for something else.
    """
    asked = _asked(operation, loan_id, data, actor)
    amount = asked.amount
    if amount is not None and asked.operation.beside:
        amount += asked.operation.beside(asked.loan, asked.values, Order(reference, reason, actor, now))
    payload = {"operation": operation, "loan_id": str(loan_id), "data": as_json(asked.values), "reason": reason.strip()}
    if reference:
        hold_loan(loan_id)
        payload["reference"] = reference
        earlier = ChangeRequest.objects.filter(
            legal_entity_id=asked.loan.legal_entity_id, subject=asked.loan.number, payload__reference=reference
        ).first()
        if earlier is not None:
            if earlier.payload != payload:
                raise ReferenceReused(reference=reference)
            return earlier
    return approvals.propose(
        kind=asked.operation.kind,
        legal_entity_id=asked.loan.legal_entity_id,
        subject=asked.loan.number,
        payload=payload,
        reason=reason,
        amount=amount,
        actor=actor,
        now=now,
    )


def preview_payload(payload: dict[str, Any], now: dt.datetime) -> dict[str, Any]:
    """The preview kept with a proposal; whether its maker may see the loan has been checked."""
    actor = Actor.system("preview")
    return _rehearse(_asked(payload["operation"], UUID(payload["loan_id"]), payload["data"], actor), actor, now)


@transaction.atomic
def execute_payload(payload: dict[str, Any], actor: Actor, now: dt.datetime, reference: str) -> dict[str, Any]:
    """Carry an approved operation out; answers with what was recorded and posted."""
    actor = replace(actor, permissions=actor.permissions | _DEEDS)
    asked = _asked(payload["operation"], UUID(payload["loan_id"]), payload["data"], actor)
    order = Order(reference, payload["reason"], actor, now)
    touched = asked.operation.deed(asked.loan, asked.values, order)
    recorded = _recorded(touched, reference)
    return {
        "loans": list(Loan.objects.filter(id__in=touched).order_by("number").values_list("number", flat=True)),
        "transactions": [
            {
                "id": str(row.id),
                "loan": row.loan.number,
                "kind": row.kind,
                "value_date": row.value_date.isoformat(),
                "amount": "" if row.amount is None else f"{row.amount:.2f}",
            }
            for row in recorded
        ],
        "journal": _journal(touched, recorded, reference),
    }


@transaction.atomic
def _rehearse(asked: Asked, actor: Actor, now: dt.datetime) -> dict[str, Any]:
    reference = f"preview:{uuid4()}"
    point = transaction.savepoint()
    try:
        file = open_file(asked.loan.id, actor, now)
        file.bring_up_to(max(file.today, asked.values["value_date"]))
        before = _picture(file)
        loan = Loan.objects.select_related("balance").get(id=asked.loan.id)
        touched = asked.operation.deed(loan, asked.values, Order(reference, "", actor, now))
        connection.check_constraints()
        after = _picture(open_file(asked.loan.id, actor, now))
        others = [_picture(open_file(loan_id, actor, now)) for loan_id in touched if loan_id != asked.loan.id]
        journal = _journal(touched, _recorded(touched, reference), reference)
    finally:
        transaction.savepoint_rollback(point)
    return {
        "operation": asked.operation.name,
        "loan": asked.loan.number,
        "value_date": asked.values["value_date"].isoformat(),
        "before": before,
        "after": after,
        "others": others,
        "journal": journal,
    }


def _picture(file: LoanFile) -> dict[str, Any]:
    """A loan as it stands, in the public shape of `manage.py replay` without its transactions."""
    state = replay_of(file.loan, file.transactions, file.as_of)
    shown = state_to_json(state)
    shown.pop("transactions")
    return {"loan": file.loan.number, "installment": f"{state.installment:.2f}", "annual_rate": f"{state.rate * 100:f}"} | shown


def _recorded(loan_ids: Iterable[UUID], reference: str) -> list[LoanTransaction]:
    rows = LoanTransaction.objects.select_related("loan").filter(loan__in=loan_ids, reference__startswith=reference)
    return list(rows.order_by("created_at", "id"))


def _journal(loan_ids: Iterable[UUID], recorded: Iterable[LoanTransaction], reference: str) -> list[dict[str, Any]]:
    """The entries that an operation posted, in the order of the books."""
    by_transaction, by_order = Q(reference__in=[str(row.id) for row in recorded]), Q(reference__startswith=reference)
    found = {
        entry.id: entry
        for loan_id in loan_ids
        for entry in ledger.entries_of(loan_id).filter(by_transaction | by_order).prefetch_related("lines__account")
    }
    return [
        {
            "event": entry.event,
            "business_date": entry.business_date.isoformat(),
            "reference": "" if entry.reference.startswith(reference) else entry.reference,
            "lines": [
                {
                    "account": line.account.code,
                    "name": line.account.name,
                    "party": line.party_ref,
                    "debit": f"{line.debit:.2f}" if line.debit > ZERO else "",
                    "credit": f"{line.credit:.2f}" if line.credit > ZERO else "",
                }
                for line in sorted(entry.lines.all(), key=lambda line: (line.debit == ZERO, line.account.code))
            ],
        }
        for entry in found.values()
    ]
