"""Questions about the archive."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.documents.domain import DocumentBrief
from apps.documents.models import Document


def by_number(number: str) -> Document | None:
    """The paper that we issued and signed under a number; None when there is none. Open to everybody: the number is the key.

    We vouch for nothing that somebody handed in, nor for what still waits for its signatures.
    """
    return Document.objects.filter(number=number.strip().upper(), is_signed=True).first()


def owned_by(owner_kind: str, owner_ref: UUID) -> list[DocumentBrief]:
    """Papers of one owner (such as "application"), newest first. The caller holds the scope."""
    rows = Document.objects.filter(owner_kind=owner_kind, owner_ref=owner_ref).order_by("-created_at", "-id")
    return [brief_of(row) for row in rows]


def brief(document_id: UUID) -> DocumentBrief | None:
    """One document by id; None when there is none. The caller holds the scope."""
    row = Document.objects.filter(id=document_id).first()
    return brief_of(row) if row else None


def brief_of(row: Document) -> DocumentBrief:
    return DocumentBrief(
        id=row.id,
        kind=row.kind,
        kind_name=row.get_kind_display(),
        number=row.number,
        filename=row.filename,
        content_type=row.content_type,
        size=row.size,
        sha256=row.sha256,
        is_signed=row.is_signed,
        created_at=row.created_at,
    )


def visible_documents(user: Any) -> QuerySet[Any]:
    """Papers that a user may see, newest first."""
    return Document.objects.visible_to(user).select_related("legal_entity").order_by("-created_at")
