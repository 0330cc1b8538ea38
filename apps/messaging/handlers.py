"""What messaging makes of its own news."""

from __future__ import annotations

import datetime as dt

from apps.common.outbox import handles
from apps.messaging import services
from apps.messaging.events import MessageQueued


@handles(MessageQueued, outside=True)
def on_message_queued(event: MessageQueued, *, now: dt.datetime) -> None:
    services.deliver_message(message_id=event.message_id, now=now)
