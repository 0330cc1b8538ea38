"""Archived documents, who took them out, and the certificates that sign."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.common import crypto
from apps.common.audit import audited
from apps.common.models import BusinessModel
from apps.common.scope import Scope


@audited()
class Document(BusinessModel):
    """One archived file. The content lies in the archive under its SHA-256 and never changes; a new version is a new document."""

    class Kind(models.TextChoices):
        CREDIT_AUTHORISATION = "credit_authorisation", _("credit-query authorisation")
        DATA_CONSENT = "data_consent", _("personal data consent")
        CONTRACT = "contract", _("contract, to be signed")
        SIGNED_CONTRACT = "signed_contract", _("signed contract")
        COST_TABLE = "cost_table", _("full cost table")
        DEALER_AGREEMENT = "dealer_agreement", _("dealer agreement")
        VOUCHER = "voucher", _("disbursement voucher")
        REPAYMENT_VOUCHER = "repayment_voucher", _("repayment voucher")
        SETTLEMENT_CERTIFICATE = "settlement_certificate", _("settlement certificate")
        STATEMENT = "statement", _("statement")
        DELIVERY_PAPER = "delivery_paper", _("delivery paper")
        UPLOAD = "upload", _("uploaded paper")

    kind = models.CharField(_("kind"), max_length=32, choices=Kind.choices, db_index=True)
    number = models.CharField(_("number"), max_length=40, unique=True)
    legal_entity = models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", verbose_name=_("legal entity")
    )
    owner_kind = models.CharField(_("belongs to"), max_length=32)
    owner_ref = models.UUIDField(_("owner"))
    customer_ref = models.UUIDField(_("customer"), null=True, blank=True, db_index=True)
    dealer_ref = models.UUIDField(_("dealer"), null=True, blank=True, db_index=True)
    shop_ref = models.UUIDField(_("shop"), null=True, blank=True)
    consultant_ref = models.UUIDField(_("consultant"), null=True, blank=True)
    filename = models.CharField(_("file name"), max_length=120)
    content_type = models.CharField(_("type"), max_length=32)
    size = models.PositiveIntegerField(_("size (bytes)"))
    sha256 = models.CharField(_("SHA-256"), max_length=64, db_index=True)
    is_signed = models.BooleanField(_("signed"), default=False)
    archived_by = models.CharField(_("archived by"), max_length=100)

    scope = Scope(entity="legal_entity_id", dealer="dealer_ref", shop="shop_ref", consultant="consultant_ref", customer="customer_ref")

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        indexes = [models.Index(fields=["owner_kind", "owner_ref"], name="document_of_owner")]
        triggers = [
            # Whose papers these are may be corrected; what they say may not.
            pgtrigger.Protect(
                name="content_fixed",
                operation=pgtrigger.UpdateOf("sha256", "number", "kind", "size", "content_type", "legal_entity_id", "is_signed"),
            ),
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return self.number


class DocumentDownload(BusinessModel):
    """Somebody took a document out; append-only."""

    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="downloads", verbose_name=_("document"))
    at = models.DateTimeField(_("at"))
    actor = models.CharField(_("who"), max_length=100)
    user_ref = models.UUIDField(_("user"), null=True, blank=True)

    scope = Scope(entity="document__legal_entity_id")

    class Meta:
        verbose_name = _("download")
        verbose_name_plural = _("downloads")
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.document_id} {self.actor}"


@audited()
class SigningCertificate(BusinessModel):
    """A party's certificate with its private key under field encryption. One is in use per party; the others are retired."""

    class Kind(models.TextChoices):
        COMPANY = "company", _("company seal")
        PERSON = "person", _("person")

    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    ref = models.UUIDField(_("party"))
    subject = crypto.EncryptedTextField(_("subject"))
    subject_index = models.CharField(max_length=64, editable=False)
    serial = models.CharField(_("serial number"), max_length=40, unique=True)
    issuer_fingerprint = models.CharField(_("fingerprint of the issuer"), max_length=64)
    certificate = crypto.EncryptedTextField(_("certificate (PEM)"))
    private_key = crypto.EncryptedTextField(_("private key (PEM)"))
    not_before = models.DateTimeField(_("valid from"))
    not_after = models.DateTimeField(_("valid until"))
    retired_at = models.DateTimeField(_("retired at"), null=True, blank=True)

    # Keys belong to the operator of the system: no entity, dealer or customer lists them.
    scope = Scope()

    class Meta:
        verbose_name = _("signing certificate")
        verbose_name_plural = _("signing certificates")
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "ref"], condition=models.Q(retired_at__isnull=True), name="one_certificate_in_use_per_party"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.serial}"
