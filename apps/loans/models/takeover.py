"""Running loans taken over from another system: which line of which file each came from, and what it brought."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.common.models import BusinessModel
from apps.common.scope import Scope
from apps.loans.models.loan import Loan


class TakenOverLoan(BusinessModel):
    """A line of a take-over file and the loan it became. `balances` are the file's, `booked` what came into the books, by component.

    A contract is taken over once in a legal entity; `digest` tells the same line again from another one. Never changed.
    """

    legal_entity = models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", verbose_name=_("legal entity")
    )
    loan = models.OneToOneField(Loan, on_delete=models.PROTECT, related_name="taken_over", verbose_name=_("loan"))
    external_number = models.CharField(_("former contract number"), max_length=64)
    taken_over_on = models.DateField(_("taken over on"))
    file_name = models.CharField(_("file"), max_length=200)
    line_no = models.PositiveIntegerField(_("line of the file"))
    digest = models.CharField(_("digest of the line"), max_length=64)
    balances = models.JSONField(_("balances of the file"))
    booked = models.JSONField(_("balances in the books"))
    actor = models.CharField(_("actor"), max_length=80)

    scope = Scope(entity="legal_entity_id", customer="loan__borrower_ref")

    class Meta:
        verbose_name = _("loan taken over")
        verbose_name_plural = _("loans taken over")
        ordering = ["-taken_over_on", "external_number"]
        constraints = [models.UniqueConstraint(fields=["legal_entity", "external_number"], name="contract_taken_over_once")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.external_number
