"""Is a signed PDF whole, by whom, and when? Any changed byte is found, also those that cryptography alone does not look at.

A PDF signature leaves out the digits of the signature itself, and a CMS structure has parts that no digest covers. So beside the
cryptographic check, the left-out part must be exactly the canonical writing of what is read from it, and each certificate inside must
be one that the check used.
"""

from __future__ import annotations

import binascii
import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from asn1crypto import algos, cms, core, parser, tsp
from asn1crypto import x509 as asn1_x509
from django.utils.translation import gettext as _
from pyhanko.pdf_utils.misc import PdfError, PdfReadError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.general import UnacceptableSignerError
from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.errors import PathError

from apps.documents import pki
from apps.documents.domain import SignatureFacts

log = structlog.get_logger(__name__)
_TIMESTAMP = "signature_time_stamp_token"
_DIGESTS = {"sha256", "sha384", "sha512"}
_CLOCK_TOLERANCE = timedelta(minutes=5)


class _Broken(Exception):
    """What is wrong, in words for the reader."""


@dataclass(frozen=True)
class Checked:
    """The cryptographic result, without the archive's."""

    reason: str
    signers: tuple[SignatureFacts, ...]
    covered_whole: bool
    keywords: str


def check_pdf(content: bytes) -> Checked:
    """Check every signature of a PDF against our roots. Never raises for a bad file: the reason says what is wrong."""
    facts: list[SignatureFacts] = []
    covered_whole = False
    keywords = ""
    try:
        reader = PdfFileReader(io.BytesIO(content), strict=True)
        keywords = _keywords(reader)
        signatures = list(reader.embedded_regular_signatures)
        if not signatures:
            raise _Broken(_("The file bears no signature."))
        if any(signature not in signatures for signature in reader.embedded_signatures):
            raise _Broken(_("The file bears a signature of an unknown kind."))
        for signature in reversed(signatures):  # the last one covers the whole file: a change shows there first
            facts.insert(0, _check_signature(content, signature, last=signature is signatures[-1]))
        covered_whole = signatures[-1].evaluate_signature_coverage() == SignatureCoverageLevel.ENTIRE_FILE
    except _Broken as broken:
        return Checked(str(broken), tuple(facts), False, keywords)
    except (PdfError, PdfReadError, SignatureValidationError, UnacceptableSignerError, PathError) as error:
        return Checked(_("The file is damaged or was changed: %(why)s") % {"why": error}, tuple(facts), False, keywords)
    except Exception as error:  # noqa: BLE001  (a changed byte may break any of the parsers below us; none of that makes a file valid)
        log.info("verification_unreadable", error=repr(error)[:200])
        return Checked(_("The file cannot be read as a signed PDF: it is damaged or was changed."), tuple(facts), False, keywords)
    return Checked("", tuple(facts), covered_whole, keywords)


def _keywords(reader: PdfFileReader) -> str:
    try:
        return str(reader.trailer["/Info"]["/Keywords"])
    except KeyError:
        return ""


def _check_signature(content: bytes, signature: EmbeddedPdfSignature, *, last: bool) -> SignatureFacts:
    der = signature.pkcs7_content
    _check_gap(content, signature, der)
    if signature.compute_digest() != _signed_digest(signature):
        raise _Broken(_("The content was changed after the signature."))
    token = _check_cms(signature)
    stamped_at = token["content"]["encap_content_info"]["content"].parsed["gen_time"].native
    roots, stamp_roots = pki.signing_roots(), pki.timestamp_roots()
    _check_certificates(signature.signed_data, signature.signer_cert, roots)
    stamp_signer = _check_token(token, stamp_roots)
    status = validate_pdf_signature(
        signature,
        signer_validation_context=_context(roots, stamped_at),
        ts_validation_context=_context(stamp_roots, stamped_at, others=[stamp_signer]),
        key_usage_settings=KeyUsageConstraints(key_usage={"digital_signature", "non_repudiation"}, match_all_key_usages=True),
    )
    name = signature.signer_cert.subject.native
    facts = SignatureFacts(
        field=signature.field_name,
        name=str(name.get("common_name", "")),
        identifier=str(name.get("organization_identifier") or name.get("user_id") or ""),
        signed_at=stamped_at.astimezone(UTC),
        trusted=bool(status.trusted),
    )
    stamp = status.timestamp_validity
    if not (status.intact and status.valid):
        raise _Broken(_("The content was changed after %(name)s signed.") % {"name": facts.name})
    if not status.trusted:
        raise _Broken(_("The certificate of %(name)s does not come from our authority.") % {"name": facts.name})
    if stamp is None or not (stamp.intact and stamp.valid and stamp.trusted):
        raise _Broken(_("The time stamp on the signature of %(name)s is not trusted.") % {"name": facts.name})
    wanted = SignatureCoverageLevel.ENTIRE_FILE if last else SignatureCoverageLevel.ENTIRE_REVISION
    if status.coverage < wanted:
        raise _Broken(_("Something was added to the file after the last signature."))
    if status.modification_level is None or status.modification_level > ModificationLevel.FORM_FILLING:
        raise _Broken(_("The content was changed after %(name)s signed.") % {"name": facts.name})
    return facts


