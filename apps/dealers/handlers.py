"""News heeded: an agreement is to be sealed."""

from __future__ import annotations

import datetime as dt

from apps.common.outbox import handles
from apps.dealers import services
from apps.dealers.events import DealerSigningStarted


@handles(DealerSigningStarted, outside=True)
def seal_agreement(event: DealerSigningStarted, *, now: dt.datetime) -> None:
    """Render, seal, archive, activate."""
    services.seal_agreement(dealer_id=event.dealer_id, now=now)
