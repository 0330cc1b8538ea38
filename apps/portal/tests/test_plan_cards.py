"""What a plan's card says of further terms of its product."""

from __future__ import annotations

from types import SimpleNamespace
from uuid import UUID

from django.template.loader import render_to_string
from django.utils import translation

from apps.contracts.domain import plan_words, price_from
from apps.portal.plan_cards import cards_of
from apps.products.domain import plan_to_json
from apps.products.tests.test_domain import TODAY
from apps.products.tests.test_terms import TERMS, plan_of


def card_of(terms):
    plan = plan_of(terms)
    offer = SimpleNamespace(id=UUID(int=1), rank=1, plan=plan_to_json(plan))
    return cards_of([offer], chosen_id=None, wanted=plan.principal)[0]


def costs(card) -> str:
    with translation.override("en"):
        return render_to_string("portal/parts/plan_costs.html", {"card": card, "plan": card.plan})


def test_a_grace_a_fee_and_what_being_late_costs_are_said():
    card = card_of(TERMS)
    loud = " ".join(hint.text for hint in card.hints if hint.loud)
    assert "60.00" in loud
    assert "125.00" in loud
    assert "1,405.88" in loud
    assert "Nothing else is charged" not in costs(card)
    assert "Nothing else is charged" in costs(card_of({"principal_grace": 3}))


def test_the_contracts_schedule_has_a_column_for_fees_where_there_are_some():
    def page(terms) -> str:
        signed = price_from(plan_of(terms), TODAY)
        return render_to_string("documents/_schedule.html", {"plan": plan_words(signed), "schedule": signed.plan.schedule, "kind": "cash"})

    assert "其中费用" in page(TERMS)
    assert page(TERMS).count(">5.00<") == 12
    assert ">125.00<" in page(TERMS)
    assert "13,027.95" in page(TERMS)
    assert "其中费用" not in page({"principal_grace": 3})
