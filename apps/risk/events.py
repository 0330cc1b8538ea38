"""News of risk."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from apps.common.outbox import event


@event
class DecisionRequested:
    """Somebody wants to know; the machine goes to work."""

    request_id: UUID


@event
class DecisionMade:
    """The machine's answer, or that it has none in time (`review`).

    `outcome` is approve, review, decline or more_info; `limit` in yuan and `annual_rate` as a fraction a year are the flow's for the
    grade, None where the flow could not tell; `reasons` are codes for staff, in `risk.selectors.reason_texts` in plain words.
    """

    reference: str
    decision_id: UUID
    outcome: str
    grade: str
    limit: Decimal | None
    annual_rate: Decimal | None
    reasons: list[str]


@event
class DecisionFlowWentLive:
    """A version of a flow decides from now on; processes drop the engine they had."""

    flow_code: str
    legal_entity_id: UUID | None
    version: int
