"""Words and sums of post-loan work: when somebody may be contacted, which papers a delivery needs, when to remind."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

QUIET_FROM: Final = dt.time(22, 0)
QUIET_UNTIL: Final = dt.time(8, 0)
FURTHEST_REMINDER: Final = dt.timedelta(days=3)  # reminders go out on D-3, D-2, D-1 and D0
RECHECK_DAYS: Final = (1,)  # days past due on which an unpaid instalment is called overdue by text: 24 hours after the due day


@dataclass(frozen=True)
class ContactRules:
    """Limits of the market on contacting debtors; parameters, these are what ships."""

    quiet_from: dt.time = QUIET_FROM
    quiet_until: dt.time = QUIET_UNTIL
    effective_a_day: int = 3
    unanswered_a_day: int = 6
    tries_before_third_party: int = 3
    days_before_third_party: int = 3


@dataclass(frozen=True)
class ContactFacts:
    """What is known at the moment of dialling.

    `local_time` is the debtor's; `effective_today` counts answered calls with this debtor, `unanswered_today` dials of this number;
    `consented_hours` is leave to call in the quiet hours; `stopped` is a complaint or a request to stop.
    """

    local_time: dt.time
    effective_today: int = 0
    unanswered_today: int = 0
    consented_hours: bool = False
    stopped: bool = False
    third_party: bool = False
    third_party_stopped: bool = False
    debtor_number_invalid: bool = False
    debtor_tries: int = 0
    days_trying: int = 0


@dataclass(frozen=True)
class Permission:
    """Whether to go on, and if not, which rule forbids it."""

    allowed: bool
    rule: str = ""


def may_contact(facts: ContactFacts, rules: ContactRules = ContactRules()) -> Permission:
    """The one place where it is decided whether a person may be contacted now; asked before dialling, its answer is binding."""
    quiet = facts.local_time >= rules.quiet_from or facts.local_time < rules.quiet_until
    if facts.stopped:
        return Permission(False, "stopped")
    if quiet and not facts.consented_hours:
        return Permission(False, "quiet_hours")
    if facts.effective_today >= rules.effective_a_day:
        return Permission(False, "effective_calls")
    if facts.unanswered_today >= rules.unanswered_a_day:
        return Permission(False, "unanswered_dials")
    if facts.third_party:
        return _may_contact_third_party(facts, rules)
    return Permission(True)


def _may_contact_third_party(facts: ContactFacts, rules: ContactRules) -> Permission:
    """Only when the debtor cannot be reached, only to ask for contact or to relay; the debt itself is never named."""
    if facts.third_party_stopped:
        return Permission(False, "third_party_stopped")
    unreachable = (
        facts.debtor_number_invalid
        or facts.debtor_tries >= rules.tries_before_third_party
        or facts.days_trying >= rules.days_before_third_party
    )
    return Permission(True) if unreachable else Permission(False, "third_party_not_yet")


@dataclass(frozen=True)
class Paper:
    """A paper that a delivery needs, due so many days after the pick-up."""

    kind: str
    due_days: int


_OF_EVERY_CAR: Final = (
    Paper("purchase_invoice", 7),
    Paper("insurance_policy", 7),
    Paper("purchase_tax_invoice", 30),
    Paper("registration_certificate", 30),
)
PAPERS: Final[dict[str, tuple[Paper, ...]]] = {
    # The company owns the car: it is handed over to use, and registered to the company.
    "direct": (Paper("handover_note", 3), *_OF_EVERY_CAR),
    # The customer owns the car: it is sold and leased back, and mortgaged.
    "leaseback": (Paper("handover_note", 3), *_OF_EVERY_CAR, Paper("mortgage_registration", 45)),
}


def papers_needed(lease_type: str) -> tuple[Paper, ...]:
    """The checklist of a lease kind (`direct` 正租, `leaseback` 反租); nothing for a loan without a car."""
    return PAPERS.get(lease_type, ())


def grade_of(days_past_due: int) -> str:
    """Which strategy a case follows: by message, by machine, by staff, by an agency, by court."""
    for least, grade in ((90, "litigation"), (60, "outsourcing"), (5, "staff"), (3, "voice")):
        if days_past_due >= least:
            return grade
    return "message"
