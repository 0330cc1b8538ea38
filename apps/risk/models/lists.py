"""Lists of identifiers, and who was found on them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.common.audit import audited
from apps.common.models import BusinessModel
from apps.common.scope import Scope
from apps.risk.models.base import APPEND_ONLY, entity
from apps.risk.models.decisions import Decision


class IdentifierKind(models.TextChoices):
    PHONE = "phone", _("phone")
    ID_NUMBER = "id_number", _("ID number")
    DEVICE = "device", _("device")
    CARD = "card_number", _("card")
    COMPANY = "company", _("company")


@audited()
class ListEntry(BusinessModel):
    """An identifier on a black, grey or white list. The value itself is not kept, only its blind index and its mask."""

    class Colour(models.TextChoices):
        BLACK = "black", _("black")
        GREY = "grey", _("grey")
        WHITE = "white", _("white")

    legal_entity = entity()
    colour = models.CharField(_("list"), max_length=5, choices=Colour.choices)
    kind = models.CharField(_("kind"), max_length=12, choices=IdentifierKind.choices)
    value_hash = models.CharField(max_length=64, db_index=True, editable=False)
    masked = models.CharField(_("value"), max_length=32, blank=True)
    reason = models.CharField(_("reason"), max_length=200)
    source = models.CharField(_("source"), max_length=64)
    valid_from = models.DateField(_("valid from"))
    valid_until = models.DateField(_("valid until"), null=True, blank=True)
    added_by = models.CharField(_("added by"), max_length=100)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("list entry")
        verbose_name_plural = _("list entries")
        constraints = [
            models.UniqueConstraint(
                fields=["legal_entity", "colour", "kind", "value_hash"], condition=Q(valid_until=None), name="one_open_list_entry"
            ),
            models.CheckConstraint(
                condition=Q(valid_until=None) | Q(valid_until__gte=models.F("valid_from")), name="list_entry_validity_in_order"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_colour_display()} {self.masked}".strip()


class ListHit(BusinessModel):
    """A decision's subject was found on a list; append-only."""

    legal_entity = entity()
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="list_hits", verbose_name=_("decision"))
    entry = models.ForeignKey(ListEntry, on_delete=models.PROTECT, related_name="hits", verbose_name=_("entry"))
    at = models.DateTimeField(_("at"))

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("list hit")
        verbose_name_plural = _("list hits")
        triggers = [APPEND_ONLY]
        constraints = [models.UniqueConstraint(fields=["decision", "entry"], name="one_hit_per_decision_and_entry")]

    def __str__(self) -> str:
        return f"{self.entry_id} {self.at:%Y-%m-%d}"
