"""The time stamp authority: RFC 3161 over HTTP, with a key and certificate of its own, kept between runs.

The certificate is its own trust root and is published. `?at=` (ISO, with zone) is the moment to attest, since the project's clock may
stand elsewhere than the wall clock; without it the wall clock counts.
"""

from __future__ import annotations

import datetime as dt
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from asn1crypto import core, keys, tsp, x509
from cryptography import x509 as cx509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper

from apps.integrations.sandbox.wire import Refusal, Request, Response, route
from apps.integrations.sandbox.world import World

QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
_HASHES = {"sha256", "sha384", "sha512"}
_FILE = "timestamp-authority.pem"


class Rejection(core.Sequence):
    """A `TimeStampResp` without a token, which asn1crypto's own class cannot write."""

    _fields = [("status", tsp.PKIStatusInfo)]


@dataclass
class Authority:
    """The loaded key and certificate."""

    key: keys.PrivateKeyInfo | None = None
    certificate: x509.Certificate | None = None
    pem: bytes = field(default=b"")

    def load(self, folder: Path) -> None:
        """Read both from the folder, making them at the first run."""
        path = folder / _FILE
        if not path.exists():
            _create(path)
        content = path.read_bytes()
        certificate = cx509.load_pem_x509_certificate(content)
        key = serialization.load_pem_private_key(content, password=None)
        der_key = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.key = keys.PrivateKeyInfo.load(der_key)
        self.certificate = x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)


def _create(path: Path) -> None:
    """Make key and certificate in one file, so that two processes starting together agree on one pair."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    name = cx509.Name(
        [
            cx509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            cx509.NameAttribute(NameOID.ORGANIZATION_NAME, "Carloan Sandbox"),
            cx509.NameAttribute(NameOID.COMMON_NAME, "Carloan Sandbox Time Stamp Authority"),
        ]
    )
    usage = {"content_commitment": True, "key_encipherment": False, "data_encipherment": False, "key_agreement": False}
    certificate = (
        cx509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(cx509.random_serial_number())
        .not_valid_before(dt.datetime(2015, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2049, 12, 31, tzinfo=dt.UTC))
        .add_extension(cx509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            cx509.KeyUsage(digital_signature=True, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False, **usage),
            critical=True,
        )
        .add_extension(cx509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .add_extension(cx509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    content = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    content += certificate.public_bytes(serialization.Encoding.PEM)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    try:
        os.link(draft, path)  # unlike a rename, fails when another process was first: its pair stands
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _authority(world: World) -> Authority:
    authority = world.part(Authority)
    if authority.key is None:
        authority.load(world.config.pki_dir)
    return authority


def _rejection(failure: str) -> Response:
    status = tsp.PKIStatusInfo({"status": "rejection", "fail_info": {failure}})
    return Response(200, Rejection({"status": status}).dump(), REPLY)


@route("POST", "/timestamp", party="timestamp", operation="stamp")
def stamp(world: World, request: Request) -> Response:
    """A DER `TimeStampReq` → a DER `TimeStampResp`: granted, or rejected for bad data or a weak hash."""
    if request.content_type != QUERY:
        raise Refusal(415, "wrong_type", f"Send {QUERY}.")
    at = dt.datetime.now(dt.UTC)
    if text := request.query.get("at"):
        try:
            at = dt.datetime.fromisoformat(text)
        except ValueError:
            raise Refusal(422, "bad_time", "at is an ISO moment with a zone.") from None
        if at.tzinfo is None:
            raise Refusal(422, "bad_time", "at is an ISO moment with a zone.")
    try:
        asked = tsp.TimeStampReq.load(request.body, strict=True)
        algorithm = asked["message_imprint"]["hash_algorithm"]["algorithm"].native
        digest = asked["message_imprint"]["hashed_message"].native
    except (ValueError, TypeError):
        return _rejection("bad_data_format")
    if algorithm not in _HASHES:
        return _rejection("bad_alg")
    if len(digest) * 8 != int(algorithm[3:]) or request.fault == "refused":
        return _rejection("bad_data_format")
    authority = _authority(world)
    stamper = DummyTimeStamper(authority.certificate, authority.key, fixed_dt=at.astimezone(dt.UTC).replace(microsecond=0))
    return Response(200, stamper.request_tsa_response(asked).dump(), REPLY)


@route("GET", "/timestamp/certificate", party="timestamp", operation="certificate", public=True)
def certificate(world: World, request: Request) -> Response:
    """The authority's certificate as PEM, to be trusted as a root."""
    return Response(200, _authority(world).pem, "application/x-pem-file")
