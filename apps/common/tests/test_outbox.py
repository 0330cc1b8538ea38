import datetime as dt
import threading
import time
from decimal import Decimal
from uuid import uuid4

import pytest
from celery.signals import after_task_publish
from django.db import IntegrityError, connection, transaction
from django.db.utils import DatabaseError
from django.test.utils import CaptureQueriesContext

from apps.common import outbox
from apps.common.models import OutboxDelivery, OutboxMessage, WorkingDay
from apps.common.tests import news

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _quiet():
    news.fail_with.clear()
    news.seen_outside.clear()


def announce(day: dt.date = dt.date(2030, 1, 1)) -> news.HolidayAnnounced:
    story = news.HolidayAnnounced(day=day, amount=Decimal("0.10"), who=uuid4())
    with transaction.atomic():
        outbox.publish(story)
    return story


def make_due() -> None:
    OutboxDelivery.objects.filter(state="waiting").update(due_at=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1))


def test_an_event_survives_its_journey_through_json():
    story = news.HolidayAnnounced(day=dt.date(2030, 2, 3), amount=Decimal("12.30"), who=uuid4(), note=None)
    assert outbox.from_json("common.HolidayAnnounced", outbox.to_json(story)) == story


@pytest.mark.django_db(transaction=True)
def test_publishing_without_a_transaction_is_a_mistake_of_ours():
    with pytest.raises(RuntimeError, match="transaction"):
        outbox.publish(news.HolidayAnnounced(day=dt.date(2030, 1, 1), amount=Decimal(1), who=uuid4()))


@pytest.mark.django_db(transaction=True)
def test_many_deeds_in_a_moment_wake_the_dispatcher_at_their_begin_and_after_their_end():
    woken: list[float] = []

    def count(**_task: object) -> None:
        woken.append(time.monotonic())

    time.sleep(2 * outbox.NUDGES_APART_S)  # whatever was before is over
    after_task_publish.connect(count, sender="apps.common.tasks.dispatch_outbox")
    try:
        began = time.monotonic()
        for number in range(20):
            last = time.monotonic()
            announce(dt.date(2030, 1, 1 + number))
        assert woken
        time.sleep(4 * outbox.NUDGES_APART_S)
    finally:
        after_task_publish.disconnect(count, sender="apps.common.tasks.dispatch_outbox")
    assert woken[-1] >= last
    assert len(woken) <= 2 + (woken[-1] - began) / outbox.NUDGES_APART_S


def test_each_handler_gets_the_news_once_however_often_the_dispatcher_runs():
    story = announce()
    assert outbox.dispatch() == 2
    assert outbox.dispatch() == 0
    assert WorkingDay.objects.filter(day=story.day).count() == 1
    assert news.seen_outside == [story]
    assert set(OutboxDelivery.objects.values_list("state", flat=True)) == {"done"}


def test_many_events_take_as_many_statements_as_one_and_keep_their_order():
    day = dt.date(2030, 1, 1)
    stories = [news.HolidayAnnounced(day=day + dt.timedelta(days=n), amount=Decimal(n), who=uuid4(), note="“节”\\'") for n in range(40)]
    with transaction.atomic(), CaptureQueriesContext(connection) as asked:
        outbox.publish_many(stories)
    with transaction.atomic(), CaptureQueriesContext(connection) as asked_of_one:
        outbox.publish(stories[0])
    assert len(asked) == len(asked_of_one)
    rows = OutboxMessage.objects.order_by("id")
    assert [outbox.from_json(row.name, row.payload) for row in rows] == [*stories, stories[0]]
    assert [row.deliveries.count() for row in rows] == [2] * 41
    assert list(OutboxDelivery.objects.order_by("id").values_list("message_id", flat=True)) == sorted([row.id for row in rows] * 2)


def test_news_of_a_deed_that_is_rolled_back_never_goes_out():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        outbox.publish(news.HolidayAnnounced(day=dt.date(2030, 1, 1), amount=Decimal(1), who=uuid4()))
        raise ZeroDivisionError
    assert not OutboxMessage.objects.exists()
    assert outbox.dispatch() == 0


def test_a_failing_handler_leaves_nothing_behind_and_does_not_stop_the_other():
    news.fail_with.append(ValueError("broken"))
    announce()
    outbox.dispatch()
    waiting = OutboxDelivery.objects.get(state="waiting")
    assert waiting.handler.endswith("on_holiday")
    assert "broken" in waiting.error
    assert waiting.due_at > dt.datetime.now(dt.UTC)
    assert not WorkingDay.objects.exists()
    assert len(news.seen_outside) == 1


