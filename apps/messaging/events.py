"""News of messages."""

from __future__ import annotations

from uuid import UUID

from apps.common.outbox import event


@event
class MessageQueued:
    """A single message may go out now. Batches and held messages are swept instead, so that they never stand before a code."""

    message_id: UUID
    urgent: bool
