import datetime as dt
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.db.utils import DatabaseError
from django_fsm import TransitionNotAllowed

from apps.common import approvals
from apps.common.actors import Actor
from apps.common.errors import NotFound, NotPermitted
from apps.common.models import ChangeRequest, OutboxDelivery, WorkingDay
from apps.common.scope import DataScope
from apps.common.tests import changes

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 20, 6, 0, tzinfo=dt.UTC)
ENTITY = uuid4()


def person(*permissions: str, entity=ENTITY) -> Actor:
    return Actor("staff", "somebody", uuid4(), frozenset(permissions), DataScope("entity", entity))


MAKER = person("organisations.edit", "approvals.check")
CHECKER = person("approvals.check")


def propose(**changed) -> ChangeRequest:
    arguments = {
        "kind": "tests.holiday",
        "legal_entity_id": ENTITY,
        "subject": "calendar",
        "payload": {"day": "2030-05-01"},
        "reason": "announced",
        "actor": MAKER,
        "now": NOW,
    }
    return approvals.propose(**arguments | changed)


def test_a_proposal_shows_its_effect_and_changes_nothing():
    request = propose()
    assert request.preview == {"before": None, "after": "2030-05-01"}
    assert not WorkingDay.objects.exists()


def test_an_approved_proposal_is_executed_once():
    request = propose()
    done = approvals.approve(request_id=request.id, actor=CHECKER, now=NOW)
    assert done.state == "executed"
    assert done.result == {"reference": f"change:{request.id}"}
    assert WorkingDay.objects.count() == 1
    with pytest.raises(TransitionNotAllowed):
        approvals.approve(request_id=request.id, actor=CHECKER, now=NOW)
    assert WorkingDay.objects.count() == 1


def test_nobody_decides_on_an_own_proposal_not_even_by_sql():
    request = propose()
    with pytest.raises(approvals.OwnProposal):
        approvals.approve(request_id=request.id, actor=MAKER, now=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        ChangeRequest.objects.filter(id=request.id).update(checker_id=MAKER.user_id)


def test_a_refused_execution_is_kept_with_its_reason_and_may_be_tried_again():
    WorkingDay.objects.create(day="2030-05-01", is_working=True)
    request = propose()
    failed = approvals.approve(request_id=request.id, actor=CHECKER, now=NOW)
    assert failed.state == "failed"
    assert failed.error == "That day is there already."
    WorkingDay.objects.all().delete()
    assert approvals.approve(request_id=request.id, actor=CHECKER, now=NOW).state == "executed"


def test_a_step_that_the_state_forbids_is_a_refusal_like_any_other(monkeypatch):
    def forbidden() -> None:
        raise TransitionNotAllowed("not now")

    monkeypatch.setattr(changes, "besides", [forbidden])
    failed = approvals.approve(request_id=propose().id, actor=CHECKER, now=NOW)
    assert (failed.state, WorkingDay.objects.exists()) == ("failed", False)
    assert failed.error


@pytest.mark.parametrize(
    ("deed", "failure"),
    [
        (lambda: 1 / 0, ZeroDivisionError),
        (lambda: OutboxDelivery.objects.create(message_id=10**15, handler="of no message"), IntegrityError),  # a law of the commit
    ],
)
def test_a_failure_of_ours_leaves_the_proposal_as_it_was(monkeypatch, deed, failure):
    request = propose()
    monkeypatch.setattr(changes, "besides", [deed])
    with pytest.raises(failure), transaction.atomic():
        approvals.approve(request_id=request.id, actor=CHECKER, now=NOW)
    assert (ChangeRequest.objects.get(id=request.id).state, WorkingDay.objects.exists()) == ("proposed", False)
    monkeypatch.setattr(changes, "besides", [])
    assert approvals.approve(request_id=request.id, actor=CHECKER, now=NOW).state == "executed"


def test_rejecting_needs_a_reason_and_ends_it():
    request = propose()
    with pytest.raises(approvals.ReasonMissing):
        approvals.reject(request_id=request.id, reason=" ", actor=CHECKER, now=NOW)
    assert approvals.reject(request_id=request.id, reason="not yet", actor=CHECKER, now=NOW).state == "rejected"
    with pytest.raises(TransitionNotAllowed):
        approvals.approve(request_id=request.id, actor=CHECKER, now=NOW)


def test_only_the_maker_withdraws():
    request = propose()
    with pytest.raises(NotPermitted):
        approvals.withdraw(request_id=request.id, actor=CHECKER, now=NOW)
    assert approvals.withdraw(request_id=request.id, actor=MAKER, now=NOW).state == "withdrawn"


def test_another_legal_entity_cannot_even_find_it():
    request = propose()
    with pytest.raises(NotFound):
        approvals.approve(request_id=request.id, actor=person("approvals.check", entity=uuid4()), now=NOW)


def test_permissions_and_reasons_are_asked_of_the_maker():
    with pytest.raises(NotPermitted):
        propose(actor=person("approvals.check"))
    with pytest.raises(approvals.ReasonMissing):
        propose(reason="")
    with pytest.raises(approvals.UnknownKind):
        propose(kind="tests.unknown")


def test_larger_sums_ask_a_higher_permission():
    kind = approvals.Kind("x", "a", "check", "p", "e", matrix=((Decimal(1000), "check.large"), (Decimal(50000), "check.huge")))
    assert kind.checker_permission(None) == "check"
    assert kind.checker_permission(Decimal("999.99")) == "check"
    assert kind.checker_permission(Decimal(1000)) == "check.large"
    assert kind.checker_permission(Decimal(60000)) == "check.huge"


def test_the_database_refuses_an_illegal_jump():
    request = propose()
    with pytest.raises(DatabaseError, match="[Ii]nvalid"), transaction.atomic():
        ChangeRequest.objects.filter(id=request.id).update(state="executed")
