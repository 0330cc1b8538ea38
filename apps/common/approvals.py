"""Maker-checker, once for every context: a proposal with preview, decided by another person, executed exactly once.

A context registers its kinds in `AppConfig.ready`, with the permissions of maker and checker; its `matrix` asks a higher permission
of the checker from given amounts on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from apps.common.actors import Actor
from apps.common.errors import BadInput, NotFound, NotPermitted, anticipate
from apps.common.models import ChangeRequest


class UnknownKind(BadInput):
    """No context registered this kind of change."""

    code = "unknown_change_kind"
    title = _("This kind of change is not known.")


class OwnProposal(NotPermitted):
    """The maker tried to decide."""

    code = "own_proposal"
    title = _("Somebody else has to decide on your proposal.")


class ReasonMissing(BadInput):
    """A proposal or a refusal came without its reason."""

    code = "reason_missing"
    title = _("Please give a reason.")


@dataclass(frozen=True)
class Kind:
    """What a context registers.

    `preview(payload, now) -> dict` changes nothing; `execute(payload, actor, now, reference) -> dict` does it; `give_back(payload,
    maker, now)`, where there is one, is told of a proposal that was refused or withdrawn.
    """

    name: str
    propose_permission: str
    check_permission: str
    preview: str
    execute: str
    matrix: tuple[tuple[Decimal, str], ...] = ()
    give_back: str = ""

    def checker_permission(self, amount: Decimal | None) -> str:
        """Permission that a checker of `amount` CNY needs: that of the highest matrix step reached, else `check_permission`."""
        reached = [permission for least, permission in self.matrix if amount is not None and amount >= least]
        return reached[-1] if reached else self.check_permission


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Make a kind of change known; functions are dotted paths."""
    _kinds[kind.name] = kind


def kind_named(name: str) -> Kind:
    """The registered kind. Raises `UnknownKind`."""
    try:
        return _kinds[name]
    except KeyError:
        raise UnknownKind(kind=name) from None


@transaction.atomic
def propose(
    *,
    kind: str,
    legal_entity_id: UUID,
    subject: str,
    payload: dict[str, Any],
    reason: str,
    actor: Actor,
    now: dt.datetime,
    amount: Decimal | None = None,
) -> ChangeRequest:
    """Write down a proposal with its preview. Raises what the preview raises: an impossible change is never proposed."""
    known = kind_named(kind)
    actor.require(known.propose_permission)
    if not reason.strip():
        raise ReasonMissing
    if actor.user_id is None:
        raise NotPermitted(_("A proposal needs a person."))
    return ChangeRequest.objects.create(
        legal_entity_id=legal_entity_id,
        kind=kind,
        subject=subject,
        amount=amount,
        payload=payload,
        preview=_function(known.preview)(payload, now),
        reason=reason.strip(),
        maker_id=actor.user_id,
        maker=str(actor),
        proposed_at=now,
    )


@transaction.atomic
def approve(*, request_id: UUID, actor: Actor, now: dt.datetime, note: str = "") -> ChangeRequest:
    """Decide yes and execute, both or neither: a failure of ours leaves the proposal as it was.

    An execution that is refused leaves the request `failed` with the reason; the checker may try again later.
    """
    request = _locked(request_id, actor)
    if request.state == ChangeRequest.State.FAILED:
        request.try_again()
    else:
        request.approve()
    _decided(request, actor, now, note)
    request.save()
    _execute(request, actor, now)
    request.save()
    return request


def _execute(request: ChangeRequest, actor: Actor, now: dt.datetime) -> None:
    try:
        with transaction.atomic():
            request.result = _function(kind_named(request.kind).execute)(request.payload, actor, now, f"change:{request.id}")
            connection.check_constraints()  # laws that speak only at the commit speak here
    except Exception as error:
        refused = anticipate(error)
        if refused is None:
            raise
        request.error = refused.detail
        request.fail()
    else:
        request.error = ""
        request.execute()


@transaction.atomic
def reject(*, request_id: UUID, reason: str, actor: Actor, now: dt.datetime) -> ChangeRequest:
    """Decide no, with the reason."""
    if not reason.strip():
        raise ReasonMissing
    request = _locked(request_id, actor)
    request.reject()
    _decided(request, actor, now, reason.strip())
    request.save()
    _give_back(request, now)
    return request


@transaction.atomic
def withdraw(*, request_id: UUID, actor: Actor, now: dt.datetime) -> ChangeRequest:
    """The maker takes the proposal back."""
    request = _find(request_id, actor)
    if request.maker_id != actor.user_id:
        raise NotPermitted(_("Only the person who proposed it can take it back."))
    request.withdraw()
    request.decided_at = now
    request.save()
    _give_back(request, now)
    return request


def _give_back(request: ChangeRequest, now: dt.datetime) -> None:
    if path := kind_named(request.kind).give_back:
        _function(path)(request.payload, request.maker, now)


def _find(request_id: UUID, actor: Actor) -> ChangeRequest:
    request = ChangeRequest.objects.within(actor.data_scope).select_for_update().filter(id=request_id).first()
    if request is None:
        raise NotFound
    return request


def _locked(request_id: UUID, actor: Actor) -> ChangeRequest:
    request = _find(request_id, actor)
    actor.require(kind_named(request.kind).checker_permission(request.amount))
    if request.maker_id == actor.user_id:
        raise OwnProposal
    return request


def _decided(request: ChangeRequest, actor: Actor, now: dt.datetime, note: str) -> None:
    request.checker_id, request.checker, request.decided_at, request.note = actor.user_id, str(actor), now, note


def _function(path: str) -> Callable[..., Any]:
    return import_string(path)
