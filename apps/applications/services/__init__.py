"""Deeds on applications."""

from apps.applications.services.creation import attach_authorisation, create_application
from apps.applications.services.offers import accept_offer
from apps.applications.services.progress import (
    expire_stale,
    hold,
    mark_approved,
    mark_cancelled,
    mark_completed,
    mark_contracting,
    mark_delivered,
    mark_disbursement_review,
    mark_refused,
    mark_signed,
    mark_vouchered,
    withdraw,
)
from apps.applications.services.records import NoSuchApplication, WrongState
from apps.applications.services.reviewing import GRADES, amount_by_default, claim_review, review, screen_again
from apps.applications.services.screening import apply_again, heed_decision, submit

__all__ = [
    "GRADES",
    "NoSuchApplication",
    "WrongState",
    "accept_offer",
    "amount_by_default",
    "apply_again",
    "attach_authorisation",
    "claim_review",
    "create_application",
    "expire_stale",
    "heed_decision",
    "hold",
    "mark_approved",
    "mark_cancelled",
    "mark_completed",
    "mark_contracting",
    "mark_delivered",
    "mark_disbursement_review",
    "mark_refused",
    "mark_signed",
    "mark_vouchered",
    "review",
    "screen_again",
    "submit",
    "withdraw",
]
