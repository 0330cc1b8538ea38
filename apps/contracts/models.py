"""Contracts and the evidence of their signing."""

from __future__ import annotations

from typing import Final

import pgtrigger
from django.db import models
from django.utils.translation import gettext_lazy as _
from django_fsm import transition

from apps.common.audit import audited
from apps.common.fsm import StateField, legal_edges
from apps.common.models import BusinessModel
from apps.common.scope import Scope

EDGES: Final[dict[str, tuple[str, ...]]] = {
    "draft": ("generated", "voided"),
    "generated": ("signing", "voided"),
    "signing": ("signed", "voided"),
    "signed": ("archived", "voided"),
    "archived": ("voided",),
}


def _sources(target: str) -> list[str]:
    return [source for source, targets in EDGES.items() if target in targets]


class State(models.TextChoices):
    DRAFT = "draft", _("being made")
    GENERATED = "generated", _("made")
    SIGNING = "signing", _("to be signed")
    SIGNED = "signed", _("signed")
    ARCHIVED = "archived", _("archived")
    VOIDED = "voided", _("voided")


@audited()
class Contract(BusinessModel):
    """The loan's contract with its full cost table. What it says stands in its documents; the figures here are for lists and checks."""

    class Kind(models.TextChoices):
        DIRECT = "direct", _("direct lease")
        LEASEBACK = "leaseback", _("leaseback")
        CASH = "cash", _("cash loan")

    number = models.CharField(_("number"), max_length=32, unique=True)
    state = StateField(State, State.DRAFT, verbose_name=_("state"))
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    legal_entity = models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", verbose_name=_("legal entity")
    )
    application = models.ForeignKey(
        "applications.Application", on_delete=models.PROTECT, related_name="contracts", verbose_name=_("application")
    )
    customer_ref = models.UUIDField(_("customer"), db_index=True)
    dealer_ref = models.UUIDField(_("dealer"), null=True, blank=True)
    shop_ref = models.UUIDField(_("shop"), null=True, blank=True)
    consultant_ref = models.UUIDField(_("consultant"), null=True, blank=True)
    made_on = models.DateField(_("made on"))
    amount = models.DecimalField(_("principal (yuan)"), max_digits=18, decimal_places=2)
    installments = models.PositiveSmallIntegerField(_("instalments"))
    annual_rate = models.DecimalField(_("annual rate"), max_digits=9, decimal_places=6)
    apr_irr = models.DecimalField(_("annualised cost (IRR)"), max_digits=9, decimal_places=6)
    installment = models.DecimalField(_("monthly payment (yuan)"), max_digits=18, decimal_places=2)
    first_due = models.DateField(_("first instalment due on"))
    cost_table = models.JSONField(_("full cost table"))
    template_version = models.CharField(_("version of the text"), max_length=16)
    unsigned = models.ForeignKey(
        "documents.Document", on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("to be signed")
    )
    cost_document = models.ForeignKey(
        "documents.Document", on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("cost table")
    )
    signed = models.ForeignKey(
        "documents.Document", on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("signed contract")
    )
    generated_at = models.DateTimeField(_("made at"), null=True, blank=True)
    opened_at = models.DateTimeField(_("cost table first shown at"), null=True, blank=True)
    signed_at = models.DateTimeField(_("signed at"), null=True, blank=True)
    archived_at = models.DateTimeField(_("archived at"), null=True, blank=True)
    voided_at = models.DateTimeField(_("voided at"), null=True, blank=True)
    void_reason = models.CharField(_("why voided"), max_length=300, blank=True)

    scope = Scope(entity="legal_entity_id", dealer="dealer_ref", shop="shop_ref", consultant="consultant_ref", customer="customer_ref")

    class Meta:
        verbose_name = _("contract")
        verbose_name_plural = _("contracts")
        triggers = [legal_edges("state", EDGES)]
        constraints = [
            models.UniqueConstraint(
                fields=["application"], condition=~models.Q(state="voided"), name="one_standing_contract_per_application"
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=["signed", "archived"]) | models.Q(signed__isnull=False, signed_at__isnull=False),
                name="signed_contract_has_its_file",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @transition(field=state, source=_sources("generated"), target=State.GENERATED)
    def finish_making(self) -> None:
        """The file to be signed lies in the archive."""

    @transition(field=state, source=_sources("signing"), target=State.SIGNING)
    def lay_before_customer(self) -> None:
        """The customer may read and sign."""

    @transition(field=state, source=_sources("signed"), target=State.SIGNED)
    def complete(self) -> None:
        """All parties signed."""

    @transition(field=state, source=_sources("archived"), target=State.ARCHIVED)
    def archive(self) -> None:
        """Signatures checked, kept for good."""

    @transition(field=state, source=_sources("voided"), target=State.VOIDED)
    def void(self) -> None:
        """It does not stand any more."""


class SigningConsent(BusinessModel):
    """The customer's word: what was shown, how long it was read, and that it is to be signed; append-only, one per contract."""

    contract = models.OneToOneField(Contract, on_delete=models.PROTECT, related_name="consent", verbose_name=_("contract"))
    customer_ref = models.UUIDField(_("customer"))
    at = models.DateTimeField(_("at"))
    cost_table_version = models.CharField(_("version of the cost table"), max_length=16)
    contract_sha256 = models.CharField(_("SHA-256 of the contract shown"), max_length=64)
    cost_table_sha256 = models.CharField(_("SHA-256 of the cost table shown"), max_length=64)
    opened_at = models.DateTimeField(_("first shown at"))
    seconds_read = models.PositiveIntegerField(_("seconds read"))
    seconds_required = models.PositiveIntegerField(_("seconds required"))
    liveness_minutes = models.PositiveIntegerField(_("liveness within (minutes)"))
    actor = models.CharField(_("who"), max_length=100)

    scope = Scope(
        entity="contract__legal_entity_id",
        dealer="contract__dealer_ref",
        shop="contract__shop_ref",
        consultant="contract__consultant_ref",
        customer="customer_ref",
    )

    class Meta:
        verbose_name = _("consent to sign")
        verbose_name_plural = _("consents to sign")
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.contract_id} {self.at:%Y-%m-%d}"
