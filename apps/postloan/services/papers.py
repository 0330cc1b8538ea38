"""Delivery papers 交车资料: the checklist of a pick-up, uploads, checks, and the end of the application."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.applications import selectors as applications_read
from apps.applications import services as applications
from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict, NotFound
from apps.disbursement import selectors as disbursement
from apps.documents import services as documents
from apps.postloan.domain import papers_needed
from apps.postloan.models import DeliveryPaper

_State = DeliveryPaper.State


class NoSuchPaper(NotFound):
    """The delivery does not need this paper, or it is not this person's to see."""

    code = "no_such_paper"
    title = _("This delivery does not need such a paper.")


class PaperIsIn(Conflict):
    """The paper has been handed in and was not sent back."""

    code = "paper_is_in"
    title = _("This paper has been handed in already.")


@transaction.atomic
def open_checklist(*, application_id: UUID, used_on: dt.date, actor: Actor, now: dt.datetime) -> int:
    """The car was picked up: note which papers are now awaited and by when; returns how many. Safe to repeat."""
    facts = applications_read.contract_facts(application_id)
    rows = [
        DeliveryPaper(
            legal_entity_id=facts.legal_entity_id,
            application_ref=application_id,
            customer_ref=facts.customer_id,
            dealer_ref=facts.dealer_id,
            shop_ref=facts.shop_id,
            consultant_ref=facts.consultant_id,
            kind=paper.kind,
            due_date=used_on + dt.timedelta(days=paper.due_days),
        )
        for paper in papers_needed(facts.lease_type)
    ]
    DeliveryPaper.objects.bulk_create(rows, ignore_conflicts=True)
    return DeliveryPaper.objects.filter(application_ref=application_id).count()


@transaction.atomic
def receive_paper(*, application_id: UUID, kind: str, content: bytes, filename: str, actor: Actor, now: dt.datetime) -> DeliveryPaper:
    """Hand in a paper (PDF, JPEG or PNG). With the last one, and the transfer done, the application is completed.

    Raises `NoSuchPaper`, `PaperIsIn`, and what the archive refuses.
    """
    paper: DeliveryPaper | None = (
        DeliveryPaper.objects.within(actor.data_scope).select_for_update().filter(application_ref=application_id, kind=kind).first()
    )
    if paper is None:
        raise NoSuchPaper
    actor.require("portal.use" if actor.kind == "dealer" else "postloan.papers")
    if paper.state != _State.PENDING:
        raise PaperIsIn
    document = documents.store(
        content=content,
        filename=filename,
        kind="delivery_paper",
        legal_entity_id=paper.legal_entity_id,
        owner_kind="application",
        owner_ref=application_id,
        customer_ref=paper.customer_ref,
        dealer_ref=paper.dealer_ref,
        shop_ref=paper.shop_ref,
        consultant_ref=paper.consultant_ref,
        actor=actor,
        now=now,
    )
    paper.receive()
    paper.document_ref, paper.received_at, paper.reason = document.id, now, ""
    paper.save()
    complete_when_ready(application_id=application_id, actor=Actor.system("postloan.papers"), now=now)
    return paper


@transaction.atomic
def check_paper(*, paper_id: UUID, accept: bool, actor: Actor, now: dt.datetime, reason: str = "") -> DeliveryPaper:
    """Staff look at a paper: it is right, or it goes back with the reason and is awaited again."""
    paper: DeliveryPaper | None = DeliveryPaper.objects.within(actor.data_scope).select_for_update().filter(id=paper_id).first()
    if paper is None:
        raise NoSuchPaper
    actor.require("postloan.papers")
    if accept:
        paper.check_off()
        paper.checked_by = str(actor)
    else:
        if not reason.strip():
            raise BadInput(fields={"reason": [str(_("Please give a reason."))]})
        paper.send_back()
        paper.reason, paper.received_at = reason.strip()[:300], None
    paper.save()
    return paper


@transaction.atomic
def complete_when_ready(*, application_id: UUID, actor: Actor, now: dt.datetime) -> bool:
    """Complete a delivered application once the transfer has succeeded and every paper is in; whether it is completed now."""
    if applications_read.by_id(application_id).state != "delivered" or not disbursement.transfer_succeeded(application_id):
        return False
    papers = DeliveryPaper.objects.filter(application_ref=application_id)
    if not papers.exists() or papers.filter(state=_State.PENDING).exists():
        return False
    applications.mark_completed(application_id=application_id, actor=actor, now=now)
    return True
