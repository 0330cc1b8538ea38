"""A car order whose contract is signed, ready for the disbursement review: rows of the contexts below, and a really signed file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from apps.applications.models import Application, Offer
from apps.applications.models import State as ApplicationState
from apps.common import clock
from apps.common.actors import Actor
from apps.common.models import new_id
from apps.common.scope import DataScope
from apps.contracts.models import Contract
from apps.contracts.models import State as ContractState
from apps.customers.models import Customer
from apps.dealers.models import Consultant
from apps.dealers.tests.factories import ConsultantFactory, DealerFactory, ShopFactory
from apps.disbursement import services
from apps.disbursement.models import Disbursement
from apps.disbursement.tests.factories import DAY, NOON, SYSTEM, a_customer, a_lender
from apps.documents import services as documents
from apps.documents.tests.factories import company
from apps.organisations.models import LegalEntity
from apps.products.domain import KIND_OF_LEASE, OptionFacts, Plan, ProductFacts, Wish, plan_to_json, price
from apps.products.models import Brand, Product, ProductVersion, Series, VehicleModel

AMOUNT = Decimal("80000.00")
PRICE = Decimal("100000.00")


@dataclass(frozen=True)
class SignedOrder:
    """An order with its people; `disbursement` waits for its reviewer."""

    entity: LegalEntity
    customer: Customer
    consultant: Consultant
    application: Application
    contract: Contract
    disbursement: Disbursement

    @property
    def consultant_actor(self) -> Actor:
        return Actor(
            kind="dealer",
            label="consultant",
            user_id=self.consultant.user_id,
            permissions=frozenset({"portal.use"}),
            data_scope=DataScope("consultant", self.consultant.id),
        )

    def state(self) -> str:
        """Where the order stands now."""
        return Application.objects.get(id=self.application.id).state

    def payment(self) -> Disbursement:
        """The payment as it is now."""
        return Disbursement.objects.get(id=self.disbursement.id)


def a_plan(
    entity: LegalEntity, *, day: dt.date = DAY, amount: Decimal = AMOUNT, lease_type: str = "direct", terms: Mapping[str, Any] | None = None
) -> Plan:
    """12 equal instalments at 9 %, with further terms of the product."""
    option = OptionFacts(new_id(), "12", 12, "equal_installment", Decimal(0), Decimal(0), Decimal(0))
    product = ProductFacts(
        id=_version(entity, day, lease_type).id,
        product_id=new_id(),
        legal_entity_id=entity.id,
        code=f"car_{lease_type}",
        version=1,
        kind=KIND_OF_LEASE[lease_type],
        state="on_sale",
        name="正租 12 期",
        financing_party=entity.name,
        guarantee="credit",
        purpose="car",
        borrower="person",
        amount_min=Decimal(10000),
        amount_max=Decimal(5000000),
        max_ltv={"ice": Decimal("0.8")},
        min_share_down=Decimal("0.2"),
        rates={"A": Decimal("0.09")},
        rate_min=Decimal("0.05"),
        rate_max=Decimal("0.2"),
        day_count="30/360",
        penalty_uplift=Decimal("0.5"),
        grace_days=0,
        prepay_fee_rate=Decimal(0),
        prepay_fee_free_after=None,
        min_age=18,
        max_age_at_end=65,
        min_income=Decimal(0),
        funders=(),
        options=(option,),
        terms=terms or {},
    )
    wish = Wish(on=day, amount=amount, term=12, grade="A", rate_cap=Decimal("0.24"), vehicle_price=PRICE, power="ice")
    return price(product, option, wish, amount)


def _version(entity: LegalEntity, day: dt.date, lease_type: str) -> ProductVersion:
    """The product version that the plan is of, as the books ask for it."""
    product, _new = Product.objects.get_or_create(legal_entity=entity, code=f"car_{lease_type}", kind=KIND_OF_LEASE[lease_type])
    terms = {"name": "正租 12 期", "amount_min": 10_000, "amount_max": 5_000_000, "max_ltv": {"ice": "0.8"}, "rates": {"A": "0.09"}}
    terms |= {"rate_min": Decimal("0.05"), "rate_max": Decimal("0.2"), "day_count": "30/360", "penalty_uplift": Decimal("0.5")}
    terms |= {"guarantee": "credit", "financing_party": entity.name, "on_sale_from": day}
    found: ProductVersion = ProductVersion.objects.get_or_create(product=product, version=1, defaults=terms)[0]
    return found


@cache
def _signed_pdf() -> bytes:
    """A file that the lender has really signed, the same for all tests of a run; needs the sandbox's time stamps once."""
    context = {"lender": {"name": "测试", "phone": ""}, "shop": {}, "borrower": {}, "vehicle": {}, "amount": AMOUNT, "number": "T"}
    content = documents.render(template="documents/voucher.html", context=context)
    return documents.sign(content=content, signers=[company()], now=NOON)


