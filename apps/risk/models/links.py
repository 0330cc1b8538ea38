"""With what persons were seen: the edges of the relation graph."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.common.models import BusinessModel
from apps.common.scope import Scope
from apps.risk.models.base import APPEND_ONLY, entity
from apps.risk.models.decisions import DecisionRequest


class Link(BusinessModel):
    """A person seen with a device, a phone, a contact or a consultant: the edges of the relation graph; append-only.

    Risk keeps them from every subject it is shown and counts on them alone; values are blind indexes or ids of our own rows.
    """

    class Kind(models.TextChoices):
        DEVICE = "device", _("device")
        PHONE = "phone", _("phone")
        CONTACT = "contact", _("contact")
        CONSULTANT = "consultant", _("consultant")
        SHOP = "shop", _("shop")

    legal_entity = entity()
    customer_ref = models.UUIDField(_("customer"), db_index=True)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    value = models.CharField(max_length=64)
    request = models.ForeignKey(DecisionRequest, on_delete=models.PROTECT, related_name="links", verbose_name=_("request"))
    at = models.DateTimeField(_("at"))

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("link")
        verbose_name_plural = _("links")
        triggers = [APPEND_ONLY]
        constraints = [models.UniqueConstraint(fields=["request", "kind", "value"], name="one_link_per_request_and_value")]
        indexes = [models.Index(fields=["legal_entity", "kind", "value", "at"], name="link_counting")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.at:%Y-%m-%d}"
