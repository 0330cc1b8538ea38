"""Two neighbours for tests of who sees what: a lender with rows of nearly every kind, and strangers who must not see them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Model
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from apps.applications.models import Application
from apps.applications.tests.factories import open_shop
from apps.backoffice.tests.factories import House, open_house
from apps.common import outbox
from apps.common.actors import Actor
from apps.common.clock import local_date, now
from apps.customers import services as customers
from apps.customers.models import LoginRecord
from apps.dealers.tests.factories import ConsultantFactory, ShopFactory
from apps.disbursement import services as disbursement
from apps.documents import services as documents
from apps.documents.models import Document
from apps.flows import services as flows
from apps.loans.models import Loan
from apps.messaging.models import MessageTemplate
from apps.organisations import services as organisations
from apps.organisations.domain import ROLES_OF_KIND
from apps.organisations.models import User
from apps.organisations.tests.factories import BranchFactory, UserFactory
from apps.portal.tests.factories import Floor
from apps.reconciliation import services as reconciliation
from apps.risk import services as risk
from apps.risk.tests.factories import SYSTEM, person

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


def our_models() -> list[type[Model]]:
    return [model for model in apps.get_models() if model.__module__.startswith("apps.")]


@dataclass(frozen=True)
class Scene:
    """`rows` are all rows that existed before any stranger came; `order` is the buyer's completed one."""

    house: House
    order: Application
    rows: dict[type[Model], set[Any]]
    staff_elsewhere: User
    consultant_elsewhere: User
    manager_elsewhere: User
    customer_elsewhere: User

    @property
    def buyer(self) -> User:
        return User.objects.get(id=self.order.customer.user_id)

    def ids_in(self, text: str) -> set[str]:
        """The ids of the lender's rows that a page or an answer shows."""
        return self._ids & set(_UUID.findall(text))

    @property
    def _ids(self) -> set[str]:
        return {str(pk) for pks in self.rows.values() for pk in pks}


def all_roles(entity: Any) -> User:
    """Staff of one lender with every permission that staff can have."""
    return UserFactory(legal_entity=entity, roles=sorted(ROLES_OF_KIND["staff"]))


def build(sandbox: Any) -> Scene:
    """A lender whose business has gone through every context; then another lender, another dealer and another customer."""
    house = open_house()
    floor = Floor(house.shop, sandbox)
    house.late_loan()
    house.close_days(1)
    floor.order("manual_review")
    order = floor.order("completed")
    _settle_and_reconcile(house, order, sandbox)
    _work_of_staff(house, order)
    rows = {model: _rows_of_lenders(model) for model in our_models() if hasattr(model, "scope") and not model.scope.public}

    neighbours = open_shop()
    shop = ShopFactory(dealer__legal_entity=house.entity, dealer__active=True)
    return Scene(
        house,
        order,
        rows,
        staff_elsewhere=all_roles(neighbours.entity),
        consultant_elsewhere=_login(ConsultantFactory(shop=shop)),
        manager_elsewhere=_login(ConsultantFactory(shop=shop, is_manager=True)),
        customer_elsewhere=_login(person(house.entity, 77)),
    )


def _rows_of_lenders(model: Any) -> set[Any]:
    """All rows, without those that are the market's: they name no lender though they could."""
    rows = model._base_manager.all()
    if any(field.attname == "legal_entity_id" and field.null for field in model._meta.fields):
        rows = rows.exclude(legal_entity_id=None)
    return set(rows.values_list("pk", flat=True))


def _login(who: Any) -> User:
    return User.objects.get(id=who.user_id)


def _settle_and_reconcile(house: House, order: Application, sandbox: Any) -> None:
    """The buyer pays everything at once, and the bank's statement tells of it."""
    loan = Loan.objects.get(borrower_ref=order.customer_id)
    buyer = Actor.of(_login(order.customer))
    disbursement.pay_now(loan_id=loan.id, purpose="early_settlement", amount=None, mode="", actor=buyer, now=now())
    outbox.dispatch()
    sandbox.deliver_callbacks()
    outbox.dispatch()
    reconciliation.reconcile(legal_entity_id=house.entity.id, day=local_date(now()), actor=SYSTEM, now=now())


def _work_of_staff(house: House, order: Application) -> None:
    """What people of the lender, or its operators for it, write down themselves."""
    entity, who = house.entity, {"actor": Actor.of(all_roles(house.entity)), "now": now()}
    BranchFactory(legal_entity=entity)
    own = {"value": "0.40", "legal_entity_id": entity.id, "effective_from": local_date(now()), "source": "house", "certainty": "S"}
    organisations.set_parameter(code="penalty.overdue_uplift", **own, actor=SYSTEM, now=now())
    MessageTemplate.objects.create(code="login_code", legal_entity=entity, text="验证码 {code}")
    LoginRecord.objects.create(customer=order.customer, at=now())
    flows.install_shipped_flows(legal_entity_id=entity.id, actor=SYSTEM, now=now())
    house.proposal(house.staff("finance"))
    customers.unmask(customer_id=order.customer_id, field="phone", reason="客户要求回电", **who)
    risk.add_list_entry(legal_entity_id=entity.id, colour="black", kind="phone", value="13900001111", reason="冒名", source="电核", **who)
    paper = Document.objects.filter(customer_ref=order.customer_id, is_signed=True).first()
    assert paper is not None
    documents.download(document_id=paper.id, **who)


@dataclass(frozen=True)
class Address:
    """One pattern of the URL configuration."""

    route: str
    name: str
    view: Any

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"<(?:\w+:)?(\w+)>", self.route)

    def filled(self, values: dict[str, Any]) -> str:
        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(values[found.group(1)]), self.route)

    @property
    def template(self) -> str:
        """As OpenAPI writes it."""
        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", self.route)


def addresses(below: str = "") -> list[Address]:
    """Every address of the project whose route begins with `below`; patterns by regular expression are the admin's catch-all."""
    return [address for address in _walk(get_resolver().url_patterns, "") if address.route.startswith(below)]


def _walk(patterns: list[Any], prefix: str) -> Iterator[Address]:
    for each in patterns:
        if not isinstance(each.pattern, RoutePattern):
            continue
        route = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _walk(each.url_patterns, route)
        elif isinstance(each, URLPattern):
            yield Address(route, each.name or "", each.callback)
