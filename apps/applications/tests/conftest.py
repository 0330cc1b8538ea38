"""Fixtures of the orders' tests."""

from __future__ import annotations

from typing import Any

import pytest

from apps.applications.tests.factories import NOW, Shop, open_shop
from apps.common import clock


@pytest.fixture
def shop(settings: Any, tmp_path: Any) -> Shop:
    settings.ARCHIVE_DIR = tmp_path
    clock.move_to(NOW)
    return open_shop()
