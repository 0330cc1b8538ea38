"""An order's progress in words and signs: its six steps, the clock of the promise, its news, whose turn it is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.applications.selectors import TimelineEntry
from apps.common import clock

Text = str | Promise

STEPS: Final[tuple[tuple[Text, frozenset[str]], ...]] = (
    (_("Applied"), frozenset({"draft"})),
    (_("Approval"), frozenset({"submitted", "screening", "manual_review", "more_info", "declined"})),
    (_("Plan"), frozenset({"offered"})),
    (_("Contract"), frozenset({"accepted", "contracting"})),
    (_("Payment"), frozenset({"signed", "disbursement_review", "approved", "refused"})),
    (_("Pick-up"), frozenset({"vouchered", "delivered", "completed"})),
)
NEWS: Final[dict[str, Text]] = {
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
FAILED: Final = frozenset({"declined", "refused", "withdrawn", "expired", "cancelled"})
ENDED: Final = FAILED | {"completed"}
WITHDRAWABLE: Final = frozenset({"draft", "submitted", "manual_review", "more_info", "offered", "accepted", "contracting", "signed"})
GROUPS: Final[dict[str, tuple[Text, tuple[str, ...]]]] = {
    "all": (_("All"), ()),
    "mine": (_("My turn"), ("draft", "more_info", "accepted", "vouchered", "delivered")),
    "customer": (_("Customer's turn"), ("offered", "contracting")),
    "lender": (_("With the lender"), ("submitted", "screening", "manual_review", "signed", "disbursement_review", "approved")),
    "done": (_("Done"), ("completed",)),
    "ended": (_("Ended"), tuple(sorted(FAILED))),
}
_TONES: Final[dict[str, frozenset[str]]] = {
    "ok": frozenset({"vouchered", "delivered", "completed", "approved"}),
    "warn": frozenset({"more_info"}),
    "overdue": frozenset({"declined", "refused", "cancelled"}),
    "gone": frozenset({"withdrawn", "expired"}),
}
_OTHERWISE_ENDED: Final = frozenset({"withdrawn", "expired", "cancelled"})
_HOUR_S: Final = 3600
_SHORT_S: Final = 900  # from here on the clock warns
_RING: Final = 169.6  # length of the ring's line


@dataclass(frozen=True)
class Step:
    """One of the six steps; `state` is done, now, later, or stopped where the order ended."""

    number: int
    name: Text
    state: str


@dataclass(frozen=True)
class Sla:
    """The promise to the shop: a voucher within the hour. `left_s` may be negative; None once the promise was kept or broken for good."""

    due_at: dt.datetime
    total_s: int
    left_s: int | None
    used_min: int

    @property
    def kept(self) -> bool:
        """The voucher came in time."""
        return self.left_s is None and self.used_min * 60 <= self.total_s

    @property
    def total_min(self) -> int:
        return self.total_s // 60

    @property
    def tone(self) -> str:
        """`fine` with time to spare or kept, `late` after the promise, else nothing."""
        if self.left_s is None:
            return "fine" if self.kept else "late"
        return "late" if self.left_s < 0 else "fine" if self.left_s >= _SHORT_S else ""

    @property
    def text(self) -> str:
        """What the clock shows; the page counts on from there."""
        seconds = abs(self.left_s or 0)
        hours, rest = divmod(seconds, _HOUR_S)
        text = f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60:02d}:{rest % 60:02d}"
        return f"−{text}" if (self.left_s or 0) < 0 else text

    @property
    def due_ms(self) -> int:
        """The deadline as browsers count time."""
        return int(self.due_at.timestamp() * 1000)

    @property
    def dash(self) -> str:
        """Stroke pattern of the ring: the part of the time that is left, or all of it when nothing counts any more."""
        share = 1.0 if self.left_s is None or self.left_s < 0 else min(1.0, self.left_s / self.total_s)
        return f"{_RING * share:.1f} {_RING}"


@dataclass(frozen=True)
class News:
    """A line of the timeline. `day` is set on the first line of a day that is not today; staff of the lender stay nameless."""

    at: dt.datetime
    day: dt.date | None
    label: Text
    by: Text


def tone_of(state: str) -> str:
    """Colour of a state's sign."""
    return next((tone for tone, states in _TONES.items() if state in states), "info")


def steps_of(state: str, reached: str) -> tuple[Step, ...]:
    """Progress for a state; an order that ended otherwise than by a decision stands at the step that it had `reached`."""
    shown = reached if state in _OTHERWISE_ENDED else state
    at = next((index for index, (_name, states) in enumerate(STEPS) if shown in states), 0)
    here = "done" if state == "completed" else "stopped" if state in FAILED else "now"
    return tuple(
        Step(index + 1, name, "done" if index < at else here if index == at else "later") for index, (name, _states) in enumerate(STEPS)
    )


def sla_of(
    *, submitted_at: dt.datetime | None, due_at: dt.datetime | None, kept_at: dt.datetime | None, state: str, now: dt.datetime
) -> Sla | None:
    """The clock of the promise, from submission to voucher; None where nothing was promised or the order ended without one."""
    if submitted_at is None or due_at is None or (state in FAILED and kept_at is None):
        return None
    return Sla(
        due_at=due_at,
        total_s=max(1, int((due_at - submitted_at).total_seconds())),
        left_s=None if kept_at else int((due_at - now).total_seconds()),
        used_min=int(((kept_at or now) - submitted_at).total_seconds() // 60),
    )


def news_of(timeline: tuple[TimelineEntry, ...], *, people: Mapping[str, str], today: dt.date) -> tuple[News, ...]:
    """The timeline, newest first, one line per change of state; `people` are the shop's, by user name."""
    lines: list[News] = []
    day = today
    for entry in reversed(timeline):
        if entry.to_state == entry.from_state:
            continue
        local = clock.local_date(entry.at)
        lines.append(News(entry.at, local if local != day else None, NEWS.get(entry.to_state, entry.to_state), _by(entry, people)))
        day = local
    return tuple(lines)


def _by(entry: TimelineEntry, people: Mapping[str, str]) -> Text:
    """Who did it; screening is the machine's, whoever handed the order in."""
    if entry.to_state == "screening":
        return ""
    kind, _separator, label = entry.actor.partition(":")
    return {"dealer": people.get(label) or _("the shop"), "customer": _("customer"), "staff": _("our staff")}.get(kind, "")


def word_of_reviewer(timeline: tuple[TimelineEntry, ...], state: str) -> str:
    """What a person of the lender wrote for the shop when the order came into its present state; rule hits are never among it."""
    entry = next((entry for entry in reversed(timeline) if entry.to_state == state and entry.from_state != state), None)
    return entry.reason if entry and entry.actor.startswith("staff:") else ""


def next_step(state: str, *, has_contract: bool, to_sign: bool, voucher_usable: bool, papers_missing: int) -> str:
    """The one thing to be done now by the shop or its customer; empty when the order waits for the lender or has ended."""
    if state in {"draft", "more_info"}:
        return "submit"
    if state == "offered":
        return "choose"
    if state == "accepted" or (state == "contracting" and not has_contract):
        return "contract"
    if state == "contracting" and to_sign:
        return "sign"
    if state == "vouchered" and voucher_usable:
        return "pickup"
    return "papers" if state == "delivered" and papers_missing else ""
