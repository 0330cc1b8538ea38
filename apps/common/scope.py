"""Who may see which rows: one mechanism for staff, dealers, customers and API clients.

Each model states, per kind of scope, the look-up that leads to its owner (`Scope`); each user has one `DataScope`. A kind that a
model does not state sees nothing: forgetting fails closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from django.db import models

KINDS = ("entity", "dealer", "shop", "consultant", "customer")


@dataclass(frozen=True)
class Scope:
    """Look-ups from a model to its owners, in ORM notation, e.g. `Scope(entity="legal_entity_id", dealer="shop__dealer_id")`.

    `public` rows belong to nobody and are shown to every signed-in person (catalogues, calendars).
    """

    entity: str | None = None
    dealer: str | None = None
    shop: str | None = None
    consultant: str | None = None
    customer: str | None = None
    public: bool = False


@dataclass(frozen=True)
class DataScope:
    """What one person may see: `kind` is `all` (operators of the whole system), `none`, or one of `KINDS` with the owner's id."""

    kind: str
    owner_id: UUID | None = None


NOTHING = DataScope("none")
EVERYTHING = DataScope("all")


class ScopedQuerySet(models.QuerySet[Any]):
    """QuerySet whose lists start at `visible_to(user)`."""

    def visible_to(self, user: Any) -> Self:
        """Rows that the user's `data_scope` covers; none for somebody not signed in."""
        return self.within(getattr(user, "data_scope", NOTHING))

    def within(self, data_scope: DataScope) -> Self:
        """Rows covered by a data scope."""
        scope: Scope = self.model.scope
        if data_scope.kind == "all" or (scope.public and data_scope.kind != "none"):
            return self
        lookup = getattr(scope, data_scope.kind, None) if data_scope.kind in KINDS else None
        if lookup is None or data_scope.owner_id is None:
            return self.none()
        return self.filter(**{lookup: data_scope.owner_id})


def visible(rows: models.QuerySet[Any], user: Any) -> models.QuerySet[Any]:
    """The rows that a user may see; of a kind that states no scope, all for operators of the whole system and none for anybody else."""
    if isinstance(rows, ScopedQuerySet) and hasattr(rows.model, "scope"):
        return rows.visible_to(user)
    return rows if getattr(user, "data_scope", NOTHING) == EVERYTHING else rows.none()
