import pghistory
import pytest

from apps.common.actors import Actor
from apps.common.audit import recorded_as
from apps.common.models import Job

pytestmark = pytest.mark.django_db


def events():
    return list(pghistory.models.Events.objects.tracks(Job.objects.get()).order_by("pgh_created_at"))


def make_job() -> Job:
    return Job.objects.create(kind="x", actor="a", started_at="2026-01-01T00:00Z")


def test_every_change_is_recorded_with_who_and_why_also_by_bulk_sql():
    with recorded_as(Actor("staff", "finance"), reason="month end", request="r1"):
        make_job()
    with recorded_as(Actor.system("sweep")):
        Job.objects.update(kind="y")
    first, second = events()
    assert first.pgh_label == "insert"
    assert first.pgh_context == {"actor": "staff:finance", "reason": "month end", "request": "r1"}
    assert second.pgh_label == "update"
    assert second.pgh_diff["kind"] == ["x", "y"]
    assert second.pgh_context["actor"] == "system:sweep"


def test_a_change_without_context_is_recorded_all_the_same():
    make_job()
    assert [event.pgh_label for event in events()] == ["insert"]
