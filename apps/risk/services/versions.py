"""Decision flow versions: written, tested, handed over, published by somebody else, rolled back."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext_lazy as _
from django_fsm import TransitionNotAllowed

from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict, NotFound, NotPermitted
from apps.common.outbox import publish
from apps.risk.domain.engine import Flow
from apps.risk.domain.jdm import BadFlow
from apps.risk.domain.samples import sample_cases
from apps.risk.events import DecisionFlowWentLive
from apps.risk.models import DecisionFlowVersion
from apps.risk.services.evaluation import digest_of

SHIPPED_DIR: Final = Path(__file__).parent.parent / "flows"
SHIPPED: Final = Actor.system("risk.shipped")
State = DecisionFlowVersion.State


class NoSuchVersion(NotFound):
    """No such version, or it is not this person's to see."""

    code = "flow_version_not_found"
    title = _("There is no such version of the decision flow.")


class VersionWrongState(Conflict):
    """The version's state does not allow the deed."""

    code = "flow_version_wrong_state"
    title = _("The version's present state does not allow this.")


class FlowNotSound(BadInput):
    """A flow that must not decide; `fields["definition"]` names every place."""

    code = "flow_not_sound"
    title = _("The decision flow has mistakes.")


class OwnVersion(NotPermitted):
    """Whoever wrote or handed over a version wanted to publish it."""

    code = "own_flow_version"
    title = _("Somebody else has to publish your version.")


@transaction.atomic
def create_version(
    *,
    flow_code: str,
    legal_entity_id: UUID,
    definition: Mapping[str, Any],
    test_cases: list[dict[str, Any]],
    actor: Actor,
    now: dt.datetime,
    note: str = "",
) -> DecisionFlowVersion:
    """A new draft, numbered after the newest. Test cases: `{"name", "values": {field: value}, "outcome"}`. Raises `FlowNotSound`."""
    actor.require("risk.edit")
    _in_scope(actor, legal_entity_id)
    siblings = DecisionFlowVersion.objects.filter(flow_code=flow_code, legal_entity_id=legal_entity_id)
    list(siblings.select_for_update().values_list("id", flat=True))
    newest = siblings.aggregate(newest=Max("version"))["newest"] or 0
    return DecisionFlowVersion.objects.create(
        legal_entity_id=legal_entity_id,
        flow_code=flow_code,
        version=newest + 1,
        definition=definition,
        reads=list(_checked(definition).reads),
        test_cases=test_cases,
        digest=digest_of(definition),
        note=note,
        author=str(actor)[:100],
        author_ref=actor.user_id,
    )


@transaction.atomic
def change_version(
    *, version_id: UUID, definition: Mapping[str, Any], test_cases: list[dict[str, Any]], actor: Actor, now: dt.datetime
) -> DecisionFlowVersion:
    """Put another definition into a draft; whoever does becomes its author. Raises `VersionWrongState`, `FlowNotSound`."""
    version = _locked(version_id, actor)
    actor.require("risk.edit")
    if version.state != State.DRAFT:
        raise VersionWrongState(_("Only a draft can be changed."))
    version.definition, version.test_cases = definition, test_cases
    version.reads, version.digest = list(_checked(definition).reads), digest_of(definition)
    version.author, version.author_ref = str(actor)[:100], actor.user_id
    version.save()
    return version


@transaction.atomic
def check_version(*, version_id: UUID, actor: Actor, now: dt.datetime) -> DecisionFlowVersion:
    """Compile every cell and run the stored test cases; sound versions are `tested`. Raises `FlowNotSound`, `VersionWrongState`."""
    version = _locked(version_id, actor)
    actor.require("risk.edit")
    run_test_cases(version)
    return _move(version, "test")


def run_test_cases(version: DecisionFlowVersion) -> None:
    """Check the definition and its stored cases. Raises `FlowNotSound`, naming every case that came out otherwise."""
    flow = _checked(version.definition)
    if not version.test_cases:
        raise FlowNotSound(fields={"test_cases": [str(_("At least one test case is needed."))]})
    wrong = []
    for case in version.test_cases:
        outcome = flow.decide(case["values"]).outcome
        if outcome != case["outcome"]:
            wrong.append(
                str(
                    _("Case “%(name)s” comes out as %(outcome)s instead of %(expected)s.")
                    % {"name": case["name"], "outcome": outcome, "expected": case["outcome"]}
                )
            )
    if wrong:
        raise FlowNotSound(_("Test cases of the flow do not pass."), fields={"test_cases": wrong})


@transaction.atomic
def submit_version(*, version_id: UUID, actor: Actor, now: dt.datetime) -> DecisionFlowVersion:
    """Hand a tested version over for publishing. Raises `VersionWrongState`."""
    version = _locked(version_id, actor)
    actor.require("risk.edit")
    version.submitter, version.submitter_ref = str(actor)[:100], actor.user_id
    return _move(version, "submit")


