"""A shop floor whose orders can be led into every state by the services that people use."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import UUID

from PIL import Image

from apps.applications import selectors as applications
from apps.applications import services as application_services
from apps.applications.models import Application
from apps.applications.tests.factories import Shop, customer_actor, open_shop, person
from apps.common import clock, outbox
from apps.common.actors import Actor
from apps.common.crypto import blind_index
from apps.contracts import selectors as contracts
from apps.contracts import services as contract_services
from apps.customers.models import Customer
from apps.customers.tests.factories import PassedCheckFactory
from apps.dealers.models import Consultant
from apps.dealers.tests.factories import ConsultantFactory
from apps.disbursement import selectors as disbursement
from apps.disbursement import services as disbursement_services
from apps.disbursement.tests.factories import DAY, NOON, SYSTEM, a_funder, staff
from apps.flows import services as flows
from apps.ledger import services as ledger
from apps.organisations import services as organisations
from apps.organisations.models import User
from apps.organisations.tests.factories import UserFactory
from apps.postloan import selectors as postloan
from apps.postloan import services as postloan_services

GOOD, THIN, FRAUD, INDEBTED = 1, 910, 920, 930  # what the serial of an ID number makes of its owner at the sandbox's bureau
# Each state of an order with the one from which the story leads there.
BEFORE = {
    "accepted": "offered",
    "contracting": "accepted",
    "disbursement_review": "contracting",
    "refused": "disbursement_review",
    "vouchered": "disbursement_review",
    "delivered": "vouchered",
    "completed": "delivered",
}
STATES = ("declined", "withdrawn", "more_info", "manual_review", "offered", *BEFORE, "screening")


@cache
def picture(kind: str = "PNG") -> bytes:
    """A real photo."""
    import io

    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "white").save(buffer, kind)
    return buffer.getvalue()


@dataclass
class Floor:
    """One shop of one lender with its people; needs the sandbox for everything after the submission."""

    shop: Shop
    sandbox: Any
    serials: Any = field(default_factory=lambda: itertools.count(GOOD))

    @property
    def consultant(self) -> Consultant:
        return self.shop.consultant

    @property
    def seller(self) -> User:
        """The consultant's log-in."""
        return User.objects.get(id=self.consultant.user_id)

    def colleague(self, *, is_manager: bool = False) -> User:
        """Somebody else of the same shop."""
        row = ConsultantFactory(shop=self.consultant.shop, name="何伟", is_manager=is_manager)
        return User.objects.get(id=row.user_id)

    def customer(self, serial: int | None = None) -> Customer:
        """A new verified customer, who knows nobody that others know: shared contacts look like fraud."""
        row = person(self.shop.entity, next(self.serials) if serial is None else serial)
        for contact in row.contacts.all():
            contact.phone = f"137{next(_phones)}"
            contact.phone_hash = blind_index(contact.phone, purpose="phone")
            contact.save()
        return row

    def order(self, state: str) -> Application:
        """An order of a new customer in this state, with everything that happened on the way."""
        lead = getattr(self, f"_{state}", None)
        if lead is not None:
            order_id: UUID = lead()
        else:
            order_id = self.lead(self.order(BEFORE[state]).id, state).id
        return self.check(order_id, state)

    def lead(self, order_id: UUID, state: str) -> Application:
        """Lead an order on into the next state, and heed all news of it."""
        getattr(self, f"to_{state}")(order_id)
        outbox.dispatch()
        return self.check(order_id, state)

    def check(self, order_id: UUID, state: str) -> Application:
        order = Application.objects.get(id=order_id)
        assert order.state == state, f"{order.state} instead of {state}: {order.reasons}"
        return order

    # -- beginnings: what the machine makes of a person ------------------------------------------------

    def _screening(self) -> UUID:
        """Submitted; the machine answers with the next `outbox.dispatch()`."""
        order_id: UUID = self.shop.submit(self.customer(), now=clock.now()).id
        return order_id

    def _decided(self, serial: int | None) -> UUID:
        order_id: UUID = self.shop.submit(self.customer(serial), now=clock.now()).id
        outbox.dispatch()
        return order_id

    def _offered(self) -> UUID:
        return self._decided(None)

    def _manual_review(self) -> UUID:
        return self._decided(next(_thin))

    def _declined(self) -> UUID:
        return self._decided(next(_fraud))

    def _more_info(self) -> UUID:
        order_id = self._manual_review()
        self.review(order_id, outcome="more_info", reason="工作证明看不清，请重拍")
        return order_id

    def _withdrawn(self) -> UUID:
        order_id = self._offered()
        application_services.withdraw(application_id=order_id, reason="改买别的车", actor=Actor.of(self.seller), now=clock.now())
        return order_id

    def review(self, order_id: UUID, **decision: Any) -> None:
        """A reviewer claims the order and decides."""
        reviewer = Actor.of(UserFactory(legal_entity=self.shop.entity, roles=["credit_reviewer"]))
        application_services.claim_review(application_id=order_id, actor=reviewer, now=clock.now())
        application_services.review(application_id=order_id, actor=reviewer, now=clock.now(), **decision)

    # -- the way of a good order ------------------------------------------------------------------------

    def buyer(self, order_id: UUID) -> Actor:
        return customer_actor(Application.objects.get(id=order_id).customer)

    def to_accepted(self, order_id: UUID) -> None:
        offer = applications.current_offers(applications.by_id(order_id))[0]
        application_services.accept_offer(application_id=order_id, offer_id=offer.id, actor=self.buyer(order_id), now=clock.now())

    def to_contracting(self, order_id: UUID) -> None:
        contract_services.generate_contract(application_id=order_id, actor=Actor.of(self.seller), now=clock.now())

    def to_disbursement_review(self, order_id: UUID) -> None:
        """The customer reads, proves to be alive, and signs."""
        contract = contracts.contract_of(order_id)
        assert contract is not None
        buyer = self.buyer(order_id)
        opened = clock.now() - dt.timedelta(minutes=2)
        shown = contract_services.open_contract(contract_id=contract.id, actor=buyer, now=opened)
        PassedCheckFactory(
            customer=Application.objects.get(id=order_id).customer,
            kind="liveness",
            purpose="signing",
            requested_at=opened,
            finished_at=clock.now(),
        )
        contract_services.sign_by_customer(
            contract_id=contract.id,
            seconds_read=60,
            cost_table_version=shown.cost_table["version"],
            cost_table_sha256=shown.cost_document.sha256,
            actor=buyer,
            now=clock.now(),
        )

    def _pay(self, order_id: UUID, outcome: str, reason: str) -> None:
        payment = disbursement.disbursement_of(order_id)
        assert payment is not None
        payer = staff(self.shop.entity, "disbursement.review", "disbursement.view")
        disbursement_services.review_disbursement(disbursement_id=payment.id, outcome=outcome, reason=reason, actor=payer, now=clock.now())

    def to_vouchered(self, order_id: UUID) -> None:
        self._pay(order_id, "approve", "")

    def to_refused(self, order_id: UUID) -> None:
        self._pay(order_id, "refuse", "成交价与发票不一致")

    def to_delivered(self, order_id: UUID) -> None:
        voucher = disbursement.voucher_of(order_id)
        assert voucher is not None
        disbursement_services.use_voucher(voucher_id=voucher.id, actor=Actor.of(self.seller), now=clock.now())

    def to_completed(self, order_id: UUID) -> None:
        """The bank tells of the transfer, and every paper is handed in."""
        self.sandbox.deliver_callbacks()
        for paper in postloan.papers_of(order_id):
            postloan_services.receive_paper(
                application_id=order_id,
                kind=paper.kind,
                content=picture(),
                filename=f"{paper.kind}.png",
                actor=Actor.of(self.seller),
                now=clock.now(),
            )


_phones = itertools.count(10_000_000)
_thin = itertools.cycle(range(THIN, THIN + 10))
_fraud = itertools.cycle(range(FRAUD, FRAUD + 10))


def open_floor(sandbox: Any, *, now: dt.datetime = NOON) -> Floor:
    """A lender with open books, money, flows and products, and a shop with a consultant; its clock stands at `now`."""
    clock.move_to(now)
    floor = Floor(open_shop(), sandbox)
    day = clock.local_date(now)
    organisations.open_business_day(floor.shop.entity.id, day, now=now)
    ledger.open_books(legal_entity_id=floor.shop.entity.id, actor=SYSTEM, now=now)
    flows.install_shipped_flows(legal_entity_id=floor.shop.entity.id, actor=SYSTEM, now=now)
    a_funder(floor.shop.entity, code="OWN", position="50000000.00")
    return floor


__all__ = ["BEFORE", "DAY", "NOON", "STATES", "Floor", "open_floor", "picture"]
