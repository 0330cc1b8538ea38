"""Who does a deed: passed to every service as `actor`, written into every record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class Actor:
    """`kind` is `staff`, `dealer`, `customer`, `client` (a partner system) or `system`; `label` is safe to show and to log."""

    kind: str
    label: str
    user_id: UUID | None = None

    @classmethod
    def of(cls, user: Any) -> Actor:
        """The actor that a signed-in user is."""
        return cls(kind=user.kind, label=user.actor_label, user_id=user.id)

    @classmethod
    def system(cls, label: str) -> Actor:
        """A process of ours acting by itself, e.g. `Actor.system("eod")`."""
        return cls(kind="system", label=label)

    def __str__(self) -> str:
        return f"{self.kind}:{self.label}"
