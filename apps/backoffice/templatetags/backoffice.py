"""Words for codes that reach pages of the back office, and values of features in their units."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from django import template
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.backoffice import book_words
from apps.backoffice.loan_page import COMPONENT_NAMES
from apps.common.templatetags.carloan import money, percent
from apps.loans.selectors import OWN
from apps.loans.services import OPERATIONS

register = template.Library()

DEEDS: Final = {
    "create": _("Order opened"),
    "attach_authorisation": _("Authorisation attached"),
    "submit": _("Handed in"),
    "screen": _("Put before the machine"),
    "refer": _("Referred to a reviewer"),
    "ask_more": _("Sent back for papers"),
    "offer": _("Plans laid before the customer"),
    "decline": _("Declined"),
    "accept": _("Plan taken"),
    "start_contracting": _("Contract in preparation"),
    "sign": _("Signed by all parties"),
    "start_disbursement_review": _("Put before disbursement review"),
    "approve": _("Approved for disbursement"),
    "refuse": _("Refused at disbursement"),
    "voucher": _("Voucher issued"),
    "deliver": _("Car delivered"),
    "complete": _("Completed"),
    "withdraw": _("Withdrawn"),
    "expire": _("Expired"),
    "cancel": _("Cancelled"),
}
STATES: Final = {
    "draft": _("draft"),
    "submitted": _("submitted"),
    "screening": _("screening"),
    "manual_review": _("in manual review"),
    "more_info": _("more papers wanted"),
    "offered": _("offered"),
    "accepted": _("accepted"),
    "contracting": _("contract in preparation"),
    "signed": _("signed"),
    "disbursement_review": _("in disbursement review"),
    "approved": _("approved for disbursement"),
    "vouchered": _("voucher issued"),
    "delivered": _("car delivered"),
    "completed": _("completed"),
    "declined": _("declined"),
    "withdrawn": _("withdrawn"),
    "expired": _("expired"),
    "refused": _("refused at disbursement"),
    "cancelled": _("cancelled"),
}
EVENTS: Final = {
    "disbursement": _("disbursement"),
    "repayment": _("repayment"),
    "accrual": _("accrual"),
    "penalty": _("penalty interest"),
    "fee": _("fee"),
    "non_accrual": _("non-accrual"),
    "reclassification": _("reclassification"),
    "provision": _("provision"),
    "waiver": _("waiver"),
    "refund": _("refund"),
    "adjustment": _("adjustment"),
    "write_off": _("write-off"),
    "recovery": _("recovery"),
    "cash_received": _("cash received"),
    "cash_paid": _("cash paid out"),
    "suspense_received": _("into suspense"),
    "suspense_released": _("out of suspense"),
    "clearing_in": _("clearing, in"),
    "clearing_out": _("clearing, out"),
}
OUTCOMES: Final = {
    "approve": _("approve"),
    "review": _("to a person"),
    "decline": _("decline"),
    "more_info": _("more papers"),
}
TONES: Final = {"decline": "overdue", "review": "warn", "more_info": "blocked", "approve": "ok"}
UNITS: Final = {"months": _("%(n)s months"), "years": _("%(n)s years"), "days": _("%(n)s days")}


JOBS: Final = {"end_of_day": _("end of the day")}
ACTORS: Final = {"staff": _("staff"), "dealer": _("shop"), "customer": _("customer"), "system": _("machine")}
ORIGINS: Final = {"portal": _("dealer portal"), "back office": _("back office"), "app": _("customer's app")}


def _word(words: dict[str, Any], code: str) -> str:
    return str(words[code]) if code in words else code.replace("_", " ")


@register.filter
def deed(code: str) -> str:
    """An order's deed in words."""
    return _word(DEEDS, code)


@register.filter
def job(code: str) -> str:
    """A kind of job in words."""
    return _word(JOBS, code)


@register.filter
def by(actor: str) -> str:
    """Who did it, of an actor as it is written down (`staff:wangmin`): staff and shops by name, customers and processes by their kind."""
    kind, _colon, name = actor.partition(":")
    if kind not in ACTORS:
        return actor
    return f"{ACTORS[kind]} {name}" if kind in ("staff", "dealer") else str(ACTORS[kind])


@register.filter
def origin(code: str) -> str:
    """From where a person did it; empty for our own processes."""
    return str(ORIGINS.get(code, ""))


@register.filter
def state_word(code: str) -> str:
    """An order's state in words."""
    return _word(STATES, code)


@register.filter
def event(code: str) -> str:
    """An event of the books in words."""
    return _word(EVENTS | book_words.EVENTS, code)


@register.filter
def component(code: str) -> str:
    """A component of what is owed or posted in words."""
    return _word(COMPONENT_NAMES | book_words.COMPONENTS, code)


@register.filter
def party(code: str) -> str:
    """Whose part of an amount, in words."""
    return _word(book_words.PARTIES, code)


@register.filter
def kind_word(code: str) -> str:
    """A kind of proposal: counter operations by their title, others `ledger.adjust` → `ledger: adjust`."""
    operation = OPERATIONS.get(code.removeprefix("loans.")) if code.startswith("loans.") else None
    if operation is not None:
        return str(operation.title)
    return code.replace(".", ": ").replace("_", " ")


@register.filter
def outcome(code: str) -> str:
    """What a rule or a decision asks for, in words."""
    return _word(OUTCOMES, code)


@register.filter
def outcome_tone(code: str) -> str:
    """The class of its tag."""
    return TONES.get(code, "info")


@register.filter
def feature(value: Any) -> str:
    """A feature's value in the unit that people use: yuan, percent, months."""
    raw, unit = value.value, value.unit
    if isinstance(raw, bool):
        return gettext("yes") if raw else gettext("no")
    if unit == "分":
        return money(Decimal(raw) / 100)
    if unit == "bp":
        return percent(Decimal(raw) / 10_000)
    if unit in UNITS:
        return str(UNITS[unit]) % {"n": f"{raw:,}"}
    return f"{raw:,}" if isinstance(raw, int) else str(raw)


@register.filter
def seconds(milliseconds: int | None) -> str:
    """`1,234` milliseconds as `1.2 s`."""
    return "–" if milliseconds is None else f"{milliseconds / 1000:.1f} s"


@register.filter
def share_of(parts: int) -> str:
    """Parts of 10,000 as a percentage without needless zeros: `3500` → `35%`."""
    return f"{(Decimal(parts) / 100).normalize():f}%"


@register.filter
def funder(party_ref: str) -> str:
    """A party of a funding agreement; the lender itself in words."""
    return str(_("the lender itself")) if party_ref == OWN else party_ref
