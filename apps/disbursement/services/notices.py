"""What banks tell us about orders, each time written down with what it changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from apps.common.bulk import insert_rows
from apps.common.models import new_id
from apps.disbursement.gateways import BankAnswer
from apps.disbursement.models import BankNotice


@dataclass(frozen=True)
class BankResult:
    """A bank's word on one order, by callback or in answer to a query; `amount` in yuan as the bank moved it."""

    order_no: str
    outcome: str
    amount: Decimal | None
    bank_ref: str = ""
    reason: str = ""

    @classmethod
    def of(cls, answer: BankAnswer) -> BankResult:
        return cls(answer.order_no, answer.outcome, answer.amount, answer.bank_ref, answer.reason)


def note(*, kind: str, result: BankResult, verdict: str, legal_entity_id: UUID | None, now: dt.datetime) -> BankNotice:
    """Write down what a bank said and what became of it; a bank that repeats what did not fit adds nothing."""
    last = BankNotice.objects.filter(kind=kind, order_no=result.order_no[:64]).order_by("-received_at", "-id").first()
    said = (verdict, result.outcome, result.amount)
    if last is not None and verdict in ("wrong_amount", "contradiction") and (last.verdict, last.outcome, last.amount) == said:
        return last
    row = _words(result, legal_entity_id)
    return BankNotice.objects.create(kind=kind, verdict=verdict, received_at=now, **row)


def note_all(results: Iterable[tuple[BankResult, UUID]], *, kind: str, now: dt.datetime) -> None:
    """Write down what a bank said of many orders, each with its legal entity, and that it was applied."""
    rows = [_words(result, legal_entity_id) for result, legal_entity_id in results]
    insert_rows(BankNotice, rows, same={"kind": kind, "verdict": BankNotice.Verdict.APPLY, "received_at": now})


def _words(result: BankResult, legal_entity_id: UUID | None) -> dict[str, Any]:
    return {
        "id": new_id(),
        "legal_entity_id": legal_entity_id,
        "order_no": result.order_no[:64],
        "outcome": result.outcome[:12],
        "amount": result.amount,
        "bank_ref": result.bank_ref[:64],
        "reason": result.reason[:300],
    }
