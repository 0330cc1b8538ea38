"""Nothing is left hanging: transfers whose hour has come go out, orders without an answer are asked about."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from uuid import UUID

import structlog
from django.db.models import Q

from apps.common.errors import CarloanError
from apps.common.gateways import GatewayError
from apps.disbursement.models import Disbursement, RepaymentOrder
from apps.disbursement.services.repayments import send_debit
from apps.disbursement.services.transfers import send_transfer
from apps.disbursement.services.unresolved import AMOUNT_DIFFERS, call_people_to_debits, call_people_to_transfers

log = structlog.get_logger(__name__)
SILENCE = dt.timedelta(minutes=2)  # how long an answer may take before the bank is asked
_LIMIT = 500


def sweep_transfers(*, now: dt.datetime) -> int:
    """Send what waited for the bank's hours or was left behind, ask about what has no answer; returns how many were looked at.

    What stays without an end goes before a person.
    """
    waiting = Disbursement.objects.filter(
        Q(state="routed", due_at__lte=now) | Q(state__in=["submitted", "unknown"], submitted_at__lte=now - SILENCE)
    ).exclude(state="unknown", reason__startswith=AMOUNT_DIFFERS)
    ids = waiting.order_by("created_at").values_list("id", flat=True)[:_LIMIT]
    looked_at = _each(ids, lambda one: send_transfer(disbursement_id=one, now=now))
    call_people_to_transfers(now=now)
    return looked_at


def sweep_debits(*, now: dt.datetime) -> int:
    """Send orders that were left behind, ask about those without an answer; returns how many were looked at."""
    late = now - SILENCE
    waiting = RepaymentOrder.objects.filter(
        Q(state="created", created_at__lte=late) | Q(state__in=["processing", "unknown"], sent_at__lte=late)
    ).exclude(state="unknown", reason__startswith=AMOUNT_DIFFERS)
    ids = waiting.order_by("created_at").values_list("id", flat=True)[:_LIMIT]
    looked_at = _each(ids, lambda one: send_debit(order_id=one, now=now))
    call_people_to_debits(now=now)
    return looked_at


def _each(ids: Iterable[UUID], deed: Callable[[UUID], None]) -> int:
    """One that fails does not stop the others; the next sweep comes in a minute."""
    looked_at = 0
    for one in list(ids):
        looked_at += 1
        try:
            deed(one)
        except (GatewayError, CarloanError) as error:
            log.warning("sweep_postponed", reference=str(one), error=str(error))
        except (
            Exception
        ) as error:  # whatever is wrong with one order, such as a card that cannot be decrypted, the others wait for this sweep
            log.exception("sweep_defect", reference=str(one), error=type(error).__name__)
    return looked_at
