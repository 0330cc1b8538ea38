"""What the order page shows, put together from the contexts below: progress, offers, contract, voucher, papers, next step."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.applications import selectors as applications
from apps.common import clock
from apps.contracts import selectors as contracts
from apps.disbursement import selectors as disbursement
from apps.documents import qr
from apps.postloan import selectors as postloan
from apps.products.domain import Plan, plan_from_json

STEPS: tuple[tuple[str | Promise, frozenset[str]], ...] = (
    (_("Applied"), frozenset({"draft"})),
    (_("Approval"), frozenset({"submitted", "screening", "manual_review", "more_info", "declined"})),
    (_("Plan"), frozenset({"offered"})),
    (_("Contract"), frozenset({"accepted", "contracting"})),
    (_("Payment"), frozenset({"signed", "disbursement_review", "approved", "refused"})),
    (_("Pick-up"), frozenset({"vouchered", "delivered", "completed"})),
)
NEWS: dict[str, str | Promise] = {
    "draft": _("Order opened"),
    "submitted": _("Order submitted"),
    "screening": _("Automatic check began"),
    "manual_review": _("Passed to a reviewer"),
    "more_info": _("More information is needed"),
    "declined": _("Declined"),
    "offered": _("Approved; plans are ready"),
    "accepted": _("The customer chose a plan"),
    "contracting": _("Contract being made and signed"),
    "signed": _("Contract signed by all parties"),
    "disbursement_review": _("Payment under review"),
    "refused": _("Payment refused"),
    "approved": _("Payment approved"),
    "vouchered": _("Payment voucher issued; the car may be handed over"),
    "delivered": _("Car picked up"),
    "completed": _("Money paid out and papers complete"),
    "withdrawn": _("Withdrawn"),
    "expired": _("Expired"),
    "cancelled": _("Cancelled"),
}
ENDED = frozenset({"declined", "refused", "withdrawn", "expired", "cancelled"})
TONES = {"ok": {"vouchered", "delivered", "completed", "approved"}, "warn": {"more_info"}, "overdue": ENDED}


@dataclass(frozen=True)
class Step:
    """One of the six steps; `state` is done, now or later."""

    number: int
    name: str | Promise
    state: str


@dataclass(frozen=True)
class Sla:
    """The promise: voucher within the hour. `left_s` may be negative; None once it is kept or the order has ended."""

    due_at: dt.datetime
    total_s: int
    left_s: int | None
    used_min: int

    @property
    def dash(self) -> str:
        """Stroke pattern of the ring: the part of the hour that is left (or all, when done)."""
        share = 1.0 if self.left_s is None else max(0.0, min(1.0, self.left_s / self.total_s))
        return f"{169.6 * share:.1f} 169.6"


@dataclass(frozen=True)
class OfferCard:
    """A plan as a card, with what sets it apart."""

    id: UUID
    rank: int
    plan: Plan
    chosen: bool


@dataclass(frozen=True)
class News:
    """A line of the timeline; staff of the lender stay nameless here."""

    at: dt.datetime
    label: str | Promise
    by: str | Promise


@dataclass(frozen=True)
class OrderPage:
    """Everything on the page; `version` changes whenever anything on it does."""

    order: applications.PortalOrder
    tone: str
    steps: tuple[Step, ...]
    sla: Sla | None
    offers: tuple[OfferCard, ...]
    chosen: Plan | None
    contract: Any
    voucher: Any
    voucher_qr: str
    papers: tuple[Any, ...]
    timeline: tuple[News, ...]
    next_step: str
    version: str
    today: dt.date


def steps_of(state: str, reached: str) -> tuple[Step, ...]:
    """Progress for a state; an ended order stops at the step that it had reached."""
    at = next(
        (
            index
            for index, (_name, states) in enumerate(STEPS)
            if (state if state not in {"withdrawn", "expired", "cancelled"} else reached) in states
        ),
        0,
    )
    finished = state == "completed"
    return tuple(
        Step(index + 1, name, "done" if index < at or finished else "now" if index == at else "later")
        for index, (name, _states) in enumerate(STEPS)
    )


def sla_of(order: applications.PortalOrder, kept_at: dt.datetime | None, now: dt.datetime) -> Sla | None:
    """The clock of the promise, from submission to voucher."""
    if order.submitted_at is None or order.sla_due_at is None:
        return None
    end = kept_at or order.closed_at
    return Sla(
        due_at=order.sla_due_at,
        total_s=max(1, int((order.sla_due_at - order.submitted_at).total_seconds())),
        left_s=None if end else int((order.sla_due_at - now).total_seconds()),
        used_min=int(((end or now) - order.submitted_at).total_seconds() // 60),
    )


def build(order: applications.PortalOrder, *, verify_url: str, now: dt.datetime) -> OrderPage:
    """The page of an order that the caller may see."""
    voucher = disbursement.voucher_of(order.id)
    contract = contracts.contract_of(order.id)
    papers = tuple(postloan.papers_of(order.id))
    offers = tuple(OfferCard(offer.id, offer.rank, plan_from_json(offer.plan), offer.id == order.chosen_offer_id) for offer in order.offers)
    reached = order.timeline[-1].from_state if order.timeline else "draft"
    facts = [order.state, len(order.timeline), len(offers), contract and contract.state, voucher and voucher.state]
    facts += [voucher and voucher.document_ref, *(paper.state for paper in papers)]
    return OrderPage(
        order=order,
        tone=next((tone for tone, states in TONES.items() if order.state in states), "info"),
        steps=steps_of(order.state, reached),
        sla=sla_of(order, voucher.issued_at if voucher else None, now),
        offers=offers,
        chosen=next((card.plan for card in offers if card.chosen), None),
        contract=contract,
        voucher=voucher,
        voucher_qr=qr.svg(f"{verify_url}?number={voucher.number}") if voucher else "",
        papers=papers,
        timeline=tuple(_news(entry) for entry in reversed(order.timeline) if entry.to_state != entry.from_state),
        next_step=_next_step(order.state, contract, voucher),
        version=hashlib.sha256(repr(facts).encode()).hexdigest()[:16],
        today=clock.local_date(now),
    )


def _next_step(state: str, contract: Any, voucher: Any) -> str:
    """The one thing that the consultant can do now; empty when the order waits for others."""
    if state == "accepted" and contract is None:
        return "contract"
    if state == "vouchered" and voucher and voucher.state in {"issued", "paid"}:
        return "pickup"
    if state in {"draft", "more_info"}:
        return "submit"
    return ""


def _news(entry: applications.TimelineEntry) -> News:
    kind, _separator, label = entry.actor.partition(":")
    who = {"dealer": label, "customer": _("customer"), "staff": _("our staff")}.get(kind, "")
    return News(entry.at, NEWS.get(entry.to_state, entry.to_state), who)
