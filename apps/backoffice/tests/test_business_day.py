"""The business day page: steps, how far, where it stopped and why."""

from __future__ import annotations

import pytest

from apps.disbursement.tests.factories import DAY
from apps.organisations.models import BusinessDay, StepRun
from apps.organisations.tests.factories import LegalEntityFactory, UserFactory


@pytest.fixture
def desk(house, at_desk):
    return at_desk(house.staff("entity_admin"))


def page_of(desk, **query):
    response = desk.get("/backoffice/eod/", query)
    assert response.status_code == 200
    return response.content.decode()


def test_before_the_first_close_the_open_day_is_shown(desk):
    assert f"{DAY:%Y-%m-%d}" in page_of(desk)


def test_a_closed_day_shows_its_steps_and_its_job(house, desk):
    house.late_loan()
    house.close_days(1)
    page = page_of(desk)
    assert StepRun.objects.filter(state="done").exists()
    assert "end of the day" in page
    assert 'value="100"' in page


def test_a_day_that_stopped_says_where_and_why(house, desk):
    house.close_days(1)
    run = StepRun.objects.filter(step="accrual").first()
    StepRun.objects.create(
        legal_entity=house.entity, day=run.day, phase="close", step="accrual", partition_no=99, state="waiting", attempts=3
    )
    row = StepRun.objects.get(partition_no=99)
    row.fail()
    row.error = "ZeroDivisionError: division by zero"
    row.save()
    page = page_of(desk)
    assert "ZeroDivisionError" in page
    assert "manage.py eod --date" in page


def test_what_was_set_aside_is_listed(house, desk):
    house.close_days(1)
    StepRun.objects.filter(step="accrual").update(set_aside=[["L-7", "no schedule"]])
    assert "no schedule" in page_of(desk)


def test_queries_do_not_grow_with_the_days(house, desk, django_assert_max_num_queries):
    with django_assert_max_num_queries(14):
        page_of(desk)
    house.close_days(3)
    with django_assert_max_num_queries(14):
        page_of(desk)


def test_the_day_is_run_from_the_page_by_those_who_may(house, at_desk, desk, django_capture_on_commit_callbacks):
    day = BusinessDay.objects.get(legal_entity=house.entity, state="open")
    address = f"/backoffice/eod/{day.id}/run/"
    assert address in page_of(desk, day=day.id)
    assert at_desk(house.staff("auditor")).get("/backoffice/eod/").content.decode().count(address) == 0
    assert at_desk(house.staff("auditor")).post(address).status_code == 403
    with django_capture_on_commit_callbacks() as asked:
        assert desk.post(address).url == f"/backoffice/eod/?day={day.id}"
    assert len(asked) == 1
    house.close_days(1)
    assert address not in page_of(desk, day=day.id)


def test_another_lender_s_day_is_not_run(house, at_desk):
    stranger = UserFactory(legal_entity=LegalEntityFactory(), roles=["entity_admin"])
    day = BusinessDay.objects.get(legal_entity=house.entity, state="open")
    assert at_desk(stranger).post(f"/backoffice/eod/{day.id}/run/").status_code == 404
