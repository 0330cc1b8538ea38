"""A shop floor, and people at their browsers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.test import Client

from apps.organisations.models import User
from apps.organisations.tests.support import sign_in
from apps.portal.tests.factories import Floor, open_floor


@pytest.fixture(scope="module")
def open_shop_floor(module_db, module_sandbox) -> Floor:
    return open_floor(None)


@pytest.fixture
def floor(open_shop_floor, db, sandbox) -> Floor:
    """The module's floor; what a test does on it is gone afterwards."""
    return replace(open_shop_floor, sandbox=sandbox)


@pytest.fixture
def browser_of() -> Callable[[User], Client]:
    """A browser in which somebody has signed in; its forms need no token."""

    def open_browser(user: User) -> Client:
        client = Client(headers={"Accept-Language": "en"})
        sign_in(client, user)
        return client

    return open_browser


@pytest.fixture
def seller(floor, browser_of) -> Client:
    """The consultant's browser."""
    return browser_of(floor.seller)


@pytest.fixture
def visitor() -> Client:
    """The browser of somebody who is nobody here."""
    return Client(headers={"Accept-Language": "en"})
