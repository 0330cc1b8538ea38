"""Staff void a contract on its page, with a reason and the right to."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from apps.common import clock
from apps.contracts.tests.factories import NOW, Order, an_accepted_order
from apps.customers.tests.test_deeds import browser

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(sandbox: Any, settings: Any, tmp_path: Any) -> Order:
    settings.ARCHIVE_DIR = tmp_path
    clock.move_to(NOW)
    return an_accepted_order()


def test_a_contract_is_voided_with_a_reason_by_who_may(order: Order) -> None:
    contract = order.prepared()
    page = reverse("admin:contracts_contract_changelist")
    asked = {"action": "void", "_selected_action": [str(contract.id)], "filled_in": "yes"}
    browser(order.shop.entity, "auditor").post(page, asked | {"reason": "金额有误"})
    reviewer = browser(order.shop.entity, "disbursement_reviewer")
    assert "reason" in reviewer.post(page, asked | {"reason": ""}).context["form"].errors
    assert order.contract().state == "signing"
    reviewer.post(page, asked | {"reason": "金额有误"})
    assert (order.contract().state, order.contract().void_reason) == ("voided", "金额有误")
