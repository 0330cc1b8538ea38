"""The sweep goes on, whatever is wrong with one order."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection

from apps.common import clock
from apps.disbursement import eod, services
from apps.disbursement.models import RepaymentOrder
from apps.disbursement.tests.factories import a_lender, a_loan
from apps.organisations.models import BusinessDay

pytestmark = pytest.mark.django_db


def test_an_order_whose_card_cannot_be_read_does_not_stop_the_others(sandbox):
    lender = a_lender()
    broken, good = a_loan(lender), a_loan(lender)
    day = broken.first_due
    BusinessDay.objects.filter(legal_entity=lender).delete()
    BusinessDay.objects.create(legal_entity=lender, date=day, opened_at=clock.beijing(day))
    now = clock.beijing(day, 12)
    clock.move_to(now)
    assert eod.order_debits(entity_id=lender.id, day=day, partition={}, now=now).done == 2
    with connection.cursor() as cursor:
        cursor.execute("UPDATE customers_bankcard SET number = 'a256gcm:gone:AAAA' WHERE customer_id = %s", [broken.customer.id])
    assert services.sweep_debits(now=now + dt.timedelta(minutes=3)) == 2
    states = dict(RepaymentOrder.objects.values_list("loan_ref", "state"))
    assert states == {broken.id: "created", good.id: "processing"}
