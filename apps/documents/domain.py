"""Words of the archive and of signatures."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

PDF: Final = "application/pdf"
JPEG: Final = "image/jpeg"
PNG: Final = "image/png"

# The archive takes what it can show and print for the next twenty years, recognised by its first bytes, whatever its name says.
SIGNATURES: Final[tuple[tuple[bytes, str], ...]] = ((b"%PDF-", PDF), (b"\xff\xd8\xff", JPEG), (b"\x89PNG\r\n\x1a\n", PNG))
EXTENSIONS: Final[dict[str, str]] = {PDF: "pdf", JPEG: "jpg", PNG: "png"}
COMPANY: Final = "company"
PERSON: Final = "person"


def content_type_of(content: bytes) -> str | None:
    """The type that the bytes themselves show: PDF, JPEG or PNG; None for anything else."""
    return next((kind for magic, kind in SIGNATURES if content.startswith(magic)), None)


@dataclass(frozen=True)
class Signer:
    """One party that signs.

    `field` names the place in the template (`<div id="sign-FIELD">`); without such a place the signature is invisible. `kind` is
    `company` (a round red seal) or `person` (name and time). `ref` is the id under which the certificate is kept. `identifier` stands
    in the certificate: the social credit code of a company, a masked ID number of a person.
    """

    field: str
    kind: Literal["company", "person"]
    ref: UUID
    name: str
    identifier: str = ""
    seal: str = "合同专用章"
    reason: str = ""


@dataclass(frozen=True)
class SignatureFacts:
    """What a verified signature says: who, when by the time stamp authority, and whether certificate and time are trusted."""

    field: str
    name: str
    identifier: str
    signed_at: datetime | None
    trusted: bool


@dataclass(frozen=True)
class Verification:
    """The result of a check.

    `valid`: at least one signature, each intact, from a trusted certificate, with a trusted time stamp, nothing added after the last,
    and not other than the archived original of the same number. `covered_whole`: the last signature covers the whole file. `reason`:
    why not valid, empty otherwise. `number`: the number that the file bears. `archived`: the file is, byte by byte, one that the
    archive keeps.
    """

    valid: bool
    signers: tuple[SignatureFacts, ...] = field(default_factory=tuple)
    covered_whole: bool = False
    reason: str = ""
    number: str = ""
    archived: bool = False


@dataclass(frozen=True)
class SealBox:
    """Where a signature stands: page (from 0) and its rectangle in PDF points from the lower left corner."""

    field: str
    page: int
    left: int
    bottom: int
    right: int
    top: int


@dataclass(frozen=True)
class DocumentBrief:
    """A document as others may know it; the content is read or downloaded by `id`."""

    id: UUID
    kind: str
    kind_name: str
    number: str
    filename: str
    content_type: str
    size: int
    sha256: str
    is_signed: bool
    created_at: datetime
