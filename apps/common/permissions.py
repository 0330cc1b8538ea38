"""The second step of every deed: may this person do it?"""

from __future__ import annotations

from typing import Any

from apps.common.errors import NotPermitted


def require(user: Any, permission: str) -> None:
    """Raise `NotPermitted` unless the user's roles allow `permission` (named `context.deed`)."""
    if not user.can(permission):
        raise NotPermitted(permission=permission)