@transaction.atomic
def take_back_version(*, version_id: UUID, actor: Actor, now: dt.datetime) -> DecisionFlowVersion:
    """Make a tested or submitted version a draft again. Raises `VersionWrongState`."""
    version = _locked(version_id, actor)
    actor.require("risk.edit")
    return _move(version, "take_back")


@transaction.atomic
def publish_version(*, version_id: UUID, actor: Actor, now: dt.datetime) -> DecisionFlowVersion:
    """Let a submitted version decide from now on, promote the gray one, or roll back to a retired one; the present one retires.

    Raises `OwnVersion` (nobody publishes own work), `FlowNotSound`, `VersionWrongState`.
    """
    version = _locked(version_id, actor)
    actor.require("risk.publish")
    _not_own(version, actor)
    run_test_cases(version)
    if version.state not in (State.SUBMITTED, State.GRAY, State.RETIRED):
        raise VersionWrongState
    present = _siblings(version).select_for_update().filter(state=State.LIVE).first()
    if present is not None:
        _move(present, "retire")
    version.publisher, version.live_at, version.gray_share_bp = str(actor)[:100], now, 0
    _move(version, "go_live")
    publish(DecisionFlowWentLive(flow_code=version.flow_code, legal_entity_id=version.legal_entity_id, version=version.version))
    return version


@transaction.atomic
def start_gray(*, version_id: UUID, share_bp: int, actor: Actor, now: dt.datetime) -> DecisionFlowVersion:
    """Let a submitted version decide a share of the requests (basis points, 1 to 10,000). Raises as `publish_version`."""
    version = _locked(version_id, actor)
    actor.require("risk.publish")
    _not_own(version, actor)
    if not 0 < share_bp <= 10_000:
        raise BadInput(fields={"share_bp": [str(_("A share between 0.01 % and 100 %."))]})
    run_test_cases(version)
    if _siblings(version).filter(state=State.GRAY).exists():
        raise VersionWrongState(_("Another version is in gray release."))
    version.publisher, version.gray_share_bp = str(actor)[:100], share_bp
    return _move(version, "start_gray")


@transaction.atomic
def retire_version(*, version_id: UUID, actor: Actor, now: dt.datetime) -> DecisionFlowVersion:
    """Take a gray version, or the live one, out of use. Without a live version every decision is a review. Raises `VersionWrongState`."""
    version = _locked(version_id, actor)
    actor.require("risk.publish")
    return _move(version, "retire")


@transaction.atomic
def install_shipped_flows(*, legal_entity_id: UUID, actor: Actor, now: dt.datetime) -> int:
    """Bring the flows that ship with the project to a legal entity; returns how many were added. Safe to repeat.

    Their author is the project; `actor` publishes them. Where the entity has a live version already, the new one waits, submitted.
    """
    actor.require("risk.publish")
    _in_scope(actor, legal_entity_id)
    added = 0
    for path in sorted(SHIPPED_DIR.glob("*.json")):
        definition = json.loads(path.read_text(encoding="utf-8"))
        siblings = DecisionFlowVersion.objects.filter(flow_code=path.stem, legal_entity_id=legal_entity_id)
        if siblings.filter(digest=digest_of(definition)).exists():
            continue
        version = create_version(
            flow_code=path.stem,
            legal_entity_id=legal_entity_id,
            definition=definition,
            test_cases=sample_cases(_checked(definition).reads),
            actor=SHIPPED,
            now=now,
            note="shipped",
        )
        check_version(version_id=version.id, actor=SHIPPED, now=now)
        submit_version(version_id=version.id, actor=SHIPPED, now=now)
        if not siblings.filter(state=State.LIVE).exists():
            publish_version(version_id=version.id, actor=actor, now=now)
        added += 1
    return added


def _checked(definition: Mapping[str, Any]) -> Flow:
    try:
        return Flow(definition)
    except BadFlow as error:
        raise FlowNotSound(fields={"definition": error.problems}) from None


def _locked(version_id: UUID, actor: Actor) -> DecisionFlowVersion:
    found = DecisionFlowVersion.objects.within(actor.data_scope).select_for_update().filter(id=version_id).first()
    if found is None:
        raise NoSuchVersion
    version: DecisionFlowVersion = found
    return version


def _move(version: DecisionFlowVersion, deed: str) -> DecisionFlowVersion:
    try:
        getattr(version, deed)()
    except TransitionNotAllowed:
        raise VersionWrongState from None
    version.save()
    return version


def _siblings(version: DecisionFlowVersion) -> Any:
    return DecisionFlowVersion.objects.filter(flow_code=version.flow_code, legal_entity_id=version.legal_entity_id).exclude(id=version.id)


def _not_own(version: DecisionFlowVersion, actor: Actor) -> None:
    if str(actor) in (version.author, version.submitter) or (
        actor.user_id is not None and actor.user_id in (version.author_ref, version.submitter_ref)
    ):
        raise OwnVersion


def _in_scope(actor: Actor, legal_entity_id: UUID) -> None:
    scope = actor.data_scope
    if scope.kind != "all" and (scope.kind != "entity" or scope.owner_id != legal_entity_id):
        raise NotPermitted
