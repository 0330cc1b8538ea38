"""Questions about applications."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.applications.models import Application, ApplicationEvent, Offer, State
from apps.applications.services.records import NoSuchApplication
from apps.common.crypto import blind_index
from apps.common.errors import Conflict
from apps.customers import selectors as customers
from apps.documents import selectors as documents
from apps.flows import selectors as flows
from apps.organisations import selectors as organisations
from apps.products import selectors as products
from apps.products.domain import Plan, plan_from_json
from apps.risk import selectors as risk

_PLAN_FIELDS: Final = (
    "name", "financing_party", "method", "principal", "installments", "annual_rate", "installment", "first_installment",
    "total_interest", "fees", "total_cost", "total_paid", "apr_irr", "effective_rate", "down_payment", "deposit", "schedule",
)  # fmt: skip


class NoAcceptedPlan(Conflict):
    """The customer has not taken an offer."""

    code = "no_accepted_plan"


@dataclass(frozen=True)
class TimelineEntry:
    at: dt.datetime
    deed: str
    from_state: str
    to_state: str
    actor: str
    origin: str
    reason: str


@dataclass(frozen=True)
class PortalOrder:
    """An order's page in the dealer portal; the customer masked, reasons in plain words."""

    id: UUID
    number: str
    kind: str
    state: str
    state_label: str
    customer_name: str
    customer_phone: str
    vehicle: str
    lease_type: str
    lease_type_label: str
    price: Decimal | None
    down_payment: Decimal
    requested_amount: Decimal
    requested_term: int
    created_at: dt.datetime
    submitted_at: dt.datetime | None
    sla_due_at: dt.datetime | None
    closed_at: dt.datetime | None
    expires_at: dt.datetime | None
    authorisation_id: UUID | None
    consultant_id: UUID | None
    shop_id: UUID | None
    reasons: tuple[str, ...]
    offers: tuple[Offer, ...]
    chosen_offer_id: UUID | None
    timeline: tuple[TimelineEntry, ...]

    @property
    def awaits_decision(self) -> bool:
        """Whether the lender has yet to answer, so that the promised time runs."""
        return self.state in {State.SUBMITTED, State.SCREENING, State.MANUAL_REVIEW}


@dataclass(frozen=True)
class ReviewCase:
    """Everything a reviewer needs to decide, on one page; personal data masked."""

    order: PortalOrder
    created_by_id: UUID | None
    customer_id: UUID
    customer: Any  # customers.selectors.CustomerFacts
    vehicle: Any  # products.selectors.VehicleBrief
    decision: Any  # risk.selectors.DecisionView or None
    task: Any  # flows task or None
    documents: tuple[Any, ...]


@dataclass(frozen=True)
class ContractFacts:
    """What a contract says of its order; money in yuan."""

    application_id: UUID
    number: str
    kind: str
    state: str
    legal_entity_id: UUID
    customer_id: UUID
    consultant_id: UUID | None
    shop_id: UUID | None
    dealer_id: UUID | None
    vehicle_id: UUID | None
    vehicle_name: str
    guide_price: Decimal | None
    power: str
    lease_type: str
    price: Decimal | None
    down_payment: Decimal
    amount: Decimal
    term: int
    grade: str
    offer_id: UUID
    product_version_id: UUID
    plan: Plan
    branch_id: UUID | None = None


def by_id(application_id: UUID) -> Application:
    """The application. Raises `NoSuchApplication`."""
    found = Application.objects.filter(id=application_id).first()
    if found is None:
        raise NoSuchApplication
    application: Application = found
    return application


def orders_of(user: Any, *, states: Iterable[str] = (), search: str = "") -> QuerySet[Application]:
    """Orders that the user may see, newest first; `search` is part of an order's number, or a customer's whole phone or ID number."""
    orders = Application.objects.visible_to(user).select_related("vehicle", "shop", "consultant", "customer")
    if states:
        orders = orders.filter(state__in=list(states))
    if search:
        orders = orders.filter(_matching("".join(search.split())))
    return orders.order_by("-created_at", "-id")


def is_order_number(text: str) -> bool:
    """Whether a search is (the beginning of) an order's number: it names no person, and may stand in an address."""
    return re.fullmatch(r"CL[\d-]*", text, re.IGNORECASE) is not None


def _matching(text: str) -> Q:
    if re.fullmatch(r"1\d{10}", text):
        return Q(customer__phone_hash=blind_index(text, purpose="phone"))
    if re.fullmatch(r"\d{17}[\dXx]", text):
        return Q(customer__id_number_hash=blind_index(text, purpose="id_number"))
    return Q(number__icontains=text)


def visible_order(user: Any, application_id: UUID) -> Application:
    """One order, if the user may see it. Raises `NoSuchApplication`."""
    found = orders_of(user).filter(id=application_id).first()
    if found is None:
        raise NoSuchApplication
    application: Application = found
    return application


def current_offers(application: Application) -> QuerySet[Offer]:
    """Offers of the present round, best first."""
    return Offer.objects.filter(application=application, round=application.round).order_by("rank")


def timeline(application_id: UUID) -> tuple[TimelineEntry, ...]:
    """The order's story, as it was written down (ids are ordered by time)."""
    rows = ApplicationEvent.objects.filter(application_id=application_id).order_by("id")
    return tuple(TimelineEntry(row.at, row.deed, row.from_state, row.to_state, row.actor, row.origin, row.reason) for row in rows)


