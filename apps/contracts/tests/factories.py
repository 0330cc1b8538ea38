"""An order whose plan the customer has accepted, and the steps of its contract."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.applications import services as applications
from apps.applications.models import Application, Offer
from apps.applications.tests.factories import NOW, Shop, customer_actor, open_shop, person
from apps.common import outbox
from apps.common.actors import Actor
from apps.contracts import services
from apps.contracts.models import Contract
from apps.customers.models import Customer, IdentityCheck
from apps.customers.tests.factories import PassedCheckFactory

READ_FOR = dt.timedelta(seconds=15)


def read_from(contract: Contract) -> dict[str, str]:
    """What the app sends back of the cost table that it showed."""
    paper = Contract.objects.select_related("cost_document").get(id=contract.id).cost_document
    return {"cost_table_version": contract.cost_table["version"], "cost_table_sha256": paper.sha256}


@dataclass
class Order:
    """An accepted order with its people. `now` is when the contract's steps happen."""

    shop: Shop
    customer: Customer
    application: Application
    now: dt.datetime = NOW

    @property
    def signer(self) -> Actor:
        return customer_actor(self.customer)

    def state(self) -> str:
        return str(Application.objects.get(id=self.application.id).state)

    def contract(self, contract_id: UUID | None = None) -> Contract:
        rows = Contract.objects.filter(application=self.application).order_by("-created_at")
        found: Contract = rows.get(id=contract_id) if contract_id else rows[0]
        return found

    def prepared(self) -> Contract:
        """Made, rendered, laid before the customer and opened by them."""
        contract = services.generate_contract(application_id=self.application.id, actor=self.shop.seller, now=self.now)
        outbox.dispatch()
        return services.open_contract(contract_id=contract.id, actor=self.signer, now=self.now)

    def look(self, at: dt.datetime) -> None:
        """A passed liveness check."""
        PassedCheckFactory(customer=self.customer, kind="liveness", requested_at=at, finished_at=at)

    def forget_looks(self) -> None:
        IdentityCheck.objects.filter(customer=self.customer, kind="liveness").delete()

    def sign(self, contract: Contract, **more: Any) -> Contract:
        """The word to sign after a fresh look and enough reading; the signatures are set."""
        at = self.now + READ_FOR
        self.look(at - dt.timedelta(minutes=1))
        values: dict[str, Any] = {"seconds_read": 12, "actor": self.signer, "now": at, **read_from(contract)}
        services.sign_by_customer(contract_id=contract.id, **(values | more))
        outbox.dispatch()
        return self.contract(contract.id)


def an_accepted_order(*, lease_type: str = "leaseback") -> Order:
    """Through the application's own services, with the sandbox as the outside world."""
    shop = open_shop()
    customer = person(shop.entity)
    application = shop.decided(customer, lease_type=lease_type)
    best = Offer.objects.filter(application=application).order_by("rank").first()
    assert best is not None, application.state
    applications.accept_offer(application_id=application.id, offer_id=best.id, actor=customer_actor(customer), now=NOW)
    outbox.dispatch()
    return Order(shop, customer, Application.objects.get(id=application.id))
