"""What tests of risk and of the contexts above it begin with."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from apps.common.actors import Actor
from apps.common.crypto import blind_index
from apps.common.privacy import mask_id_number
from apps.common.scope import DataScope
from apps.customers.models import Customer
from apps.customers.tests.factories import VerifiedCustomerFactory, id_number
from apps.organisations.domain import ROLES
from apps.organisations.services import install_parameters
from apps.risk import services

NOW = dt.datetime(2026, 3, 2, 2, 0, tzinfo=dt.UTC)
SYSTEM = Actor.system("tests")


def staff(legal_entity_id: UUID, *roles: str, name: str = "staff", user_id: UUID | None = None) -> Actor:
    """Somebody of the entity's staff with these roles."""
    permissions = frozenset().union(*(ROLES[role] for role in roles))
    return Actor("staff", name, user_id=user_id, permissions=permissions, data_scope=DataScope("entity", legal_entity_id))


def ready_entity(legal_entity_id: UUID, *, now: dt.datetime = NOW) -> None:
    """Parameters, and the shipped flows live."""
    install_parameters(actor=SYSTEM, now=now)
    services.install_shipped_flows(legal_entity_id=legal_entity_id, actor=SYSTEM, now=now)


def person(legal_entity: Any, serial: int = 1, **fields: Any) -> Customer:
    """A verified customer. Serials 910 to 919 play a thin file at the sandbox, 920 fraud, 930 an indebted person, others a good one."""
    number = id_number(serial)
    identity = {
        "id_number": number,
        "id_number_hash": blind_index(number, purpose="id_number"),
        "masked_id_number": mask_id_number(number),
        "masked_name": "王**",
    }
    return VerifiedCustomerFactory(legal_entity=legal_entity, serial=serial, **(identity | fields))


def order_facts(**change: Any) -> dict[str, Any]:
    """A sound car order, money in 分."""
    return {
        "authorisation_no": "CL20260302-000001",
        "authorisation_document": "018f0000-0000-7000-8000-000000000001",
        "consultant_ref": "018f0000-0000-7000-8000-0000000000c1",
        "shop_ref": "018f0000-0000-7000-8000-0000000000d1",
        "amount": 10_000_000,
        "price": 15_000_000,
        "guide_price": 15_500_000,
        "down_payment": 5_000_000,
        "term": 36,
        "power": "ice",
        "lease_type": "direct",
    } | change
