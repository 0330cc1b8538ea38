"""Home: per role, with figures of the own entity only."""

from __future__ import annotations

from decimal import Decimal

from apps.backoffice.home import home_of
from apps.disbursement import services as disbursement
from apps.disbursement.tests.factories import NOON, staff


def figures(home):
    return {str(figure.name): figure.value for figure in home.figures}


def test_a_reviewer_sees_cases_and_orders_but_no_money(house):
    house.order_in_review()
    home = home_of(house.staff("credit_reviewer"))
    assert [pile.count for pile in home.waiting] == [1]
    assert home.waiting[0].sla.tone in {"ok", "warn", "overdue"}
    assert len(home.figures) == 2
    assert home.figures[0].value == "1"
    assert (home.lamps, home.buckets) == ((), ())


def test_finance_sees_money_of_today(house):
    house.late_loan()
    payment = house.payment()
    disbursement.review_disbursement(
        disbursement_id=payment.disbursement.id,
        outcome="approve",
        reason="",
        actor=staff(house.entity, "disbursement.review"),
        now=NOON,
    )
    house.proposal(house.staff("finance"))
    home = home_of(house.staff("finance"))
    values = [figure.value for figure in home.figures]
    assert "114,400.70" in values  # principal outstanding
    assert "3,999.93" in values  # overdue
    assert [bucket.count for bucket in home.buckets] == [0, 1, 0, 0, 0]
    assert home.buckets[1].amount == Decimal("114400.70")
    assert [pile.count for pile in home.waiting] == [1]  # the proposal of a colleague


def test_an_administrator_sees_how_the_system_stands(house):
    lamps = home_of(house.staff("entity_admin")).lamps
    assert lamps[0].tone == "ok"
    assert len(lamps) == 3


def test_nothing_waits_for_an_auditor(house, at_desk):
    house.order_in_review()
    auditor = house.staff("auditor")
    assert home_of(auditor).waiting == ()
    assert at_desk(auditor).get("/backoffice/").status_code == 200


def test_queries_are_bounded(house, at_desk, django_assert_max_num_queries):
    house.late_loan()
    desk = at_desk(house.staff("finance", "credit_reviewer", "entity_admin", "disbursement_reviewer", "collector"))
    with django_assert_max_num_queries(32):
        desk.get("/backoffice/")
    for serial in (910, 911):
        house.order_in_review(serial)
    with django_assert_max_num_queries(32):
        desk.get("/backoffice/")
