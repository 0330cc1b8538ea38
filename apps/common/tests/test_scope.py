from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser

from apps.common.models import Job, OutboxMessage
from apps.common.scope import EVERYTHING, NOTHING, DataScope, visible

pytestmark = pytest.mark.django_db


@pytest.fixture
def jobs():
    entities = uuid4(), uuid4()
    for entity in entities:
        Job.objects.create(kind="x", actor="a", legal_entity_id=entity, started_at="2026-01-01T00:00Z")
    return entities


def test_each_entity_sees_its_own(jobs):
    mine, other = jobs
    assert [job.legal_entity_id for job in Job.objects.within(DataScope("entity", mine))] == [mine]
    assert Job.objects.within(EVERYTHING).count() == 2


@pytest.mark.parametrize(
    "scope", [NOTHING, DataScope("entity", None), DataScope("dealer", uuid4()), DataScope("pk", uuid4()), DataScope("customer", uuid4())]
)
def test_what_a_model_does_not_state_is_not_seen(jobs, scope: DataScope):
    assert not Job.objects.within(scope).exists()


def test_somebody_not_signed_in_sees_nothing(jobs):
    assert not Job.objects.all().visible_to(AnonymousUser()).exists()


@pytest.mark.parametrize(("data_scope", "seen"), [(EVERYTHING, 1), (DataScope("entity", uuid4()), 0), (NOTHING, 0)])
def test_rows_that_state_no_scope_are_for_operators_alone(data_scope, seen):
    OutboxMessage.objects.create(name="Something", payload={})
    assert visible(OutboxMessage.objects.all(), SimpleNamespace(data_scope=data_scope)).count() == seen
