"""A shop floor ready for orders, and the first steps of one."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.applications import selectors, services
from apps.applications.models import Application
from apps.common import clock, outbox
from apps.common.actors import Actor
from apps.common.models import OutboxMessage
from apps.common.scope import DataScope
from apps.customers.models import Customer
from apps.dealers.models import Consultant
from apps.dealers.tests.factories import ConsultantFactory
from apps.organisations.domain import ROLES
from apps.organisations.models import User
from apps.organisations.tests.factories import UserFactory
from apps.products.models import VehicleModel
from apps.products.services import install_shipped_products
from apps.products.tests.factories import VehicleModelFactory
from apps.risk.tests.factories import NOW, SYSTEM, person, ready_entity

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


@dataclass
class Shop:
    """A lender with products, flows and a consultant; `enter` opens an order for a person."""

    consultant: Consultant
    vehicle: VehicleModel

    @property
    def entity(self) -> Any:
        return self.consultant.shop.dealer.legal_entity

    @property
    def seller(self) -> Actor:
        return Actor.of(User.objects.get(id=self.consultant.user_id))

    def reviewer(self) -> User:
        return UserFactory(legal_entity=self.entity, roles=["credit_reviewer"])

    def enter(self, customer: Customer, *, now: dt.datetime = NOW, actor: Actor | None = None, **wish: Any) -> Application:
        """A draft; the guide price of 152,800 yuan, four tenths of it paid down, unless told otherwise."""
        values: dict[str, Any] = {
            "consultant_id": self.consultant.id,
            "id_number": customer.id_number,
            "vehicle_id": self.vehicle.id,
            "price": self.vehicle.guide_price,
            "lease_type": "leaseback",
            "down_payment": (self.vehicle.guide_price * Decimal("0.4")).quantize(Decimal("1")),
            "term": 36,
        }
        return services.create_application(**(values | wish), actor=actor or self.seller, now=now)

    def submit(self, customer: Customer, *, now: dt.datetime = NOW, **wish: Any) -> Application:
        """Entered, authorised, submitted; the machine has not answered."""
        application = self.enter(customer, now=now, **wish)
        services.attach_authorisation(application_id=application.id, content=PDF, filename="a.pdf", actor=self.seller, now=now)
        return services.submit(application_id=application.id, actor=self.seller, now=now)

    def decided(self, customer: Customer, **wish: Any) -> Application:
        """Submitted, and the machine's answer heeded."""
        application = self.submit(customer, **wish)
        outbox.dispatch()
        return Application.objects.get(id=application.id)


def open_shop() -> Shop:
    consultant = ConsultantFactory()
    entity = consultant.shop.dealer.legal_entity
    ready_entity(entity.id)
    install_shipped_products(legal_entity_id=entity.id, on=clock.local_date(NOW), actor=SYSTEM, now=NOW)
    return Shop(consultant, VehicleModelFactory())


def customer_actor(customer: Customer) -> Actor:
    return Actor.of(User.objects.get(id=customer.user_id))


def nobody(kind: str = "staff") -> Actor:
    """Somebody of nowhere with every permission."""
    return Actor(kind, "nobody", permissions=frozenset().union(*ROLES.values()), data_scope=DataScope("entity", None))


__all__ = ["NOW", "PDF", "SYSTEM", "Shop", "customer_actor", "nobody", "open_shop", "person"]


def again(application: Application) -> Application:
    """The row as it stands now."""
    return Application.objects.get(id=application.id)


def states(application: Application) -> list[str]:
    """Through which states the order has come."""
    return [entry.to_state for entry in selectors.timeline(application.id) if entry.from_state != entry.to_state]


def names() -> list[str]:
    """News of applications, in order."""
    return list(OutboxMessage.objects.filter(name__startswith="applications.").order_by("id").values_list("name", flat=True))
