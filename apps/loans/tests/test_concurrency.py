"""Many deeds on one loan at the same moment."""

from __future__ import annotations

import datetime as dt
import threading
from decimal import Decimal

import pytest
from django.db import connection, transaction

from apps.loans import selectors
from apps.loans.models import LoanTransaction
from apps.loans.tests.factories import START, a_lender, a_loan, assert_sound, books, close_through, pay, run_end_of_day

DUE_1 = dt.date(2025, 2, 20)
D = Decimal


@pytest.mark.django_db(transaction=True)
def test_twenty_repayments_at_once_are_right_to_the_cent():
    entity = a_lender()
    loan = a_loan(entity)
    close_through(entity, dt.date(2025, 2, 19))
    errors = []

    def one(number):
        try:
            pay(loan, "301.37", DUE_1, f"debit-{number % 20}")
        except Exception as error:  # noqa: BLE001  (whatever it is, the test shows it)
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert LoanTransaction.objects.filter(kind="repayment").count() == 20
    brief = selectors.loan_brief(loan.id)
    assert brief.credit == 20 * D("301.37") - D("5596.86")
    assert brief.principal_outstanding == D("115858.92")
    assert books(entity)["224102"] == brief.credit
    assert_sound(entity)


@pytest.mark.django_db(transaction=True)
def test_a_day_begins_to_close_after_the_loans_that_open_on_it():
    entity = a_lender()
    opened, finished = threading.Event(), []

    def closing():
        opened.wait()
        run_end_of_day(entity, START)
        finished.append("closed")
        connection.close()

    thread = threading.Thread(target=closing)
    thread.start()
    with transaction.atomic():
        a_loan(entity)
        opened.set()
        thread.join(timeout=1.0)
        assert thread.is_alive(), "the end of day waits for the open transaction"
        finished.append("opened")
    thread.join(timeout=60)
    assert finished == ["opened", "closed"]
    assert books(entity)["113201"] == D("35.51")
    assert_sound(entity)
