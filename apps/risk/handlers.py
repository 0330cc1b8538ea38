"""What risk makes of news."""

from __future__ import annotations

import datetime as dt

from apps.common.outbox import handles
from apps.risk import services
from apps.risk.events import DecisionRequested


@handles(DecisionRequested, outside=True)
def on_decision_requested(event: DecisionRequested, *, now: dt.datetime) -> None:
    services.make_decision(request_id=event.request_id, now=now)
