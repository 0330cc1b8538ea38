"""The menus of the back office 客户管理, 业务受理, …, as each person may see them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Unfold's sidebar for this person."""
    return []
