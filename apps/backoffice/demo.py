"""The lender of the demo and of the journey tests: one legal entity with everything that a first loan needs.

All of it is made by the services that people would use. Never in production.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.common import calendar, clock
from apps.common.actors import Actor
from apps.common.audit import recorded_as
from apps.common.errors import OutsideUnavailable
from apps.customers import services as customers
from apps.dealers import selectors as dealers_read
from apps.dealers import services as dealers
from apps.disbursement import services as disbursement
from apps.flows import services as flows
from apps.ledger import services as ledger
from apps.organisations import selectors as organisations
from apps.organisations import services as organisation_services
from apps.products import services as products
from apps.risk import services as risk

PASSWORD = "Carloan-demo-2026"  # noqa: S105  (printed for everybody: demo only)
ENTITY: dict[str, Any] = {
    "code": "HC",
    "name": "恒川汽车金融有限公司",
    "short_name": "恒川汽车金融",
    "uscc": "91440101MA5AXK3T7R",
    "address": "广东省广州市天河区珠江东路 12 号",
    "phone": "400-820-0310",
}
STAFF = (
    ("reviewer", "钱敏", "credit_reviewer"),
    ("payer", "孙立", "disbursement_reviewer"),
    ("finance", "李娜", "finance"),
    ("analyst", "周凯", "risk_analyst"),
    ("collector", "吴芳", "collector"),
    ("admin", "郑强", "entity_admin"),
    ("auditor", "王磊", "auditor"),
)
DEALER: dict[str, Any] = {
    "code": "YL001",
    "name": "广州远岚汽车销售服务有限公司",
    "uscc": "91440106MA59JTQ48G",
    "legal_representative": "何伟",
    "address": "广东省广州市白云区机场路 88 号",
    "contact_phone": "13600136000",
}
SHOP: dict[str, Any] = {
    "code": "YL001-E",
    "name": "城东店",
    "city": "广州",
    "address": "广东省广州市天河区中山大道 200 号",
    "account_name": "广州远岚汽车销售服务有限公司",
    "account_no": "4400123456780017706",
    "bank_name": "中国工商银行广州天河支行",
}
POSITION = Decimal(50_000_000)
SEALING_S = 60


@dataclass(frozen=True)
class Login:
    """A demo log-in; `totp_key` is the hex secret of the second factor."""

    username: str
    name: str
    role: str
    page: str
    totp_key: str


def totp_key(username: str) -> str:
    """The known second-factor secret of a demo person, 40 hex digits."""
    return hashlib.sha256(f"carloan demo {username}".encode()).hexdigest()[:40]


def build(*, now: dt.datetime) -> list[Login]:
    """Make the lender unless it is there; returns all log-ins. Safe to repeat."""
    actor = Actor.system("demo")
    if all(entity.code != ENTITY["code"] for entity in organisations.entities()):
        with transaction.atomic(), recorded_as(actor):
            _build(actor, now)
    _add_consultants(actor, now)
    return logins()


def logins() -> list[Login]:
    """Everybody who can sign in, and where."""
    people = [Login(username, name, role, "/backoffice/", totp_key(username)) for username, name, role in STAFF]
    people.append(Login("consultant", "陈静", "consultant", "/login/", totp_key("consultant")))
    people.append(Login("manager", "何伟", "dealer_manager", "/login/", totp_key("manager")))
    return people


def _build(actor: Actor, now: dt.datetime) -> None:
    who: dict[str, Any] = {"actor": actor, "now": now}
    today = clock.local_date(now)
    organisation_services.install_parameters(**who)
    calendar.import_announced(today.year)
    entity = organisation_services.create_legal_entity(**ENTITY, **who)
    branch = organisation_services.create_branch(legal_entity_id=entity.id, code="GZ", name="广州分公司", city="广州", **who)
    for username, name, role in STAFF:
        organisation_services.create_user(
            username=username,
            password=PASSWORD,
            kind="staff",
            roles=[role],
            legal_entity_id=entity.id,
            branch_id=branch.id,
            display_name=name,
            totp_key=totp_key(username),
            **who,
        )
    organisation_services.open_business_day(entity.id, today, now=now)
    ledger.open_books(legal_entity_id=entity.id, **who)
    customers.install_consent_texts(legal_entity_id=entity.id, **who)
    flows.install_shipped_flows(legal_entity_id=entity.id, **who)
    risk.install_shipped_flows(legal_entity_id=entity.id, **who)
    products.import_vehicles(content=products.SHIPPED_VEHICLES.read_bytes(), **who)
    products.install_shipped_products(legal_entity_id=entity.id, on=today, **who)
    _fund(entity.id, actor, now)
    _sign_dealer(entity.id, actor, now)


def _fund(entity_id: UUID, actor: Actor, now: dt.datetime) -> None:
    funder = disbursement.create_funder(
        legal_entity_id=entity_id,
        code="OWN",
        name="恒川汽车金融自有资金",
        bank="中国建设银行广州分行",
        account_number="44050100123456789012",
        actor=actor,
        now=now,
    )
    disbursement.top_up(account_id=funder.account.id, amount=POSITION, reference="opening position", actor=actor, now=now)


def _sign_dealer(entity_id: UUID, actor: Actor, now: dt.datetime) -> None:
    who: dict[str, Any] = {"actor": actor, "now": now}
    dealer = dealers.create_dealer(legal_entity_id=entity_id, quota=Decimal(20_000_000), deposit=Decimal(500_000), **DEALER, **who)
    dealers.add_shop(dealer_id=dealer.id, **SHOP, **who)
    dealers.start_signing(dealer_id=dealer.id, **who)


def _add_consultants(actor: Actor, now: dt.datetime) -> None:
    """The shop's people, once a worker has sealed the dealer's agreement."""
    shop = dealers_read.shop_by_code(SHOP["code"], organisations.entity_by_code(ENTITY["code"]).id)
    if dealers_read.consultants_of_shop(shop.id).exists():
        return
    deadline = time.monotonic() + SEALING_S
    while dealers_read.dealer(shop.dealer_id).state != "active":
        if time.monotonic() > deadline:
            raise OutsideUnavailable("The dealer's agreement is not sealed yet. Start a worker and the sandbox, then run this again.")
        time.sleep(0.1)
    for username, name, is_manager in (("consultant", "陈静", False), ("manager", "何伟", True)):
        dealers.add_consultant(
            shop_id=shop.id,
            username=username,
            password=PASSWORD,
            name=name,
            phone="13900139000" if is_manager else "13800138000",
            is_manager=is_manager,
            totp_key=totp_key(username),
            actor=actor,
            now=now,
        )
