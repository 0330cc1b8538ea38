"""Plans as cards: a title that tells them apart, why one stands out, and what must not be overlooked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.common.templatetags.carloan import money
from apps.products.domain import Plan, plan_from_json

FIRST: Final = 3  # cards shown at once; the others wait behind a disclosure
_METHODS: Final[dict[str, str | Promise]] = {
    "equal_installment": gettext_lazy("Equal instalments"),
    "equal_principal": gettext_lazy("Equal principal"),
    "interest_first": gettext_lazy("Interest first"),
    "flat": gettext_lazy("Flat rate"),
    "bullet": gettext_lazy("All at the end"),
    "balloon": gettext_lazy("Final payment"),
    "step": gettext_lazy("In steps"),
}


@dataclass(frozen=True)
class Hint:
    """One line under the figures; `loud` when something would be overlooked without it."""

    text: str
    loud: bool


@dataclass(frozen=True)
class PlanCard:
    """A plan as a card; `merits` say where it beats the other plans."""

    id: UUID
    plan: Plan
    chosen: bool
    title: str
    merits: tuple[str, ...]
    hints: tuple[Hint, ...]

    @property
    def has_late_fees(self) -> bool:
        """Whether being late costs more than penalty interest."""
        return any(row.code == "fee_overdue" for row in self.plan.cost_rows)


def cards_of(offers: Iterable[Any], *, chosen_id: UUID | None, wanted: Decimal) -> tuple[PlanCard, ...]:
    """Offers, best first, as cards; `wanted` is the amount that was asked for, in yuan."""
    plans = [(offer, plan_from_json(offer.plan)) for offer in offers]
    lowest = min((plan.installment for _offer, plan in plans), default=None)
    cheapest = min((plan.total_cost for _offer, plan in plans), default=None)
    cards = []
    for offer, plan in plans:
        merits = [_("best fit")] if offer.rank == 1 else []
        if len(plans) > 1 and plan.installment == lowest:
            merits.append(_("lowest payment"))
        if len(plans) > 1 and plan.total_cost == cheapest:
            merits.append(_("lowest cost"))
        cards.append(PlanCard(offer.id, plan, offer.id == chosen_id, title_of(plan), tuple(merits), hints_of(plan, wanted=wanted)))
    return tuple(cards)


def title_of(plan: Plan) -> str:
    """Such as "Equal instalments, 36 months"."""
    method = _METHODS["balloon"] if plan.balloon else _METHODS.get(plan.method, plan.name)
    return _("%(method)s, %(n)s months") % {"method": method, "n": plan.installments}


def hints_of(plan: Plan, *, wanted: Decimal) -> tuple[Hint, ...]:
    """Fees, a final payment and a smaller amount are said aloud; else, quietly, that there are none."""
    hints = []
    if plan.principal < wanted:
        text = _("Only %(amount)s of the %(wanted)s yuan asked for; the rest is paid down.")
        hints.append(Hint(text % {"amount": money(plan.principal), "wanted": money(wanted)}, loud=True))
    if plan.fees:
        hints.append(Hint(_("Fees of %(amount)s yuan, counted in the rate and the total cost.") % {"amount": money(plan.fees)}, loud=True))
    if plan.terms and plan.first_installment != plan.installment:
        text = _("The first instalment is %(first)s yuan; most are %(usual)s.")
        hints.append(Hint(text % {"first": money(plan.first_installment), "usual": money(plan.installment)}, loud=True))
    if plan.balloon:
        text = _("The last instalment is %(last)s yuan, the final payment of %(balloon)s included.")
        hints.append(Hint(text % {"last": money(plan.last_installment), "balloon": money(plan.balloon)}, loud=True))
    if not hints:
        hints.append(Hint(_no_fees(plan), loud=False))
    return tuple(hints)


def _no_fees(plan: Plan) -> str:
    if not plan.prepay_fee_rate:
        return _("No fees beside the interest; paying back early is free.")
    if plan.prepay_fee_free_after is not None:
        return _("No fees beside the interest; paying back early is free after %(n)s instalments.") % {"n": plan.prepay_fee_free_after}
    return _("No fees beside the interest.")
