"""What is deleted at night, and what never is."""

import datetime as dt

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.common import clock, purge, tasks
from apps.common.models import IdempotencyRecord, OutboxDelivery, OutboxMessage

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 20, 4, 0, tzinfo=dt.UTC)


def days(number: float) -> dt.datetime:
    return NOW - dt.timedelta(days=number)


def answers(count, at):
    IdempotencyRecord.objects.bulk_create(
        IdempotencyRecord(owner="u", key=f"{at:%d%H%M}-{n}", digest="d", status=200, created_at=at) for n in range(count)
    )


def news(at, *states):
    message = OutboxMessage.objects.create(name="x.Happened", payload={}, created_at=at)
    for state in states:
        OutboxDelivery.objects.create(message=message, handler=f"h{OutboxDelivery.objects.count()}", state=state)
    return message


def test_answers_to_repeated_requests_are_kept_a_week():
    answers(2, days(7.1))
    answers(3, days(6.9))
    assert purge.purge(now=NOW)["idempotency"] == 2
    assert IdempotencyRecord.objects.count() == 3


def test_handled_news_goes_and_unhandled_news_stays_however_old():
    news(days(91), "done", "done")
    news(days(91))  # heard by nobody
    kept = [news(days(89), "done"), news(days(400), "done", "failed"), news(days(400), "waiting")]
    assert purge.purge(now=NOW)["outbox"] == 2
    assert list(OutboxMessage.objects.order_by("id")) == kept
    assert OutboxDelivery.objects.count() == 4


def test_dead_sessions_go():
    for key, end in (("dead", -1), ("alive", 1)):
        Session.objects.create(session_key=key, session_data="", expire_date=dt.datetime.now(dt.UTC) + dt.timedelta(hours=end))
    purge.purge(now=NOW)
    assert list(Session.objects.values_list("session_key", flat=True)) == ["alive"]


def test_a_night_is_bounded_and_the_next_one_goes_on():
    answers(25, days(8))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert purge.purge(now=NOW, batch_rows=10, batches=2)["idempotency"] == 20
    assert len([query for query in queries if "DELETE" in query["sql"] and "idempotency" in query["sql"]]) == 2
    assert purge.purge(now=NOW, batch_rows=10, batches=2)["idempotency"] == 5


def test_days_are_those_of_the_settings(settings):
    settings.KEEP_DAYS = {**settings.KEEP_DAYS, "idempotency": 30}
    answers(1, days(20))
    assert purge.purge(now=NOW)["idempotency"] == 0


def test_the_nightly_task_runs_by_the_project_s_clock():
    answers(1, clock.now() - dt.timedelta(days=8))
    assert tasks.purge_expired()["idempotency"] == 1
