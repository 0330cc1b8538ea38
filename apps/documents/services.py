"""Render, sign, verify, archive: one engine for all papers.

`render`, `sign` and `issue` take seconds or call the time stamp authority: handlers declared `outside=True` and tasks call them, never
code inside a transaction. WeasyPrint and pyHanko are imported when first used, for most processes never draw; workers and web
processes load them at their start (`load_engines`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.common.actors import Actor
from apps.common.clock import local_date
from apps.common.errors import Conflict, NotFound
from apps.common.numbers import next_number
from apps.documents import archive, qr, uploads
from apps.documents.domain import EXTENSIONS, PDF, Signer, Verification
from apps.documents.models import Document, DocumentDownload

NUMBER_MARK = "carloan:"


class NumberTaken(Conflict):
    """Another document with other content bears the number already."""

    code = "document_number_taken"


@dataclass(frozen=True)
class Download:
    """What somebody takes out of the archive."""

    content: bytes
    filename: str
    content_type: str


def load_engines(*, drawing: bool = True) -> None:
    """Import what signs and verifies, and what draws, two seconds together: at a process's start, so that nobody waits for it later."""
    from apps.documents import signing, verification  # noqa: F401

    if drawing:
        from apps.documents import rendering  # noqa: F401


def render(*, template: str, context: dict[str, Any]) -> bytes:
    """A template of `templates/documents/` as PDF with embedded Chinese fonts and an empty field per signature.

    Raises `rendering.FontMissing`, and `rendering.UrlBlocked` for a template that asks for anything but own files.
    """
    from apps.documents import rendering, signing

    rendered = rendering.render_document(template, context)
    return signing.add_fields(rendered.content, rendered.boxes)


def sign(*, content: bytes, signers: list[Signer], now: datetime) -> bytes:
    """The PDF with one PAdES-B-T signature per signer, in their order. Calls the time stamp authority: not inside a transaction.

    Raises the gateway's failures and `pki.PkiMissing`.
    """
    from apps.documents import signing

    for signer in signers:
        content = signing.add_signature(content, signer, now=now)
    return content


def verify(content: bytes) -> Verification:
    """Check a file that says it is ours: its signatures, their time stamps, and the archived original of the number that it bears."""
    if not content.startswith(b"%PDF-"):
        return Verification(valid=False, reason=_("The file is not a PDF."))
    from apps.documents import verification

    checked = verification.check_pdf(content)
    number = _number_in(checked.keywords)
    archived = Document.objects.filter(sha256=archive.address_of(content)).exists()
    reason = checked.reason
    if not reason and number and not archived and Document.objects.filter(number=number, is_signed=True).exists():
        reason = _("The file differs from the archived original of %(number)s.") % {"number": number}
    return Verification(
        valid=not reason,
        signers=checked.signers,
        covered_whole=checked.covered_whole,
        reason=reason,
        number=number,
        archived=archived,
    )


def _number_in(keywords: str) -> str:
    words = (word.strip() for word in keywords.split(","))
    return next((word.removeprefix(NUMBER_MARK) for word in words if word.startswith(NUMBER_MARK)), "")


@transaction.atomic
def store(
    *,
    content: bytes,
    filename: str,
    kind: str,
    legal_entity_id: UUID,
    owner_kind: str,
    owner_ref: UUID,
    customer_ref: UUID | None = None,
    dealer_ref: UUID | None = None,
    shop_ref: UUID | None = None,
    consultant_ref: UUID | None = None,
    number: str = "",
    is_signed: bool = False,
    actor: Actor,
    now: datetime,
) -> Document:
    """Archive a PDF, JPEG or PNG and return its document; without a number it gets the next of the series DA.

    The caller has asked whether the actor may. The same number with the same content returns the document that is there.
    Raises `uploads.UploadRefused` for other files, `NumberTaken`, `archive.ArchiveNotWritable`.
    """
    content_type = uploads.check_content(content)
    sha256 = archive.address_of(content)
    number = number.upper() or next_number("DA", local_date(now))
    existing = Document.objects.filter(number=number).first()
    if existing is not None:
        return _same(existing, sha256)
    archive.put(content)
    try:
        with transaction.atomic():
            return Document.objects.create(
                kind=kind,
                number=number,
                legal_entity_id=legal_entity_id,
                owner_kind=owner_kind,
                owner_ref=owner_ref,
                customer_ref=customer_ref,
                dealer_ref=dealer_ref,
                shop_ref=shop_ref,
                consultant_ref=consultant_ref,
                filename=_safe_name(filename, content_type),
                content_type=content_type,
                size=len(content),
                sha256=sha256,
                is_signed=is_signed,
                archived_by=str(actor),
            )
    except IntegrityError:
        return _same(Document.objects.get(number=number), sha256)


