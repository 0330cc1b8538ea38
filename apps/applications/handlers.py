"""What applications make of others' news."""

from __future__ import annotations

import datetime as dt

from apps.applications import services
from apps.common.actors import Actor
from apps.common.outbox import handles
from apps.risk.events import DecisionMade


@handles(DecisionMade)
def on_decision_made(event: DecisionMade, *, now: dt.datetime) -> None:
    services.heed_decision(decision=event, actor=Actor.system("applications.screening"), now=now)
