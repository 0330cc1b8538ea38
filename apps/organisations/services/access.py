"""What several services ask before they act."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext_lazy

from apps.common.actors import Actor
from apps.common.errors import Conflict, NotPermitted


class CodeTaken(Conflict):
    """A code or user name is in use."""

    code = "code_taken"
    title = gettext_lazy("This code or user name is taken. Choose another one.")


def require_operator(actor: Actor) -> None:
    """Deeds across legal entities belong to operators of the whole system and to processes of ours."""
    if actor.data_scope.kind != "all":
        raise NotPermitted


def require_entity(actor: Actor, legal_entity_id: UUID | None) -> None:
    """The row belongs to the actor's legal entity."""
    if actor.data_scope.kind != "all" and (legal_entity_id is None or actor.data_scope.owner_id != legal_entity_id):
        raise NotPermitted
