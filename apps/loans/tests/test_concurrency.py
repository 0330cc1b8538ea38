"""Many deeds on one loan at the same moment."""

from __future__ import annotations

import datetime as dt
import threading
import time
from decimal import Decimal

import pytest
from django.db import connection, transaction

from apps.common.clock import beijing
from apps.ledger import services as ledger
from apps.ledger.domain import PARTNER, Posting
from apps.loans import selectors, services
from apps.loans.models import LoanTransaction
from apps.loans.selectors.owners import owed_to
from apps.loans.services import deeds, pools
from apps.loans.services.deeds import Order
from apps.loans.tests.factories import START, SYSTEM, a_lender, a_loan, assert_sound, books, close_through, pay, run_end_of_day

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


def _at_once(*deeds):
    """Carry out deeds at the same moment; returns what each of them said."""
    ready, said = threading.Barrier(len(deeds)), []

    def one(deed):
        try:
            with transaction.atomic():
                ready.wait(timeout=10)
                deed()
                time.sleep(0.3)  # the money is spent, and nobody knows yet
            said.append("done")
        except services.AmountRefused:
            said.append("refused")
        except Exception as error:  # noqa: BLE001  (whatever it is, the test shows it)
            said.append(repr(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return sorted(said)


def _post(entity, event, posting, reference):
    ledger.post(
        legal_entity_id=entity.id,
        business_date=START,
        event=event,
        amounts=[posting],
        reference=reference,
        actor=SYSTEM,
        now=beijing(START, 10),
    )


@pytest.mark.django_db(transaction=True)
def test_suspense_is_spent_once():
    entity = a_lender()
    loans = [a_loan(entity) for _ in range(3)]
    _post(entity, "suspense_received", Posting("money", D("1000.00")), "unknown")
    values = {"means": "suspense", "amount": D("1000.00"), "value_date": START}

    def repay(loan):
        order = Order(f"of {loan.number}", "as told", SYSTEM, beijing(START, 12))
        return lambda: deeds.repay(loan, values, order)

    assert _at_once(*(repay(loan) for loan in loans)) == ["done", "refused", "refused"]
    assert "224103" not in books(entity)
    assert_sound(entity)


@pytest.mark.django_db(transaction=True)
def test_an_owner_is_paid_once():
    entity = a_lender()
    loan = a_loan(entity)
    services.record_change(
        loan_id=loan.id, kind="owner_transfer", value_date=START, amount=D("120000.00"), particulars={"owner_ref": "spv-1"},
        reference="sold", reason="sold", actor=SYSTEM, now=beijing(START, 11),
    )  # fmt: skip
    _post(entity, "partner_settlement", Posting("principal", D("-121000.00"), PARTNER, "spv-1"), "price and more")
    assert owed_to(entity.id, "spv-1") == D("1000.00")
    money = {"legal_entity_id": str(entity.id), "owner": "spv-1", "way": "paid", "amount": "1000.00"}

    def settle(reference):
        return lambda: pools.execute_settlement(dict(money), SYSTEM, beijing(START, 12), reference)

    assert _at_once(settle("a"), settle("b")) == ["done", "refused"]
    assert owed_to(entity.id, "spv-1") == 0