def _check_gap(content: bytes, signature: EmbeddedPdfSignature, der: bytes) -> None:
    """The part that the byte range leaves out is `<`, the signature in capital hex digits, zeros, `>`, and nothing else."""
    start, length, after, tail = (int(number) for number in signature.byte_range)
    gap = content[start + length : after]
    size = len(cms.ContentInfo.load(der).dump())
    digits = binascii.hexlify(der[:size]).upper()
    if start != 0 or tail <= 0 or gap[:1] != b"<" or gap[-1:] != b">" or gap[1:-1] != digits.ljust(len(gap) - 2, b"0"):
        raise _Broken(_("The signature was changed."))
    _check_encoding(der[:size])


def _check_encoding(der: bytes) -> None:
    """Every length is the shortest and true, and nothing lies between the parts."""
    while der:
        kind, method, tag, header, inner, trailer = parser.parse(der, strict=False)
        whole = len(header) + len(inner) + len(trailer)
        if (kind, tag) == (0, 0) or parser.emit(kind, method, tag, inner) != der[:whole]:
            raise _Broken(_("The signature was changed."))
        if method == 1:
            _check_encoding(inner)
        der = der[whole:]


def _signed_digest(signature: EmbeddedPdfSignature) -> bytes:
    """The digest of the content that the signature speaks of."""
    attributes = signature.signer_info["signed_attrs"]
    return bytes(next(attribute["values"][0].native for attribute in attributes if attribute["type"].native == "message_digest"))


def _check_cms(signature: EmbeddedPdfSignature) -> cms.ContentInfo:
    """The parts of the signature that no digest covers have the one form in which we write them; returns its time stamp token."""
    unsigned = signature.signer_info["unsigned_attrs"]
    names = [] if isinstance(unsigned, core.Void) else [attribute["type"].native for attribute in unsigned]
    if not _is_plain(signature.signed_data, version="v1") or names != [_TIMESTAMP] or len(unsigned[0]["values"]) != 1:
        raise _Broken(_("The signature has no time stamp or is of an unknown form."))
    return unsigned[0]["values"][0]


def _is_plain(data: Any, *, version: str) -> bool:
    """One signer; versions as the standard prescribes; the signer's digest algorithm and no other, without parameters; the signature
    algorithm named with its digest; no lists of revoked certificates."""
    if len(data["signer_infos"]) != 1 or len(data["digest_algorithms"]) != 1:
        return False
    info = data["signer_infos"][0]
    digest = info["digest_algorithm"]["algorithm"].native
    if digest not in _DIGESTS:
        return False
    forms = {algos.DigestAlgorithm({"algorithm": digest} | more).dump() for more in ({}, {"parameters": core.Null()})}
    signing = {algos.SignedDigestAlgorithm({"algorithm": f"{digest}_{kind}"}).dump() for kind in ("rsa", "ecdsa")}
    return (
        data["version"].native == version
        and info["version"].native == "v1"
        and info["signature_algorithm"].dump() in signing
        and data["digest_algorithms"][0].dump() in forms
        and info["digest_algorithm"].dump() in forms
        and isinstance(data["crls"], core.Void)
    )


def _check_certificates(data: Any, signer: asn1_x509.Certificate, roots: list[asn1_x509.Certificate]) -> None:
    """Each certificate that travels along is the signer's (bound by the signed attributes) or a root of ours, byte by byte."""
    known = {signer.dump(), *(root.dump() for root in roots)}
    if any(choice.chosen.dump() not in known for choice in data["certificates"]):
        raise _Broken(_("The signature bears a certificate that is not ours."))


def _check_token(token: cms.ContentInfo, roots: list[asn1_x509.Certificate]) -> asn1_x509.Certificate:
    """The same for the time stamp token; returns the certificate that signed it."""
    data = token["content"]
    info = data["signer_infos"][0]
    content = data["encap_content_info"]
    if (
        not _is_plain(data, version="v3")
        or not isinstance(info["unsigned_attrs"], core.Void)
        or content["content_type"].native != "tst_info"
        or not isinstance(content["content"].parsed, tsp.TSTInfo)
    ):
        raise _Broken(_("The time stamp is of an unknown form."))
    certificates = [choice.chosen for choice in data["certificates"]]
    sid = info["sid"].chosen
    signer = next(
        (
            certificate
            for certificate in certificates
            if isinstance(sid, cms.IssuerAndSerialNumber)
            and certificate.issuer == sid["issuer"]
            and certificate.serial_number == sid["serial_number"].native
        ),
        None,
    )
    if signer is None:
        raise _Broken(_("The time stamp does not say who gave it."))
    _check_certificates(data, signer, roots)
    return signer


def _context(roots: list[asn1_x509.Certificate], moment: datetime, others: list[asn1_x509.Certificate] | None = None) -> ValidationContext:
    """Validity at the moment of the time stamp. Revocation lists do not exist for the test authority: soft-fail, nothing fetched."""
    return ValidationContext(
        trust_roots=roots,
        other_certs=others or [],
        moment=moment,
        allow_fetching=False,
        revocation_mode="soft-fail",
        time_tolerance=_CLOCK_TOLERANCE,
    )
