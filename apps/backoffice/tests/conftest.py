"""Fixtures of the back office's tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.backoffice.tests.factories import House, open_house
from apps.organisations.models import User
from apps.organisations.tests.support import sign_in


@pytest.fixture
def house(db: Any, sandbox: Any, settings: Any, tmp_path: Any) -> House:
    settings.ARCHIVE_DIR = tmp_path
    return open_house()


@pytest.fixture
def at_desk(client: Client) -> Callable[[User], Client]:
    """A client of somebody who has signed in with both factors."""

    def sit(user: User) -> Client:
        fresh = Client()
        sign_in(fresh, user)
        return fresh

    return sit