def portal_order(application_id: UUID) -> PortalOrder:
    """The order's page. Raises `NoSuchApplication`. The caller holds the scope (`visible_order`)."""
    application = by_id(application_id)
    person = customers.brief(application.customer_id)
    return PortalOrder(
        id=application.id,
        number=application.number,
        kind=application.kind,
        state=application.state,
        state_label=str(application.get_state_display()),
        customer_name=person.masked_name,
        customer_phone=person.masked_phone,
        vehicle=products.vehicle(application.vehicle_id).name if application.vehicle_id else "",
        lease_type=application.lease_type,
        lease_type_label=str(application.get_lease_type_display()),
        price=application.vehicle_price,
        down_payment=application.down_payment,
        requested_amount=application.requested_amount,
        requested_term=application.requested_term,
        created_at=application.created_at,
        submitted_at=application.submitted_at,
        sla_due_at=application.sla_due_at,
        closed_at=application.closed_at,
        expires_at=application.expires_at,
        authorisation_id=application.authorisation_id,
        consultant_id=application.consultant_id,
        shop_id=application.shop_id,
        reasons=plain_reasons(application),
        offers=tuple(current_offers(application)),
        chosen_offer_id=application.chosen_offer_id,
        timeline=timeline(application.id),
    )


def application_line(application: Application) -> dict[str, Any]:
    """The application in one line, as its customer sees it."""
    return {
        "id": application.id,
        "number": application.number,
        "kind": application.kind,
        "state": application.state,
        "vehicle": products.vehicle(application.vehicle_id).name if application.vehicle_id else "",
        "lease_type": application.lease_type,
        "price": application.vehicle_price,
        "down_payment": application.down_payment,
        "requested_amount": application.requested_amount,
        "requested_term": application.requested_term,
        "created_at": application.created_at,
        "submitted_at": application.submitted_at,
        "promised_by": application.sla_due_at,
        "expires_at": application.expires_at,
    }


def offers_in_full(application_id: UUID) -> list[dict[str, Any]]:
    """The offers of the present round with every cost, best first."""
    application = by_id(application_id)
    return [_offer_in_full(offer, application) for offer in current_offers(application)]


def _offer_in_full(offer: Offer, application: Application) -> dict[str, Any]:
    plan = plan_from_json(offer.plan)
    return {field: getattr(plan, field) for field in _PLAN_FIELDS} | {
        "id": offer.id,
        "rank": offer.rank,
        "chosen": offer.id == application.chosen_offer_id,
        "valid_until": offer.valid_until,
        "reasons": products.reason_texts(plan),
        "cost_table": products.cost_table(plan),
    }


def plain_reasons(application: Application) -> tuple[str, ...]:
    """Why, in the customer's words; empty where nothing is to be explained."""
    if application.state not in (State.DECLINED, State.MORE_INFO):
        return ()
    return risk.plain_words(application.reasons)


def review_case(application_id: UUID) -> ReviewCase:
    """What the reviewer's page shows. Raises `NoSuchApplication`. The caller holds the scope."""
    application = by_id(application_id)
    return ReviewCase(
        order=portal_order(application_id),
        created_by_id=application.created_by_id,
        customer_id=application.customer_id,
        customer=customers.subject(application.customer_id),
        vehicle=products.vehicle(application.vehicle_id) if application.vehicle_id else None,
        decision=risk.decision_view(application.decision_ref) if application.decision_ref else None,
        task=flows.task_for("application", application.id, "credit_review"),
        documents=tuple(documents.owned_by("application", application.id)),
    )


def accepted_plan(application_id: UUID) -> Plan:
    """The plan that the customer took. Raises `NoSuchApplication`, `NoAcceptedPlan`."""
    return plan_from_json(_chosen(by_id(application_id)).plan)


def contract_facts(application_id: UUID) -> ContractFacts:
    """What the contract needs of the order. Raises `NoSuchApplication`, `NoAcceptedPlan`."""
    application = by_id(application_id)
    offer = _chosen(application)
    vehicle = products.vehicle(application.vehicle_id) if application.vehicle_id else None
    return ContractFacts(
        application_id=application.id,
        number=application.number,
        kind=application.kind,
        state=application.state,
        legal_entity_id=application.legal_entity_id,
        customer_id=application.customer_id,
        consultant_id=application.consultant_id,
        shop_id=application.shop_id,
        dealer_id=application.dealer_id,
        vehicle_id=application.vehicle_id,
        vehicle_name=vehicle.name if vehicle else "",
        guide_price=vehicle.guide_price if vehicle else None,
        power=vehicle.power if vehicle else "",
        lease_type=application.lease_type,
        price=application.vehicle_price,
        down_payment=application.down_payment,
        amount=offer.principal,
        term=offer.installments,
        grade=application.grade,
        offer_id=offer.id,
        product_version_id=offer.product_version_ref,
        plan=plan_from_json(offer.plan),
        branch_id=organisations.branch_of_staff(application.created_by_id, application.legal_entity_id),
    )


def _chosen(application: Application) -> Offer:
    if application.chosen_offer is None:
        raise NoAcceptedPlan
    offer: Offer = application.chosen_offer
    return offer
