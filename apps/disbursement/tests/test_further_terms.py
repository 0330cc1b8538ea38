"""A product's further terms on the whole way: offer, contract, loan, books. Numbers: docs/rules/plans.md."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from apps.applications import selectors as applications
from apps.common import clock, outbox
from apps.contracts.domain import price_from
from apps.disbursement import services
from apps.disbursement.tests.factories import NOON, SYSTEM, staff
from apps.disbursement.tests.orders import SignedOrder, a_signed_order
from apps.ledger import selectors as ledger
from apps.loans import selectors as loans
from apps.loans import services as loan_deeds
from apps.loans.domain.terms import COMPONENTS
from apps.loans.models import LoanRun
from apps.loans.tests.factories import assert_sound

pytestmark = pytest.mark.django_db

D = Decimal
IN_ADVANCE = [
    *[f"overdue.{component}" for component in COMPONENTS],
    *[f"due.{component}" for component in COMPONENTS],
    *["advance.interest", "advance.principal"],
]
TERMS = {
    "principal_grace": 3,
    "fees": [{"name": "账户管理费", "when": "instalment", "of": "flat", "amount": "5.00"}],
    "allocation_rules": [{"order": IN_ADVANCE, "kinds": ["repayment"], "advance": "last"}],
}


def pay_out(order: SignedOrder, sandbox) -> None:
    reviewer = staff(order.entity, "disbursement.review", "disbursement.view")
    services.review_disbursement(disbursement_id=order.disbursement.id, outcome="approve", reason="", actor=reviewer, now=NOON)
    outbox.dispatch()
    sandbox.deliver_callbacks()
    outbox.dispatch()


def test_offer_contract_and_loan_agree(sandbox):
    clock.move_to(NOON)
    order = a_signed_order(lease_type="leaseback", terms=TERMS)
    plan = applications.contract_facts(order.application.id).plan
    # 80,000 at 0.75 % a month: three times interest alone, then 80,000 × 0.0075 ÷ (1 − 1.0075^−9) = 9,225.54; 5.00 with each.
    assert [str(row.total) for row in plan.schedule[:4]] == ["605.00", "605.00", "605.00", "9230.54"]
    assert (str(plan.installment), str(plan.fees), str(plan.fee_upfront)) == ("9230.54", "60.00", "0.00")
    signed = price_from(plan, order.contract.made_on).plan
    assert (signed.schedule, signed.cost_rows) == (plan.schedule, plan.cost_rows)

    pay_out(order, sandbox)

    brief = loans.loan_by_application(order.application.id)
    assert brief is not None
    end = plan.schedule[-1].due_date
    rows = loans.state_on(brief.id, end).rows
    due = [(row.installment.due_date, row.installment.principal, row.installment.interest, row.installment.fee) for row in rows]
    assert due == [(row.due_date, row.principal, row.interest, row.fee) for row in plan.schedule]
    assert not LoanRun.objects.get(loan_id=brief.id).is_plain, "its fees are charged by the daily replay"


def test_money_beyond_what_is_due_pays_principal_in_advance(sandbox):
    clock.move_to(NOON)
    order = a_signed_order(lease_type="leaseback", terms=TERMS)
    pay_out(order, sandbox)
    brief = loans.loan_by_application(order.application.id)
    assert brief is not None
    first = loans.state_on(brief.id, brief.opened_on).rows[0].installment.due_date
    clock.move_to(clock.beijing(first, 12))
    paid = {"loan_id": brief.id, "value_date": first, "source": "manual", "reference": "counter-1", "actor": SYSTEM}
    loan_deeds.record_repayment(amount=D("1605.00"), now=clock.now(), **paid)

    state = loans.state_on(brief.id, first + dt.timedelta(days=1))
    paid_parts = {component.value: str(amount) for component, amount in state.transactions[-1].allocated.items() if amount}
    assert paid_parts == {"fee": "5.00", "interest": "600.00", "principal": "1000.00"}
    assert (state.outstanding["principal"], state.credit) == (D("79000.00"), D(0))
    assert ledger.balance("1303", order.entity.id) == D("79000.00")
    assert_sound(order.entity)
