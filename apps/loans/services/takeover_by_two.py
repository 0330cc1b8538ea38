"""A take-over in the back office: one person sends the file and sees what it would bring, another decides."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from apps.common import approvals
from apps.common.actors import Actor
from apps.common.models import ChangeRequest
from apps.common.money import ZERO
from apps.loans.services.sheet import SheetRefused
from apps.loans.services.takeover import TakeOverReport, take_over_loans

TAKE_OVER_CHANGE: Final = "loans.take_over"
MAX_PROPOSED_BYTES: Final = 2_000_000
_SERVICES: Final = "apps.loans.services.takeover_by_two"


def register_take_over() -> None:
    """Make a take-over a kind of change that two people decide on."""
    approvals.register(
        approvals.Kind(
            name=TAKE_OVER_CHANGE,
            propose_permission="loans.open",
            check_permission="loans.approve_large",
            preview=f"{_SERVICES}.preview_take_over",
            execute=f"{_SERVICES}.execute_take_over",
        )
    )


@transaction.atomic
def propose_take_over(
    *,
    legal_entity_id: UUID,
    file_name: str,
    content: bytes,
    control: Mapping[str, Decimal],
    reason: str,
    actor: Actor,
    now: dt.datetime,
    tolerance: Decimal = ZERO,
) -> ChangeRequest:
    """Put a take-over before a second person, with its reconciliation. Raises what taking the file over would, `ReasonMissing`."""
    if len(content) > MAX_PROPOSED_BYTES:
        limit = MAX_PROPOSED_BYTES // 1_000_000
        raise SheetRefused(_("A file sent here has at most %(limit)s million bytes. Send it in parts.") % {"limit": limit})
    payload = {
        "legal_entity_id": str(legal_entity_id),
        "file_name": file_name,
        "control": {name: f"{total:.2f}" for name, total in control.items()},
        "tolerance": f"{tolerance:.2f}",
        "content": base64.b64encode(content).decode(),
    }
    return approvals.propose(
        kind=TAKE_OVER_CHANGE,
        legal_entity_id=legal_entity_id,
        subject=file_name[:64],
        payload=payload,
        reason=reason,
        actor=actor,
        now=now,
    )


def preview_take_over(payload: dict[str, Any], now: dt.datetime) -> dict[str, Any]:
    """The reconciliation kept with a proposal; whether its maker may open loans has been checked."""
    answer = report_json(_carry_out(payload, Actor.system("preview"), now, preview=True))
    differing = {
        loan["external_number"]: loan["interest_difference"] for loan in answer.pop("loans") if Decimal(loan["interest_difference"])
    }
    return answer | {"interest_difference": differing}


def execute_take_over(payload: dict[str, Any], actor: Actor, now: dt.datetime, reference: str) -> dict[str, Any]:
    """Carry an approved take-over out; who approved it need not be allowed to open loans."""
    return report_json(_carry_out(payload, replace(actor, permissions=actor.permissions | {"loans.open"}), now, preview=False))


def _carry_out(payload: dict[str, Any], actor: Actor, now: dt.datetime, *, preview: bool) -> TakeOverReport:
    return take_over_loans(
        legal_entity_id=UUID(payload["legal_entity_id"]),
        file_name=payload["file_name"],
        content=base64.b64decode(payload["content"]),
        control={name: Decimal(total) for name, total in payload["control"].items()},
        tolerance=Decimal(payload["tolerance"]),
        preview=preview,
        actor=actor,
        now=now,
    )


def report_json(report: TakeOverReport) -> dict[str, Any]:
    """The report as text: amounts with two decimals."""
    return {
        "taken_over_on": report.taken_over_on.isoformat(),
        "lines": report.lines,
        "new": report.new,
        "dry_run": report.preview,
        "totals": {
            name: {
                "file": f"{total.file:.2f}",
                "books": f"{total.books:.2f}",
                "off_balance": f"{total.off_balance:.2f}",
                "difference": f"{total.difference:.2f}",
                "control": "" if total.control is None else f"{total.control:.2f}",
            }
            for name, total in report.totals.items()
        },
        "loans": [
            {
                "external_number": loan.external_number,
                "number": loan.number,
                "new": loan.is_new,
                "interest_difference": f"{loan.interest_difference:.2f}",
            }
            for loan in report.loans
        ],
    }
