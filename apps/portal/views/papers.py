"""Sealed papers as files. Each goes out by the archive's download, which asks for the person's scope and writes down who took it."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from apps.applications import selectors as applications
from apps.common.actors import Actor
from apps.common.api import file_response
from apps.common.errors import NotFound
from apps.common.scope import DataScope
from apps.contracts import selectors as contracts
from apps.dealers import selectors as dealers
from apps.disbursement import selectors as disbursement
from apps.documents import services as documents
from apps.portal.access import DealerRequest, dealer_page


@require_GET
@dealer_page
def voucher_pdf(request: DealerRequest, order_id: UUID) -> HttpResponse:
    """The sealed voucher."""
    applications.visible_order(request.user, order_id)
    voucher = disbursement.voucher_of(order_id)
    if voucher is None:
        raise NotFound(_("There is no voucher yet. Do not hand over the car."))
    return _file(request, voucher.document_ref, _("The sealed PDF is being made."))


@require_GET
@dealer_page
def contract_pdf(request: DealerRequest, order_id: UUID) -> HttpResponse:
    """The contract: with its signatures once it is signed."""
    applications.visible_order(request.user, order_id)
    contract = contracts.contract_of(order_id)
    paper = (contract.signed_document_ref or contract.document_ref) if contract else None
    return _file(request, paper, _("The contract is not ready yet."))


@require_GET
@dealer_page
def agreement_pdf(request: DealerRequest) -> HttpResponse:
    """The dealer's agreement with the lender. It belongs to the dealer and to no shop: managers of its shops get it, consultants do not."""
    who = request.consultant
    if not who or not who.is_manager:
        raise NotFound(_("There is no signed agreement yet."))
    for_dealer = replace(request.actor, data_scope=DataScope("dealer", who.dealer_id))  # this one paper is above the shop
    return _file(request, dealers.dealer(who.dealer_id).agreement_id, _("There is no signed agreement yet."), for_dealer)


def _file(request: DealerRequest, document_id: UUID | None, missing: str, actor: Actor | None = None) -> HttpResponse:
    if document_id is None:
        raise NotFound(missing)
    paper = documents.download(document_id=document_id, actor=actor or request.actor, now=request.now)
    return file_response(paper.content, filename=paper.filename, content_type=paper.content_type)
