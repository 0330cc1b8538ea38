"""PAdES-B-T: a party's signature in a PDF with an RFC 3161 time stamp, visible as a seal or a name."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import io
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from asn1crypto import algos, cms, tsp
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter, append_signature_field
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes, SimpleSigner
from pyhanko.sign.timestamps import TimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

from apps.common.clock import BEIJING
from apps.common.gateways import GatewayUnknown
from apps.documents import appearance, pki
from apps.documents.domain import SealBox, Signer
from apps.documents.gateways import timestamp_authority

DIGEST = "sha256"
# Room for the signature in the file, in hex digits: two certificates and a time stamp with its chain need about half of it.
_RESERVED = 24_576
_Result = TypeVar("_Result")


class PortTimeStamper(TimeStamper):
    """pyHanko's time stamper over our port. The call is synchronous: it is made between pyHanko's steps, outside its event loop."""

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        return self._ask(req)

    def _ask(self, request: tsp.TimeStampReq) -> tsp.TimeStampResp:
        return tsp.TimeStampResp.load(timestamp_authority().stamp(request.dump()))

    def stamp(self, digest: bytes) -> cms.ContentInfo:
        """The time stamp token over a SHA-256 digest. Raises `GatewayUnknown` for an answer that belongs to another request."""
        nonce, request = self.request_cms(digest, DIGEST)
        token = self._ask(request)["time_stamp_token"]
        stamped = token["content"]["encap_content_info"]["content"].parsed
        if stamped["nonce"].native != int(nonce) or stamped["message_imprint"]["hashed_message"].native != digest:
            raise GatewayUnknown("The time stamp belongs to another request.")
        _name_algorithm(token["content"]["signer_infos"][0])
        for certificate in token["content"]["certificates"]:
            # Roots only: what signed itself. A chain's upper end is what a check has to trust.
            if certificate.chosen.self_issued:
                pki.learn_timestamp_root(certificate.chosen)
        return token


def _name_algorithm(info: cms.SignerInfo) -> None:
    """Write RSA with its digest where an authority writes RSA alone. Both mean the same and neither is signed: with one form allowed, a
    change from one to the other is found."""
    if info["signature_algorithm"]["algorithm"].native == "rsassa_pkcs1v15":
        digest = info["digest_algorithm"]["algorithm"].native
        info["signature_algorithm"] = algos.SignedDigestAlgorithm({"algorithm": f"{digest}_rsa"})


def _run(step: Coroutine[Any, Any, _Result]) -> _Result:
    return asyncio.run(step)


def add_fields(content: bytes, boxes: Iterable[SealBox]) -> bytes:
    """The PDF with an empty signature field at each place, all laid before the first signature."""
    boxes = list(boxes)
    if not boxes:
        return content
    writer = IncrementalPdfFileWriter(io.BytesIO(content))
    for box in boxes:
        spec = SigFieldSpec(box.field, on_page=box.page, box=(box.left, box.bottom, box.right, box.top))
        append_signature_field(writer, spec)
    output = io.BytesIO()
    writer.write(output)
    return output.getvalue()


def add_signature(content: bytes, signer: Signer, *, now: dt.datetime) -> bytes:
    """The PDF with one more signature. Calls the time stamp authority: never inside a transaction.

    Raises the gateway's failures, and `pki.PkiMissing`.
    """
    identity = pki.identity_of(signer, now=now)
    store = SimpleCertificateStore.from_certs([identity.issuer])
    simple = SimpleSigner(
        signing_cert=identity.certificate, signing_key=identity.private_key, cert_registry=store, signature_mechanism=_mechanism()
    )
    local = now.astimezone(BEIJING)
    metadata = signers.PdfSignatureMetadata(
        field_name=signer.field,
        md_algorithm=DIGEST,
        subfilter=SigSeedSubFilter.PADES,
        name=signer.name,
        reason=signer.reason or None,
    )
    pdf_signer = signers.PdfSigner(metadata, signer=simple, stamp_style=appearance.style_of(signer, local))
    session = pdf_signer.init_signing_session(IncrementalPdfFileWriter(io.BytesIO(content)))
    session.system_time = local
    prepared = session.prepare_tbs_document(None, _RESERVED)
    digest, output = prepared.digest_tbs_document()
    signed = _run(
        simple.async_sign(digest.document_digest, DIGEST, use_pades=True, signed_attr_settings=PdfCMSSignedAttributes(signing_time=local))
    )
    digest.fill_with_cms(output, _with_timestamp(signed))
    output.seek(0)
    return output.read()


def _mechanism() -> algos.SignedDigestAlgorithm:
    return algos.SignedDigestAlgorithm({"algorithm": "sha256_rsa"})


def _with_timestamp(signed: cms.ContentInfo) -> cms.ContentInfo:
    """Put the time stamp over the signature value into the unsigned attributes: this makes B-T of B-B."""
    info = signed["content"]["signer_infos"][0]
    token = PortTimeStamper().stamp(hashlib.sha256(info["signature"].native).digest())
    info["unsigned_attrs"] = cms.CMSAttributes([cms.CMSAttribute({"type": "signature_time_stamp_token", "values": [token]})])
    return signed
