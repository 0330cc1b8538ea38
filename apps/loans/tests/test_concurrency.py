"""Many deeds on one loan at the same moment."""

from __future__ import annotations

import datetime as dt
import threading
from decimal import Decimal

import pytest
from django.db import connection

from apps.loans import selectors
from apps.loans.models import LoanTransaction
from apps.loans.tests.factories import a_lender, a_loan, assert_sound, books, close_through, pay

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
