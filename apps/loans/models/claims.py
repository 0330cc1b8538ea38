"""Claims of those who paid for a borrower 追偿: who paid, by which transaction, and what they got back since."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.common.audit import audited
from apps.common.models import BusinessModel
from apps.common.scope import Scope
from apps.loans.models.loan import Loan, LoanTransaction


@audited()
class CompensationClaim(BusinessModel):
    """A guarantor or dealer paid for the borrower and may claim it back; for how much of what follows from the replay."""

    loan = models.ForeignKey(Loan, on_delete=models.PROTECT, related_name="claims", verbose_name=_("loan"))
    transaction = models.OneToOneField(LoanTransaction, on_delete=models.PROTECT, related_name="claim", verbose_name=_("loan transaction"))
    payer = models.CharField(_("who paid"), max_length=200)

    scope = Scope(entity="loan__legal_entity_id", customer="loan__borrower_ref")

    class Meta:
        verbose_name = _("claim from a compensation")
        verbose_name_plural = _("claims from compensations")

    def __str__(self) -> str:
        return self.payer


class ClaimRecovery(BusinessModel):
    """What the payer got back from the borrower on a day; never changed."""

    claim = models.ForeignKey(CompensationClaim, on_delete=models.PROTECT, related_name="recoveries", verbose_name=_("claim"))
    recovered_on = models.DateField(_("recovered on"))
    amount = models.DecimalField(_("amount"), max_digits=18, decimal_places=2)
    note = models.CharField(_("note"), max_length=200, blank=True)
    reference = models.CharField(_("reference"), max_length=64, unique=True)
    actor = models.CharField(_("actor"), max_length=80)

    scope = Scope(entity="claim__loan__legal_entity_id", customer="claim__loan__borrower_ref")

    class Meta:
        verbose_name = _("recovery of a claim")
        verbose_name_plural = _("recoveries of claims")
        ordering = ["recovered_on", "created_at"]
        constraints = [models.CheckConstraint(condition=Q(amount__gt=0), name="claim_recovery_above_zero")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.recovered_on} {self.amount}"