def _same(existing: Document, sha256: str) -> Document:
    if existing.sha256 != sha256:
        raise NumberTaken(_("The number %(number)s belongs to another document.") % {"number": existing.number})
    return existing


def _safe_name(filename: str, content_type: str) -> str:
    """No folders, no control signs, the ending of the true type."""
    stem = filename.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    stem = "".join(sign for sign in stem if sign.isprintable() and sign not in '<>:"|?*').strip(" .")[:100]
    return f"{stem or 'document'}.{EXTENSIONS[content_type]}"


def issue(
    *,
    kind: str,
    number: str,
    template: str,
    context: dict[str, Any],
    signers: list[Signer],
    legal_entity_id: UUID,
    owner_kind: str,
    owner_ref: UUID,
    customer_ref: UUID | None = None,
    dealer_ref: UUID | None = None,
    shop_ref: UUID | None = None,
    consultant_ref: UUID | None = None,
    filename: str = "",
    mark: str = "",
    actor: Actor,
    now: datetime,
) -> Document:
    """Render, sign and archive a paper under its number; called again with the number it returns the paper that is there.

    Not inside a transaction. The template gets `number` beside the context, or `mark` when the paper shows another number than that of
    its place in the archive (a contract that is still to be signed). Raises what `render`, `sign` and `store` raise.
    """
    number = number.upper()
    existing = Document.objects.filter(number=number).first()
    if existing is not None:
        return existing
    content = sign(content=render(template=template, context={**context, "number": mark or number}), signers=signers, now=now)
    try:
        return store(
            content=content,
            filename=filename or f"{number}.pdf",
            kind=kind,
            legal_entity_id=legal_entity_id,
            owner_kind=owner_kind,
            owner_ref=owner_ref,
            customer_ref=customer_ref,
            dealer_ref=dealer_ref,
            shop_ref=shop_ref,
            consultant_ref=consultant_ref,
            number=number,
            is_signed=bool(signers),
            actor=actor,
            now=now,
        )
    except NumberTaken:
        return Document.objects.get(number=number)  # issued by another process at the same time


def read(document_id: UUID) -> bytes:
    """The content of a document, for our own processes. Raises `NotFound`, `archive.ArchiveDamaged`."""
    document = Document.objects.filter(id=document_id).first()
    if document is None:
        raise NotFound
    return archive.get(document.sha256)


@transaction.atomic
def download(*, document_id: UUID, actor: Actor, now: datetime) -> Download:
    """Take a document out for a person: only what their scope covers, and written down. Raises `NotFound`."""
    document = Document.objects.within(actor.data_scope).filter(id=document_id).first()
    if document is None:
        raise NotFound
    content = archive.get(document.sha256)
    DocumentDownload.objects.create(document=document, at=now, actor=str(actor), user_ref=actor.user_id)
    return Download(content=content, filename=document.filename, content_type=document.content_type)


def qr_svg(url: str) -> str:
    """The QR code of an address as inline SVG."""
    return qr.svg(url)


__all__ = ["PDF", "Download", "download", "issue", "load_engines", "qr_svg", "read", "render", "sign", "store", "verify"]
