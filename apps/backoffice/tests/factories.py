"""A house with something on every page: orders in review, a payment to release, loans that are late, a day that was closed."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.applications.models import Application
from apps.applications.tests.factories import Shop, open_shop, person
from apps.common import approvals, clock
from apps.common.actors import Actor
from apps.common.models import ChangeRequest
from apps.disbursement.tests.factories import DAY, NOON, SYSTEM, LoanInTests, a_funder, a_loan
from apps.disbursement.tests.orders import SignedOrder, a_signed_order
from apps.ledger import services as ledger
from apps.loans import services as loans
from apps.organisations import end_of_day
from apps.organisations import services as organisations
from apps.organisations.models import BusinessDay, User
from apps.organisations.tests.factories import UserFactory

THIN = 910  # the sandbox's bureau knows little of these people: the machine refers them
KIND = approvals.Kind(
    name="tests.change",
    propose_permission="ledger.adjust",
    check_permission="approvals.check",
    preview="apps.backoffice.tests.factories.preview",
    execute="apps.backoffice.tests.factories.execute",
)


def preview(payload: dict[str, Any], _now: Any) -> dict[str, Any]:
    return {"account": "1002", "debit": payload["amount"]}


def execute(payload: dict[str, Any], actor: Actor, now: dt.datetime, reference: str) -> dict[str, Any]:
    return {"entry": reference}


@dataclass
class House:
    """One lender; its people are made as they are asked for."""

    shop: Shop

    @property
    def entity(self) -> Any:
        return self.shop.entity

    def staff(self, *roles: str, **fields: Any) -> User:
        return UserFactory(legal_entity=self.entity, roles=list(roles), **fields)

    def order_in_review(self, serial: int = THIN, **wish: Any) -> Application:
        """An order that the machine has referred; needs the sandbox."""
        return self.shop.decided(person(self.entity, serial), **wish)

    def payment(self) -> SignedOrder:
        """A signed order whose payment waits for its reviewer; needs the sandbox."""
        return a_signed_order(self.entity)

    def loan(self, *, start: dt.date = DAY, **facts: Any) -> LoanInTests:
        return a_loan(self.entity, start=start, **facts)

    def late_loan(self) -> LoanInTests:
        """Paid out on 20 November, two instalments paid, the third of 20 February not: ten days late on 2 March."""
        days = BusinessDay.objects.filter(legal_entity=self.entity, state="open")
        start = dt.date(2025, 11, 20)
        days.update(date=start)  # a hundred quiet days in one step
        loan = self.loan(start=start, principal="120000.00", installments=36)
        days.update(date=DAY)
        for month, day in (("2025-12", 20), ("2026-01", 20)):
            paid_on = dt.date.fromisoformat(f"{month}-{day}")
            loans.record_repayment(
                loan_id=loan.id,
                amount=Decimal("3985.72"),
                value_date=paid_on,
                source="debit",
                reference=f"debit:{month}",
                actor=SYSTEM,
                now=NOON,
            )
        return loan

    def close_days(self, count: int) -> None:
        """Run the end of day."""
        end_of_day.run(entity_id=self.entity.id, to=DAY + dt.timedelta(days=count - 1), actor=Actor.system("eod"))

    def proposal(self, maker: User, amount: str = "120.00") -> ChangeRequest:
        return approvals.propose(
            kind=KIND.name,
            legal_entity_id=self.entity.id,
            subject="J-7",
            payload={"amount": amount},
            reason="bank fee of February",
            actor=Actor.of(maker),
            now=NOON,
            amount=Decimal(amount),
        )


def open_house() -> House:
    """A lender with a shop floor, books, a position and today's business day."""
    clock.move_to(NOON)
    house = House(open_shop())
    organisations.open_business_day(house.entity.id, DAY, now=NOON)
    ledger.open_books(legal_entity_id=house.entity.id, actor=SYSTEM, now=NOON)
    a_funder(house.entity, code="OWN")
    approvals.register(KIND)
    return house
