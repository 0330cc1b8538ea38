from __future__ import annotations

import pytest

from apps.common.models import GatewayCall
from apps.integrations import http


@pytest.fixture(autouse=True)
def closed_circuits():
    """Each test begins with unbroken circuits."""
    http.breaker.cache_clear()
    yield
    http.breaker.cache_clear()


@pytest.fixture
def calls():
    """`calls("sms")` → (operation, outcome) of the recorded calls of a party, oldest first."""
    return lambda party: list(GatewayCall.objects.filter(gateway=party).order_by("id").values_list("operation", "outcome"))
