"""Reminders and the intake of collection for many loans at once."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.disbursement.tests.factories import LoanInTests, a_customer, a_lender, a_loan
from apps.loans import selectors as loans
from apps.messaging.models import Message
from apps.organisations.business_day import StepResult
from apps.postloan import eod
from apps.postloan.models import CollectionCase, CollectionLoan
from apps.postloan.tests.test_services import after, open_day, pay

pytestmark = pytest.mark.django_db


def some_loans(count: int) -> list[LoanInTests]:
    lender = a_lender()
    return [a_loan(lender) for _ in range(count)]


def counted(step, group: list[LoanInTests], day: dt.date) -> tuple[int, StepResult]:
    """How many statements a step takes, and what it says."""
    now = open_day(group[0], day)
    with CaptureQueriesContext(connection) as asked:
        result = step(entity_id=group[0].entity.id, day=day, partition={}, now=now)
    return len(asked), result


@pytest.mark.parametrize("step", [eod.send_reminders, eod.take_in_overdue])
@pytest.mark.parametrize("days", [1, 2])
def test_many_loans_take_as_many_statements_as_few(step, days):
    few, many = some_loans(3), some_loans(12)
    takes = [counted(step, group, after(group[0], days)) for group in (few, many)]
    assert takes[0][0] == takes[1][0]


def test_an_unreadable_phone_sets_its_loan_aside_and_the_others_are_told():
    broken, good = group = some_loans(2)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE customers_customer SET phone = 'a256gcm:gone:AAAA' WHERE id = %s", [broken.customer.id])
    _taken, result = counted(eod.send_reminders, group, after(good, -2))
    assert result.done == 1
    assert [number for number, _why in result.set_aside] == [loans.loan_brief(broken.id).number]
    assert Message.objects.get().person_ref == good.customer.id


def test_what_a_reminder_names_is_what_the_instalment_asks():
    (loan,) = group = some_loans(1)
    counted(eod.send_reminders, group, after(loan, -2))
    due = loans.standing_of(loans.loan_of(loan.id), after(loan, -2)).schedule[0]
    assert f"{due.left:,.2f}" in Message.objects.get().text
    assert Message.objects.get().dedupe_key == f"due:{loan.id}:{loan.first_due}:2"


class TestIntakeInParts:
    @pytest.fixture
    def group(self, monkeypatch) -> list[LoanInTests]:
        monkeypatch.setattr(loans.due, "LOANS_PER_PART", 2)
        group = some_loans(3)
        return [*group, a_loan(group[0].entity, customer=group[0].customer), a_loan(group[0].entity, customer=a_customer(group[0].entity))]

    def take_in(self, group: list[LoanInTests], day: dt.date) -> int:
        """The intake part by part."""
        now = open_day(group[0], day)
        parts = eod.intake_parts(entity_id=group[0].entity.id, day=day, now=now)
        return sum(eod.take_in_overdue(entity_id=group[0].entity.id, day=day, partition=part, now=now).done for part in parts)

    def test_every_borrower_lies_in_one_part(self, group):
        assert self.take_in(group, after(group[0], 2)) == 4
        parts = eod.intake_parts(entity_id=group[0].entity.id, day=after(group[0], 2), now=open_day(group[0], after(group[0], 2)))
        assert len(parts) > 1
        cases = CollectionCase.objects.values_list("customer_ref", flat=True)
        assert sorted(cases) == sorted({loan.customer.id for loan in group})
        assert CollectionLoan.objects.filter(is_overdue=True).count() == 5

    def test_cases_close_when_nobody_is_overdue(self, group):
        self.take_in(group, after(group[0], 2))
        for loan in group:
            pay(loan, after(loan, 2))
        assert self.take_in(group, after(group[0], 3)) == 0
        assert set(CollectionCase.objects.values_list("state", "outcome", "closed_on")) == {("closed", "cured", after(group[0], 3))}

    def test_there_is_no_part_without_arrears_and_cases(self, group):
        day = group[0].first_due
        assert eod.intake_parts(entity_id=group[0].entity.id, day=day, now=open_day(group[0], day)) == []
