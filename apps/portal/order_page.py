"""What the order page shows, put together from the contexts below, and how the page learns cheaply that something has changed."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from apps.applications import selectors as applications
from apps.common import clock
from apps.contracts import selectors as contracts
from apps.dealers import selectors as dealers
from apps.disbursement import selectors as disbursement
from apps.documents import qr
from apps.portal import progress
from apps.portal.plan_cards import FIRST, PlanCard, cards_of
from apps.postloan import selectors as postloan
from apps.postloan.domain import papers_needed

_BEFORE_CONTRACT: Final = frozenset({"draft", "submitted", "screening", "manual_review", "more_info", "declined", "offered", "accepted"})
_WITH_VOUCHER: Final = frozenset({"approved", "vouchered", "delivered", "completed", "cancelled"})
_WITH_PAPERS: Final = frozenset({"delivered", "completed", "cancelled"})


@dataclass(frozen=True)
class Glance:
    """Where an order stands, in at most four small queries: as much as is needed to tell whether its page is out of date."""

    order_id: UUID
    row: tuple[Any, ...]
    contract: Any
    voucher: Any
    papers: tuple[Any, ...]

    @property
    def state(self) -> str:
        return str(self.row[0])

    @property
    def contract_facts(self) -> tuple[Any, ...]:
        contract = self.contract
        if contract is None:
            return ()
        return (contract.id, contract.state, contract.signing_confirmed, contract.document_ref, contract.signed_document_ref)

    @property
    def voucher_facts(self) -> tuple[Any, ...]:
        voucher = self.voucher
        return (voucher.id, voucher.state, voucher.document_ref) if voucher else ()

    @property
    def paper_facts(self) -> tuple[Any, ...]:
        return tuple((paper.kind, paper.state, paper.reason) for paper in self.papers)

    @property
    def version(self) -> str:
        """Changes whenever anything on the page does, the running clock apart."""
        return _digest(self.row, self.contract_facts, self.voucher_facts, self.paper_facts)

    @property
    def part_keys(self) -> dict[str, str]:
        """A version per part of the page, so that only the parts that changed are put in anew."""
        state = self.state
        facts: dict[str, tuple[Any, ...]] = {
            "head": (state, bool(self.voucher)),
            "steps": (state,),
            "notice": self.row,
            "plans": self.row,
            "contract": self.contract_facts,
            "handover": (state, self.contract_facts),
            "papers": (state, self.paper_facts, self.row),
            "voucher": (state, self.voucher_facts),
            "timeline": self.row,
            "leave": (state in progress.WITHDRAWABLE,),
            "act": (state, self.contract_facts, self.voucher_facts, self.paper_facts),
        }
        return {name: _digest(*part) for name, part in facts.items()}


@dataclass(frozen=True)
class OrderPage:
    """Everything on the page."""

    order: applications.PortalOrder
    version: str
    keys: Mapping[str, str]
    tone: str
    ended: bool
    waiting: bool
    steps: tuple[progress.Step, ...]
    sla: progress.Sla | None
    word: str
    cards: tuple[PlanCard, ...]
    chosen: PlanCard | None
    contract: Any
    voucher: Any
    voucher_qr: str
    handover_url: str
    handover_qr: str
    papers: tuple[Any, ...]
    papers_missing: int
    papers_later: int
    timeline: tuple[progress.News, ...]
    next_step: str
    may_withdraw: bool
    today: dt.date
    now_ms: int

    @property
    def first_cards(self) -> tuple[PlanCard, ...]:
        return self.cards[:FIRST]

    @property
    def other_cards(self) -> tuple[PlanCard, ...]:
        return self.cards[FIRST:]


def glance(user: Any, order_id: UUID) -> Glance:
    """A look at an order. Raises `NoSuchApplication` for one that the user may not see."""
    facts = ("state", "round", "chosen_offer_id", "authorisation_id", "submitted_at")
    row = applications.orders_of(user).filter(id=order_id).values_list(*facts).first()
    if row is None:
        raise applications.NoSuchApplication
    state = row[0]
    return Glance(
        order_id=order_id,
        row=tuple(row),
        contract=None if state in _BEFORE_CONTRACT else contracts.contract_of(order_id),
        voucher=disbursement.voucher_of(order_id) if state in _WITH_VOUCHER else None,
        papers=tuple(postloan.papers_of(order_id)) if state in _WITH_PAPERS else (),
    )


def build(seen: Glance, *, now: dt.datetime) -> OrderPage:
    """The page of an order that was looked at."""
    order = applications.portal_order(seen.order_id)
    contract, voucher = seen.contract, seen.voucher
    cards = cards_of(order.offers, chosen_id=order.chosen_offer_id, wanted=order.requested_amount)
    missing = sum(paper.state == "pending" for paper in seen.papers)
    step = progress.next_step(
        order.state,
        has_contract=contract is not None,
        to_sign=bool(contract and contract.state == "signing" and not contract.signing_confirmed),
        voucher_usable=bool(voucher and voucher.state in {"issued", "paid"}),
        papers_missing=missing,
    )
    handover = public_url("portal:app_order", order.id) if step in {"choose", "sign"} else ""
    today = clock.local_date(now)
    return OrderPage(
        order=order,
        version=seen.version,
        keys=seen.part_keys,
        tone=progress.tone_of(order.state),
        ended=order.state in progress.ENDED,
        waiting=order.awaits_decision,
        steps=progress.steps_of(order.state, order.timeline[-1].from_state if order.timeline else "draft"),
        sla=progress.sla_of(
            submitted_at=order.submitted_at,
            due_at=order.sla_due_at,
            kept_at=voucher.issued_at if voucher else None,
            state=order.state,
            now=now,
        ),
        word=progress.word_of_reviewer(order.timeline, order.state) if order.state in {"more_info", "refused"} else "",
        cards=cards,
        chosen=next((card for card in cards if card.chosen), None),
        contract=contract,
        voucher=voucher,
        voucher_qr=qr.svg(f"{public_url('portal:verify')}?number={voucher.number}") if voucher else "",
        handover_url=handover,
        handover_qr=qr.svg(handover) if handover else "",
        papers=seen.papers,
        papers_missing=missing,
        papers_later=0 if seen.papers or order.state in progress.ENDED else len(papers_needed(order.lease_type)),
        timeline=progress.news_of(order.timeline, people=_people(order.shop_id), today=today),
        next_step=step,
        may_withdraw=order.state in progress.WITHDRAWABLE,
        today=today,
        now_ms=int(now.timestamp() * 1000),
    )


def public_url(name: str, *args: Any) -> str:
    """The address of a page as people outside know it."""
    return f"{settings.PUBLIC_URL.rstrip('/')}{reverse(name, args=args)}"


def _people(shop_id: UUID | None) -> dict[str, str]:
    """The shop's people by user name."""
    return {row.user.username: row.name for row in dealers.consultants_of_shop(shop_id)} if shop_id else {}


def _digest(*facts: Any) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
