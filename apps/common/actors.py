"""Who does a deed: passed to every service as `actor`, written into every record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.common.errors import NotPermitted
from apps.common.scope import EVERYTHING, NOTHING, DataScope


@dataclass(frozen=True)
class Actor:
    """`kind` is `staff`, `dealer`, `customer`, `client` (a partner system) or `system`; `label` is safe to show and to log."""

    kind: str
    label: str
    user_id: UUID | None = None
    permissions: frozenset[str] = frozenset()
    data_scope: DataScope = NOTHING

    @classmethod
    def of(cls, user: Any) -> Actor:
        """The actor that a signed-in user is."""
        return cls(kind=user.kind, label=user.actor_label, user_id=user.id, permissions=user.permissions, data_scope=user.data_scope)

    @classmethod
    def system(cls, label: str) -> Actor:
        """A process of ours acting by itself, e.g. `Actor.system("eod")`."""
        return cls(kind="system", label=label, data_scope=EVERYTHING)

    def require(self, permission: str) -> None:
        """The second step of a deed: raise `NotPermitted` unless the actor may do it (named `context.deed`). Our own processes may."""
        if self.kind != "system" and permission not in self.permissions:
            raise NotPermitted(permission=permission)

    def __str__(self) -> str:
        return f"{self.kind}:{self.label}"
