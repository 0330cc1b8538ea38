"""News heeded: an identity check that was requested is put to its party."""

from __future__ import annotations

import datetime as dt

from apps.common.outbox import handles
from apps.customers import services
from apps.customers.events import IdentityCheckRequested


@handles(IdentityCheckRequested, outside=True)
def send_identity_check(event: IdentityCheckRequested, *, now: dt.datetime) -> None:
    """Ask the party; when it does not answer, the outbox tries again with the same reference."""
    services.ask_party(attempt_id=event.attempt_id, now=now)
