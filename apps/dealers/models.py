"""Partners who sell: dealers, their shops and the people there."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import transition

from apps.common.audit import audited
from apps.common.crypto import EncryptedTextField
from apps.common.fsm import StateField, legal_edges
from apps.common.models import BusinessModel
from apps.common.scope import Scope
from apps.dealers.domain import Scene

SCENES = {
    Scene.CAR.value: pgettext_lazy("scene", "cars"),
    Scene.TRAVEL.value: pgettext_lazy("scene", "travel"),
    Scene.MEDICAL.value: pgettext_lazy("scene", "medical care"),
    Scene.EDUCATION.value: pgettext_lazy("scene", "education"),
    Scene.RURAL.value: pgettext_lazy("scene", "farming"),
    Scene.PROPERTY.value: pgettext_lazy("scene", "homes"),
    Scene.ECOMMERCE.value: pgettext_lazy("scene", "online shops"),
}
DEALER_EDGES = {
    "draft": ["signing", "closed"],
    "signing": ["active", "draft"],
    "active": ["suspended", "closed"],
    "suspended": ["active", "closed"],
}


@audited()
class Dealer(BusinessModel):
    """A partner company of a lender. It may bring applications while active: signed and not suspended."""

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        SIGNING = "signing", _("signing")
        ACTIVE = "active", _("active")
        SUSPENDED = "suspended", _("suspended")
        CLOSED = "closed", _("closed")

    legal_entity = models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", verbose_name=_("legal entity")
    )
    code = models.CharField(_("code"), max_length=16)
    name = models.CharField(_("name"), max_length=100)
    scene = models.CharField(_("scene"), max_length=12, choices=SCENES, default=Scene.CAR)
    state = StateField(State, State.DRAFT, verbose_name=_("state"))
    uscc = models.CharField(_("unified social credit code"), max_length=18)
    licence_valid_until = models.DateField(_("licence valid until"), null=True, blank=True, help_text=_("empty: long-term"))
    legal_representative = EncryptedTextField(_("legal representative"))
    masked_legal_representative = models.CharField(_("legal representative"), max_length=32)
    address = models.CharField(_("address"), max_length=200)
    contact_phone = EncryptedTextField(_("phone"))
    masked_contact_phone = models.CharField(_("phone"), max_length=16)
    quota = models.DecimalField(_("quota"), max_digits=18, decimal_places=2, default=0, help_text=_("0: no limit of its own"))
    deposit = models.DecimalField(_("deposit"), max_digits=18, decimal_places=2, default=0)
    agreement_no = models.CharField(_("agreement"), max_length=32, blank=True)
    agreement = models.ForeignKey(
        "documents.Document", on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("signed agreement")
    )
    signed_at = models.DateTimeField(_("signed at"), null=True, blank=True)
    suspended_reason = models.CharField(_("reason of suspension"), max_length=200, blank=True)

    scope = Scope(entity="legal_entity_id", dealer="id", shop="shops__id", consultant="shops__consultants__id")

    class Meta:
        verbose_name = _("dealer")
        verbose_name_plural = _("dealers")
        constraints = [
            models.UniqueConstraint(fields=["legal_entity", "code"], name="dealer_code_per_entity"),
            models.UniqueConstraint(fields=["legal_entity", "uscc"], condition=~Q(state="closed"), name="one_living_dealer_per_company"),
            models.UniqueConstraint(fields=["agreement_no"], condition=~Q(agreement_no=""), name="one_dealer_per_agreement"),
            models.CheckConstraint(condition=Q(quota__gte=0, deposit__gte=0), name="dealer_amounts_not_negative"),
            models.CheckConstraint(
                condition=~Q(state__in=["active", "suspended"]) | Q(agreement__isnull=False), name="active_dealer_has_agreement"
            ),
        ]
        triggers = [legal_edges("state", DEALER_EDGES)]

    def __str__(self) -> str:
        return self.name

    @transition(field=state, source="draft", target="signing")
    def start_signing(self) -> None:
        """The papers are complete; the agreement goes to be sealed."""

    @transition(field=state, source="signing", target="draft")
    def return_to_draft(self) -> None:
        """The agreement was not sealed; the papers may be changed."""

    @transition(field=state, source=["signing", "suspended"], target="active")
    def activate(self) -> None:
        """The agreement is sealed, or the suspension lifted."""

    @transition(field=state, source="active", target="suspended")
    def suspend(self) -> None:
        """No new applications; those that run go on."""

    @transition(field=state, source=["draft", "active", "suspended"], target="closed")
    def close(self) -> None:
        """The partnership ends."""


@audited()
class Shop(BusinessModel):
    """A place of a dealer where cars are sold, with the account that its loans are paid to."""

    dealer = models.ForeignKey(Dealer, on_delete=models.PROTECT, related_name="shops", verbose_name=_("dealer"))
    code = models.CharField(_("code"), max_length=16)
    name = models.CharField(_("name"), max_length=100)
    city = models.CharField(_("city"), max_length=32)
    address = models.CharField(_("address"), max_length=200)
    account_name = models.CharField(_("account name"), max_length=100)
    account_no = EncryptedTextField(_("account number"))
    account_hash = models.CharField(max_length=64, db_index=True, editable=False)
    masked_account_no = models.CharField(_("account number"), max_length=16)
    bank_name = models.CharField(_("bank"), max_length=100)
    bank_code = models.CharField(_("bank code"), max_length=14, blank=True)
    is_active = models.BooleanField(_("active"), default=True)

    scope = Scope(entity="dealer__legal_entity_id", dealer="dealer_id", shop="id", consultant="consultants__id")

    class Meta:
        verbose_name = _("shop")
        verbose_name_plural = _("shops")
        constraints = [models.UniqueConstraint(fields=["dealer", "code"], name="shop_code_per_dealer")]

    def __str__(self) -> str:
        return self.name


@audited()
class Consultant(BusinessModel):
    """Somebody of a shop who signs in to the portal: a sales consultant sees own orders, a manager the dealer's."""

    shop = models.ForeignKey(Shop, on_delete=models.PROTECT, related_name="consultants", verbose_name=_("shop"))
    user = models.OneToOneField("organisations.User", on_delete=models.PROTECT, related_name="+", verbose_name=_("user"))
    name = models.CharField(_("name"), max_length=32)
    phone = EncryptedTextField(_("phone"))
    masked_phone = models.CharField(_("phone"), max_length=16)
    is_manager = models.BooleanField(_("manager"), default=False)
    is_active = models.BooleanField(_("active"), default=True)

    scope = Scope(entity="shop__dealer__legal_entity_id", dealer="shop__dealer_id", shop="shop_id", consultant="id")

    class Meta:
        verbose_name = _("consultant")
        verbose_name_plural = _("consultants")
        triggers = [pgtrigger.Protect(name="kept", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.name
