"""What an order may at most become: by the value of its car, and by who asks."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from apps.applications import selectors, services
from apps.applications.models import Application, Offer
from apps.applications.services.creation import CustomerNotVerified
from apps.applications.tests.factories import NOW, PDF, SYSTEM, Shop, customer_actor, open_shop, person
from apps.common import clock
from apps.customers.models import Customer, IdentityCheck
from apps.customers.selectors import MayNotBorrow
from apps.customers.services import restrict_customer

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


def restrict(customer: Any) -> None:
    restrict_customer(customer_id=customer.id, reason="court order", actor=SYSTEM, now=NOW)


def lose_face(customer: Any) -> None:
    IdentityCheck.objects.filter(customer=customer, kind="liveness").update(expires_at=NOW)


def let_card_expire(customer: Any) -> None:
    Customer.objects.filter(id=customer.id).update(id_valid_until=clock.local_date(NOW) - dt.timedelta(days=1))


@pytest.mark.parametrize("happens", [restrict, lose_face, let_card_expire])
class TestWhoMayBorrow:
    def test_opens_an_order(self, shop: Shop, happens: Any) -> None:
        customer = person(shop.entity)
        happens(customer)
        with pytest.raises(CustomerNotVerified):
            shop.enter(customer)

    def test_hands_it_in(self, shop: Shop, happens: Any) -> None:
        customer = person(shop.entity)
        application = shop.enter(customer)
        services.attach_authorisation(application_id=application.id, content=PDF, filename="a.pdf", actor=shop.seller, now=NOW)
        happens(customer)
        with pytest.raises(CustomerNotVerified):
            services.submit(application_id=application.id, actor=shop.seller, now=NOW)

    def test_takes_an_offer(self, sandbox: Any, shop: Shop, happens: Any) -> None:
        customer = person(shop.entity)
        application = shop.decided(customer)
        happens(customer)
        offer = Offer.objects.filter(application=application).first()
        with pytest.raises(MayNotBorrow):
            services.accept_offer(application_id=application.id, offer_id=offer.id, actor=customer_actor(customer), now=NOW)
        assert Application.objects.get(id=application.id).state == "offered"
