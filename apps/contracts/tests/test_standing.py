"""A contract is made and signed only by somebody who may borrow at that moment."""

from __future__ import annotations

from typing import Any

import pytest

from apps.common import clock
from apps.common.actors import Actor
from apps.contracts import services
from apps.contracts.models import Contract, SigningConsent
from apps.contracts.tests.factories import NOW, Order, an_accepted_order
from apps.customers.selectors import MayNotBorrow
from apps.customers.services import restrict_customer

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(sandbox: Any, settings: Any, tmp_path: Any) -> Order:
    settings.ARCHIVE_DIR = tmp_path
    clock.move_to(NOW)
    return an_accepted_order()


def restrict(order: Order) -> None:
    restrict_customer(customer_id=order.customer.id, reason="court order", actor=Actor.system("tests"), now=NOW)


def test_no_contract_is_made_for_somebody_restricted(order: Order) -> None:
    restrict(order)
    with pytest.raises(MayNotBorrow):
        services.generate_contract(application_id=order.application.id, actor=order.shop.seller, now=NOW)
    assert not Contract.objects.exists()


def test_nobody_signs_who_was_restricted_since(order: Order) -> None:
    contract = order.prepared()
    restrict(order)
    with pytest.raises(MayNotBorrow):
        order.sign(contract)
    assert not SigningConsent.objects.exists()
