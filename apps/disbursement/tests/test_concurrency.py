"""Two at the same moment: a payment that is being booked, and somebody who asks for the same money again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import connection, transaction

from apps.common import clock
from apps.disbursement import services
from apps.disbursement.models import RepaymentOrder
from apps.disbursement.services import repayments
from apps.disbursement.tests.factories import LoanInTests, a_loan
from apps.disbursement.tests.test_repayments import reach
from apps.loans import selectors as loans

pytestmark = pytest.mark.django_db(transaction=True)


def in_thread(deed: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """The deed in a connection of its own, and its answer or failure once the thread has ended."""
    answers: list[object] = []

    def work() -> None:
        try:
            answers.append(deed())
        except Exception as error:  # noqa: BLE001  (whatever it is, the test shows it)
            answers.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread, answers


def wait_for_somebody_who_waits() -> None:
    """Until another connection waits for a lock that this one holds."""
    with connection.cursor() as cursor:
        for _ in range(200):
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))")
            if cursor.fetchone()[0]:
                return
            time.sleep(0.05)
    raise AssertionError("nobody waits")


def pay_now(loan: LoanInTests) -> object:
    return services.pay_now(loan_id=loan.id, purpose="due", actor=loan.customer_actor, now=clock.beijing(loan.first_due, 12))


def order_debit(loan: LoanInTests) -> object:
    return services.order_debits(legal_entity_id=loan.entity.id, day=loan.first_due, part={}, now=clock.beijing(loan.first_due, 12))


@pytest.mark.parametrize("again", [pay_now, order_debit])
def test_what_is_being_booked_is_not_asked_for_a_second_time(again):
    loan = a_loan()
    now = reach(loan, loan.first_due)
    first = services.pay_now(loan_id=loan.id, purpose="due", actor=loan.customer_actor, now=now)
    repayments._prepare(first.id, now)
    with transaction.atomic():
        services.record_debit_result(order_no=first.order_no, outcome="succeeded", amount=first.amount, bank_ref="B1", reason="", now=now)
        thread, answers = in_thread(lambda: again(loan))
        wait_for_somebody_who_waits()
    thread.join()
    assert [answer for answer in answers if not isinstance(answer, services.NothingDue)] in ([], [(0, [])])
    assert RepaymentOrder.objects.filter(loan_ref=loan.id).count() == 1
    assert loans.loan_brief(loan.id).credit == Decimal("0.00")
