"""Rows and small stories for the tests of money movement and of the contexts above it."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from apps.common import clock
from apps.common.actors import Actor
from apps.common.crypto import blind_index
from apps.common.models import new_id
from apps.common.privacy import mask_card
from apps.common.scope import DataScope
from apps.customers.models import BankCard, Customer
from apps.customers.tests.factories import PassedCheckFactory
from apps.disbursement import services
from apps.disbursement.models import Funder
from apps.ledger import services as ledger
from apps.loans import services as loans
from apps.loans.domain import LoanTerms
from apps.loans.domain.daycount import DayCount
from apps.loans.domain.terms import Method
from apps.organisations import services as organisations
from apps.organisations.models import LegalEntity
from apps.organisations.tests.factories import LegalEntityFactory, UserFactory

SYSTEM = Actor.system("tests")
DAY = dt.date(2026, 3, 2)  # a Monday
NOON = clock.beijing(DAY, 12)
_numbers = itertools.count(1)


def a_lender(*, day: dt.date = DAY, position: str = "1000000.00") -> LegalEntity:
    """A legal entity with open books, parameters, a business day and a funder of its own with a position."""
    entity: LegalEntity = LegalEntityFactory()
    organisations.install_parameters(actor=SYSTEM, now=NOON)
    organisations.open_business_day(entity.id, day, now=NOON)
    ledger.open_books(legal_entity_id=entity.id, actor=SYSTEM, now=NOON)
    a_funder(entity, code="OWN", position=position)
    return entity


def a_funder(entity: LegalEntity, *, code: str, position: str = "1000000.00", **facts: object) -> Funder:
    """A funder with money on its account."""
    funder = services.create_funder(
        legal_entity_id=entity.id,
        code=code,
        name=f"{code} 资金",
        bank="中国工商银行",
        account_number="6222000000000000001",
        actor=SYSTEM,
        now=NOON,
        **facts,
    )
    if Decimal(position):
        services.top_up(account_id=funder.account.id, amount=Decimal(position), reference="first", actor=SYSTEM, now=NOON)
    return funder


def a_customer(entity: LegalEntity, *, card: bool = True) -> Customer:
    """A verified customer, with a bound card under a debit agreement; the face was seen a month ago."""
    number = next(_numbers)
    phone = f"138{number:08d}"
    customer: Customer = Customer.objects.create(
        legal_entity=entity,
        phone=phone,
        phone_hash=blind_index(phone, purpose="phone"),
        masked_phone="138****0000",
        name="王小明",
        masked_name="王**",
        id_number="110101199003071234",
        id_number_hash=new_id().hex,
        masked_id_number="110101********1234",
    )
    customer.verify()
    customer.save()
    bound = a_card(customer) if card else None
    for kind in ("id_authenticity", "liveness", *(["bank_card"] if bound else [])):
        PassedCheckFactory(
            customer=customer, kind=kind, card=bound if kind == "bank_card" else None, finished_at=NOON - dt.timedelta(days=30)
        )
    return customer


def a_card(customer: Customer) -> BankCard:
    """A bound default card with a debit agreement."""
    number = f"622202{next(_numbers):013d}"
    card: BankCard = BankCard.objects.create(
        customer=customer,
        number=number,
        number_hash=blind_index(number, purpose="card_number"),
        masked_number=mask_card(number),
        phone="13800000000",
        masked_phone="138****0000",
        bank_code="ICBC",
        bank_name="中国工商银行",
        debit_agreed=True,
        agreement_no=f"DA{next(_numbers):010d}",
        agreed_at=NOON,
    )
    card.bind()
    card.is_default = True
    card.save()
    return card


def terms(*, start: dt.date = DAY, principal: str = "36000.00", installments: int = 12) -> LoanTerms:
    """A loan in equal instalments, due on the start's day of each month."""
    month = start.month % 12 + 1
    first_due = start.replace(year=start.year + (start.month == 12), month=month)
    return LoanTerms(
        principal=Decimal(principal),
        annual_rate=Decimal("0.12"),
        installments=installments,
        method=Method.EQUAL_INSTALLMENT,
        day_count=DayCount.THIRTY_360,
        start=start,
        first_due=first_due,
    )


@dataclass(frozen=True)
class LoanInTests:
    """A running loan with the people around it."""

    id: UUID
    entity: LegalEntity
    customer: Customer
    opened_on: dt.date
    first_due: dt.date

    @property
    def customer_actor(self) -> Actor:
        """The borrower in the app."""
        return Actor(
            kind="customer",
            label=str(self.customer.id),
            user_id=new_id(),
            permissions=frozenset({"api.customer"}),
            data_scope=DataScope("customer", self.customer.id),
        )


def a_loan(entity: LegalEntity | None = None, *, customer: Customer | None = None, start: dt.date = DAY, **facts: str | int) -> LoanInTests:
    """A loan that was paid out on `start`."""
    entity = entity or a_lender(day=start)
    customer = customer or a_customer(entity)
    agreed = terms(start=start, **facts)  # type: ignore[arg-type]
    loan_id = loans.open_loan(
        legal_entity_id=entity.id,
        borrower_ref=customer.id,
        application_ref=new_id(),
        terms=agreed,
        value_date=start,
        reference="transfer:test",
        actor=SYSTEM,
        now=clock.beijing(start, 12),
    )
    return LoanInTests(loan_id, entity, customer, start, agreed.first_due)


def staff(entity: LegalEntity, *permissions: str) -> Actor:
    """A member of staff of a lender."""
    user = UserFactory(legal_entity=entity)
    return Actor(
        kind="staff",
        label=user.actor_label,
        user_id=user.id,
        permissions=frozenset(permissions),
        data_scope=DataScope("entity", entity.id),
    )
