"""The workbench: one queue, claimed once, the urgent ones first."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import translation

from apps.backoffice import queue
from apps.disbursement.tests.factories import NOON
from apps.flows import selectors as flows


def text(response):
    return response.content.decode()


def test_the_most_urgent_case_is_the_next_one(house, at_desk):
    first, second = house.order_in_review(910), house.order_in_review(911)
    reviewer = house.staff("credit_reviewer")
    desk = at_desk(reviewer)
    page = text(desk.get("/backoffice/workbench/"))
    assert page.index(first.number) < page.index(second.number)
    assert desk.post("/backoffice/workbench/next/").url == f"/backoffice/review/{first.id}/"
    assert flows.task_for("application", first.id, "credit_review").claimed_by_id == reviewer.id
    assert desk.post("/backoffice/workbench/next/").url == f"/backoffice/review/{second.id}/"
    assert desk.post("/backoffice/workbench/next/").url == "/backoffice/workbench/"


def test_a_task_is_claimed_once(house, at_desk):
    order = house.order_in_review()
    task = flows.task_for("application", order.id, "credit_review")
    one, other = at_desk(house.staff("credit_reviewer")), at_desk(house.staff("credit_reviewer"))
    assert one.post(f"/backoffice/workbench/{task.id}/claim/").url == f"/backoffice/review/{order.id}/"
    assert other.post(f"/backoffice/workbench/{task.id}/claim/").status_code == 409
    assert order.number in text(other.get("/backoffice/workbench/"))


def test_a_task_handed_back_waits_for_somebody_else(house, at_desk):
    order = house.order_in_review()
    task = flows.task_for("application", order.id, "credit_review")
    one, other = at_desk(house.staff("credit_reviewer")), at_desk(house.staff("credit_reviewer"))
    one.post(f"/backoffice/workbench/{task.id}/claim/")
    assert other.post(f"/backoffice/workbench/{task.id}/hand-back/").status_code == 403
    one.post(f"/backoffice/workbench/{task.id}/hand-back/", {"reason": "lunch"})
    assert flows.task_for("application", order.id, "credit_review").state == "waiting"


def test_people_see_the_tasks_of_their_role(house, at_desk):
    order, payment = house.order_in_review(), house.payment()
    task = flows.task_for("application", order.id, "credit_review")
    payer = at_desk(house.staff("disbursement_reviewer"))
    page = text(payer.get("/backoffice/workbench/"))
    assert payment.application.number in page
    assert order.number not in page
    assert payer.post(f"/backoffice/workbench/{task.id}/claim/").status_code == 404
    assert payer.post("/backoffice/workbench/next/").url == f"/backoffice/disbursement/{payment.disbursement.id}/"


def test_nobody_claims_an_order_of_their_own(house, at_desk):
    order = house.order_in_review()
    reviewer = house.staff("credit_reviewer")
    type(order).objects.filter(id=order.id).update(created_by=reviewer)
    task = flows.task_for("application", order.id, "credit_review")
    assert at_desk(reviewer).post(f"/backoffice/workbench/{task.id}/claim/").status_code == 403


def test_the_queue_takes_the_same_queries_for_one_and_for_many(house, at_desk, django_assert_max_num_queries):
    desk = at_desk(house.staff("credit_reviewer"))
    house.order_in_review(910)
    with django_assert_max_num_queries(14):
        desk.get("/backoffice/workbench/")
    for serial in (911, 912, 913):
        house.order_in_review(serial)
    with django_assert_max_num_queries(14):
        desk.get("/backoffice/workbench/")


@pytest.mark.parametrize(
    ("minutes", "tone", "left"),
    [(39, "ok", 39 * 60), (15, "ok", 15 * 60), (14, "warn", 14 * 60), (0, "warn", 0), (-4, "overdue", -4 * 60)],
)
def test_a_deadline_is_green_then_amber_under_a_quarter_then_red(minutes, tone, left):
    sla = queue.sla_of(NOON + dt.timedelta(minutes=minutes), NOON)
    assert (sla.tone, sla.seconds_left) == (tone, left)


def test_spans_read_as_people_say_them():
    with translation.override("en"):
        spans = [queue.span(seconds) for seconds in (59, 39 * 60, 125 * 60, 76 * 3600)]
    assert spans == ["0 min", "39 min", "2 h 05 min", "3 d 4 h"]
