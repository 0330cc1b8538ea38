"""Certificates: the authority that issues them, one certificate per signing party, and the roots that a check trusts.

`PKI_DIR` holds `ca.pem`, `ca.key` (under field encryption), `tsa/*.pem`, the roots of time stamp authorities, and `roots/*.pem`, the
authorities that issued before: what they signed stays valid. In production all of them are put there beforehand. Elsewhere a test authority
is created on first use, and the time stamp authority's certificate is learnt from its first answer to us.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.common import crypto
from apps.common.errors import CarloanError
from apps.documents.domain import Signer
from apps.documents.models import SigningCertificate

_DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")  # RFC 9336
_KEY_BITS = 2048
_CA_KEY_BITS = 3072
_CA_FROM = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
_CA_UNTIL = dt.datetime(2060, 1, 1, tzinfo=dt.UTC)
_VALID_FOR = dt.timedelta(days=5 * 365)
_RENEW_BEFORE = dt.timedelta(days=30)
_BACKDATED = dt.timedelta(days=1)  # the time stamp authority's clock may stand behind ours


class PkiMissing(CarloanError):
    """There is no certificate authority to sign with."""

    status = 503
    code = "pki_missing"
    title = _("Signing is not set up. Put ca.pem, ca.key and tsa/*.pem into the folder in PKI_DIR.")


class PkiNotWritable(CarloanError):
    """The test authority cannot be created."""

    status = 503
    code = "pki_not_writable"
    title = _("The folder in PKI_DIR cannot be written. Make it writable, or put ca.pem and ca.key there.")


@dataclass(frozen=True)
class Authority:
    """The issuing authority."""

    certificate: x509.Certificate
    private_key: rsa.RSAPrivateKey

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()


@dataclass(frozen=True)
class SigningIdentity:
    """What pyHanko signs with: a party's certificate and key, and the issuer's certificate."""

    certificate: asn1_x509.Certificate
    private_key: asn1_keys.PrivateKeyInfo
    issuer: asn1_x509.Certificate


def _folder() -> Path:
    return Path(settings.PKI_DIR)


@contextmanager
def _lock() -> Iterator[None]:
    """One process at a time creates what is missing."""
    try:
        _folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(_folder() / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise PkiNotWritable from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    temporary = path.with_suffix(".writing")
    temporary.write_bytes(content)
    temporary.chmod(0o600)
    temporary.replace(path)


def authority() -> Authority:
    """The issuing authority of `PKI_DIR`; outside production created on first use. Raises `PkiMissing`."""
    certificate_path, key_path = _folder() / "ca.pem", _folder() / "ca.key"
    if not (certificate_path.exists() and key_path.exists()):
        if settings.PRODUCTION:
            raise PkiMissing
        with _lock():
            if not (certificate_path.exists() and key_path.exists()):
                _create_authority(certificate_path, key_path)
    key = _load_key(crypto.decrypt_bytes(key_path.read_text(), context="pki:ca"))
    if not isinstance(key, rsa.RSAPrivateKey):
        raise PkiMissing(_("The authority's key in ca.key is not an RSA key."))
    return Authority(x509.load_pem_x509_certificate(certificate_path.read_bytes()), key)


def _load_key(pem: bytes) -> Any:
    """A private key of ours. Its numbers are not checked again: it comes out of authenticated encryption, as we wrote it."""
    return serialization.load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)


def _create_authority(certificate_path: Path, key_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=_CA_KEY_BITS)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Carloan"),
            x509.NameAttribute(NameOID.COMMON_NAME, "Carloan Test CA"),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_CA_FROM)
        .not_valid_after(_CA_UNTIL)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(key_path, crypto.encrypt_bytes(_pem_of(key), context="pki:ca").encode())
    _write(certificate_path, certificate.public_bytes(serialization.Encoding.PEM))


def _pem_of(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _usage(**on: bool) -> x509.KeyUsage:
    flags = dict.fromkeys(
        (
            "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
            "crl_sign", "encipher_only", "decipher_only",
        ),
        False,
    )  # fmt: skip
    return x509.KeyUsage(**(flags | on))


def identity_of(signer: Signer, *, now: dt.datetime) -> SigningIdentity:
    """The signer's certificate in use; issued when there is none, and anew when it ends soon, its subject changed, or the authority did.

    Safe to call in parallel: the party's row is locked, and the database keeps one certificate in use per party.
    """
    issuer = authority()
    index = crypto.blind_index(f"{signer.name}|{signer.identifier}", purpose="certificate_subject")
    with transaction.atomic():
        row = SigningCertificate.objects.select_for_update().filter(kind=signer.kind, ref=signer.ref, retired_at__isnull=True).first()
        fits = row is not None and (
            row.issuer_fingerprint == issuer.fingerprint
            and row.subject_index == index
            and row.not_before <= now
            and row.not_after - _RENEW_BEFORE > now
        )
        if row is not None and not fits:
            row.retired_at = now
            row.save(update_fields=["retired_at"])
            row = None
        if row is None:
            row = _issue(signer, issuer, index, now)
    return SigningIdentity(
        certificate=_asn1(x509.load_pem_x509_certificate(row.certificate.encode())),
        private_key=asn1_keys.PrivateKeyInfo.load(
            _load_key(row.private_key.encode()).private_bytes(
                serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        ),
        issuer=_asn1(issuer.certificate),
    )


def _issue(signer: Signer, issuer: Authority, index: str, now: dt.datetime) -> SigningCertificate:
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    name_of_kind = NameOID.ORGANIZATION_NAME if signer.kind == "company" else NameOID.GIVEN_NAME
    attributes = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
        x509.NameAttribute(name_of_kind, signer.name[:64]),
        x509.NameAttribute(NameOID.COMMON_NAME, signer.name[:64]),
    ]
    if signer.identifier:
        name_of_identifier = NameOID.ORGANIZATION_IDENTIFIER if signer.kind == "company" else NameOID.USER_ID
        attributes.append(x509.NameAttribute(name_of_identifier, signer.identifier[:64]))
    serial = x509.random_serial_number()
    not_before, not_after = now - _BACKDATED, min(now + _VALID_FOR, _CA_UNTIL)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(attributes))
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True, content_commitment=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([_DOCUMENT_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.private_key.public_key()), critical=False)
        .sign(issuer.private_key, hashes.SHA256())
    )
    return SigningCertificate.objects.create(
        kind=signer.kind,
        ref=signer.ref,
        subject=f"{signer.name} {signer.identifier}".strip(),
        subject_index=index,
        serial=f"{serial:x}",
        issuer_fingerprint=issuer.fingerprint,
        certificate=certificate.public_bytes(serialization.Encoding.PEM).decode(),
        private_key=_pem_of(key).decode(),
        not_before=not_before,
        not_after=not_after,
    )


def _asn1(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))


def signing_roots() -> list[asn1_x509.Certificate]:
    """The roots that a signature's certificate must come from: the authority that issues now, and those that did before."""
    path = _folder() / "ca.pem"
    current = x509.load_pem_x509_certificate(path.read_bytes()) if path.exists() else authority().certificate
    return [_asn1(current), *(root for root in _certificates_in("roots") if root.dump() != _asn1(current).dump())]


def timestamp_roots() -> list[asn1_x509.Certificate]:
    """The roots of the time stamp authorities that count."""
    return _certificates_in("tsa")


def _certificates_in(name: str) -> list[asn1_x509.Certificate]:
    return [_asn1(x509.load_pem_x509_certificate(path.read_bytes())) for path in sorted((_folder() / name).glob("*.pem"))]


def learn_timestamp_root(certificate: asn1_x509.Certificate) -> None:
    """Outside production: trust the authority that answered our own request. In production the roots are put there by hand."""
    if settings.PRODUCTION:
        return
    loaded = x509.load_der_x509_certificate(certificate.dump())
    path = _folder() / "tsa" / f"{loaded.fingerprint(hashes.SHA256()).hex()}.pem"
    if path.exists():
        return
    with _lock():
        path.parent.mkdir(exist_ok=True, mode=0o700)
        _write(path, loaded.public_bytes(serialization.Encoding.PEM))