def _vehicle() -> VehicleModel:
    brand, _new = Brand.objects.get_or_create(name="大众")
    series, _new = Series.objects.get_or_create(brand=brand, name="朗逸")
    car, _new = VehicleModel.objects.get_or_create(
        series=series, model_year=2026, trim="1.5L", defaults={"guide_price": PRICE, "power": "ice"}
    )
    found: VehicleModel = car
    return found


def a_signed_order(
    entity: LegalEntity | None = None,
    *,
    lease_type: str = "direct",
    signed_at: dt.datetime = NOON,
    terms: Mapping[str, Any] | None = None,
) -> SignedOrder:
    """An order in disbursement review with a contract that verifies."""
    entity = entity or a_lender()
    customer = a_customer(entity)
    consultant = ConsultantFactory(shop=ShopFactory(dealer=DealerFactory(legal_entity=entity, active=True)))
    day = clock.local_date(signed_at)
    plan = a_plan(entity, day=day, lease_type=lease_type, terms=terms)
    application = Application.objects.create(
        legal_entity=entity,
        number=f"CL{new_id().hex[-12:]}",
        state=ApplicationState.SIGNED,
        customer=customer,
        consultant=consultant,
        shop=consultant.shop,
        dealer=consultant.shop.dealer,
        vehicle=_vehicle(),
        lease_type=lease_type,
        vehicle_price=PRICE,
        down_payment=PRICE - AMOUNT,
        requested_amount=AMOUNT,
        requested_term=12,
        grade="A",
    )
    offer = Offer.objects.create(
        application=application,
        round=1,
        rank=1,
        product_version_ref=plan.product_version_id,
        name=plan.name,
        financing_party=plan.financing_party,
        principal=plan.principal,
        installments=plan.installments,
        annual_rate=plan.annual_rate,
        installment=plan.installment,
        apr_irr=plan.apr_irr,
        plan=plan_to_json(plan),
        valid_until=signed_at + dt.timedelta(days=7),
    )
    application.chosen_offer = offer
    application.save()
    contract = _contract(entity, customer, application, plan, signed_at)
    disbursement = services.open_disbursement(application_id=application.id, contract_id=contract.id, actor=SYSTEM, now=signed_at)
    return SignedOrder(entity, customer, consultant, application, contract, disbursement)


def _contract(entity: LegalEntity, customer: Customer, application: Application, plan: Plan, signed_at: dt.datetime) -> Contract:
    number = f"HT{new_id().hex[-12:]}"
    signed = documents.store(
        content=_signed_pdf(),
        filename="contract.pdf",
        kind="loan_contract",
        legal_entity_id=entity.id,
        owner_kind="application",
        owner_ref=application.id,
        customer_ref=customer.id,
        number=number,
        is_signed=True,
        actor=SYSTEM,
        now=signed_at,
    )
    made: Contract = Contract.objects.create(
        number=number,
        state=ContractState.ARCHIVED,
        kind=application.lease_type,
        legal_entity=entity,
        application=application,
        customer_ref=customer.id,
        made_on=clock.local_date(signed_at),
        amount=plan.principal,
        installments=plan.installments,
        annual_rate=plan.annual_rate,
        apr_irr=plan.apr_irr,
        installment=plan.installment,
        first_due=plan.schedule[0].due_date,
        cost_table={},
        template_version="2026-01",
        signed=signed,
        signed_at=signed_at,
    )
    return made