def test_a_failed_delivery_is_tried_again_later_and_succeeds():
    news.fail_with.append(ValueError("broken"))
    announce()
    outbox.dispatch()
    make_due()
    assert outbox.dispatch() == 1
    assert WorkingDay.objects.count() == 1
    assert len(news.seen_outside) == 1


def test_a_delivery_that_fails_for_good_stays_visible_and_can_be_retried_by_hand():
    announce()
    for _ in range(outbox.MAX_ATTEMPTS):
        news.fail_with[:] = [ValueError("always")]
        make_due()
        outbox.dispatch()
    failed = OutboxDelivery.objects.get(state="failed")
    assert failed.attempts == outbox.MAX_ATTEMPTS
    assert outbox.dispatch() == 0

    news.fail_with.clear()
    outbox.retry(failed.id)
    make_due()
    assert outbox.dispatch() == 1
    assert WorkingDay.objects.count() == 1


def test_a_handler_that_breaks_a_law_which_speaks_at_the_commit_fails_alone(monkeypatch):
    monkeypatch.setattr(news, "besides", [lambda: OutboxDelivery.objects.create(message_id=10**15, handler="of no message")])
    announce()
    outbox.dispatch()
    waiting = OutboxDelivery.objects.get(state="waiting")
    assert (waiting.attempts, "violates foreign key" in waiting.error) == (1, True)
    assert not WorkingDay.objects.exists()
    assert len(news.seen_outside) == 1


@pytest.mark.django_db(transaction=True)
def test_a_handler_that_loses_its_connection_is_counted_and_holds_up_nobody(monkeypatch):
    def lose_the_connection() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(news, "besides", [lose_the_connection])
    announce()
    assert outbox.dispatch() == 2
    waiting = OutboxDelivery.objects.get(state="waiting")
    assert (waiting.attempts, waiting.error != "") == (1, True)
    assert waiting.due_at > dt.datetime.now(dt.UTC)
    assert len(news.seen_outside) == 1


def test_a_message_is_never_changed():
    announce()
    with pytest.raises(DatabaseError, match="[Cc]annot update"), transaction.atomic():
        OutboxMessage.objects.update(name="other")


def test_one_delivery_per_handler_is_a_law_of_the_database():
    announce()
    delivery = OutboxDelivery.objects.first()
    with pytest.raises(IntegrityError), transaction.atomic():
        OutboxDelivery.objects.create(message=delivery.message, handler=delivery.handler)


@pytest.mark.django_db(transaction=True)
def test_many_dispatchers_at_once_deliver_each_news_once():
    days = [dt.date(2030, 3, 1) + dt.timedelta(days=n) for n in range(20)]
    for day in days:
        announce(day)

    def work() -> None:
        outbox.dispatch()
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outbox.dispatch()
    assert WorkingDay.objects.count() == 20
    assert sorted(story.day for story in news.seen_outside) == days


@pytest.mark.django_db(transaction=True)
def test_a_handler_of_the_outside_world_that_died_is_taken_up_again_after_its_lease():
    announce()
    delivery = OutboxDelivery.objects.get(handler__endswith="outside")
    OutboxDelivery.objects.exclude(pk=delivery.pk).delete()
    OutboxDelivery.objects.filter(pk=delivery.pk).update(attempts=1, due_at=dt.datetime.now(dt.UTC) + outbox.LEASE)
    assert outbox.dispatch() == 0
    make_due()
    assert outbox.dispatch() == 1
    assert len(news.seen_outside) == 1


@pytest.mark.django_db(transaction=True)
def test_a_handler_that_outlived_its_lease_does_not_overwrite_what_came_after():
    announce()
    delivery = OutboxDelivery.objects.get(handler__endswith="outside")
    OutboxDelivery.objects.exclude(pk=delivery.pk).delete()
    delivery.attempts = 1
    OutboxDelivery.objects.filter(pk=delivery.pk).update(attempts=2, state="done")  # somebody took it up and finished
    outbox._fail(delivery, "too late")
    outbox._finish(delivery)
    assert OutboxDelivery.objects.get(pk=delivery.pk).state == "done"
