import datetime as dt
import threading

import pytest
from django.db import connection

from apps.common import calendar, clock
from apps.common.models import ClockOffset, OutboxMessage, WorkingDay
from apps.common.numbers import next_number

pytestmark = pytest.mark.django_db


def test_the_clock_is_the_wall_clock_until_it_is_moved():
    assert abs(clock.now() - dt.datetime.now(dt.UTC)) < dt.timedelta(seconds=20)


def test_a_moved_clock_runs_on_and_is_the_same_in_python_and_in_the_database():
    clock.move_to(clock.beijing(dt.date(2029, 12, 31), 23, 59))
    assert clock.local_date(clock.now()) == dt.date(2029, 12, 31)
    row = OutboxMessage.objects.create(name="x", payload={})
    assert abs(row.created_at - clock.now()) < dt.timedelta(seconds=20)
    clock.move_to(clock.beijing(dt.date(2030, 1, 2)))
    assert clock.local_date(clock.now()) == dt.date(2030, 1, 2)
    assert ClockOffset.objects.count() == 1


def test_the_clock_of_production_cannot_be_moved(settings):
    settings.CLOCK_MOVABLE = False
    with pytest.raises(RuntimeError, match="not movable"):
        clock.move_to(dt.datetime(2030, 1, 1, tzinfo=dt.UTC))


def test_a_naive_moment_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        clock.move_to(dt.datetime(2030, 1, 1))  # noqa: DTZ001  (the point of the test)


def test_the_local_day_begins_at_midnight_in_beijing():
    assert clock.local_date(dt.datetime(2026, 1, 1, 15, 59, tzinfo=dt.UTC)) == dt.date(2026, 1, 1)
    assert clock.local_date(dt.datetime(2026, 1, 1, 16, 0, tzinfo=dt.UTC)) == dt.date(2026, 1, 2)


def test_announced_holidays_and_worked_weekends_go_before_the_weekend_rule():
    assert calendar.is_working_day(dt.date(2026, 10, 1))
    calendar.import_announced(2026)
    assert not calendar.is_working_day(dt.date(2026, 10, 1))
    assert calendar.is_working_day(dt.date(2026, 10, 10)) is True  # a Saturday worked for the holiday
    assert calendar.next_working_day(dt.date(2026, 10, 1)) == dt.date(2026, 10, 8)


def test_importing_a_year_twice_changes_nothing_and_a_year_not_announced_says_so():
    assert calendar.import_announced(2026) == calendar.import_announced(2026)
    with pytest.raises(ValueError, match="not announced"):
        calendar.import_announced(2099)
    assert not WorkingDay.objects.filter(day__year=2099).exists()
    assert not calendar.is_working_day(dt.date(2099, 1, 3))  # a Saturday, by the rule


def test_numbers_carry_prefix_and_day_and_never_repeat():
    first, second = (next_number("TT", dt.date(2026, 11, 20), separator="-") for _ in range(2))
    assert first.startswith("TT20261120-")
    assert len(first) == len("TT20261120-000482")
    assert first < second
    with pytest.raises(ValueError, match="prefix"):
        next_number("tt'; drop", dt.date(2026, 11, 20))


@pytest.mark.django_db(transaction=True)
def test_numbers_taken_at_once_differ_also_when_the_series_is_new():
    taken: list[str] = []

    def take() -> None:
        taken.extend(next_number("ZQ", dt.date(2026, 11, 20)) for _ in range(20))
        connection.close()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 80
