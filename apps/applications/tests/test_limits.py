"""What an order may at most become: by the value of its car, and by who asks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from apps.applications import selectors
from apps.applications.models import Offer
from apps.applications.tests.factories import Shop, open_shop
from apps.risk.tests.factories import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Shop:
    return open_shop()


def test_a_price_above_the_guide_price_lends_no_more(sandbox: Any, shop: Shop) -> None:
    worth = shop.vehicle.guide_price
    application = shop.decided(person(shop.entity), price=worth * Decimal("1.05"), down_payment=worth * Decimal("0.25"))
    assert application.state == "offered"
    assert application.requested_amount == worth * Decimal("0.80")
    assert all(plan["principal"] <= worth * Decimal("0.80") for plan in selectors.offers_in_full(application.id))
    assert set(Offer.objects.values_list("plan__ltv", flat=True)) == {"0.8000"}
