"""To which branch a loan belonged, from when on; the newest row is `Loan.branch`."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.common.models import BusinessModel
from apps.common.scope import Scope
from apps.loans.models.loan import Loan


class BranchStay(BusinessModel):
    """From `since` on the loan belongs to the branch, until the next row; never changed. Of one day the last one counts."""

    loan = models.ForeignKey(Loan, on_delete=models.PROTECT, related_name="branch_stays", verbose_name=_("loan"))
    branch = models.ForeignKey("organisations.Branch", on_delete=models.PROTECT, related_name="+", verbose_name=_("branch"))
    since = models.DateField(_("since"))
    business_date = models.DateField(_("entered on"))
    reference = models.CharField(_("reference"), max_length=64)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    actor = models.CharField(_("actor"), max_length=80)

    scope = Scope(entity="loan__legal_entity_id", customer="loan__borrower_ref")

    class Meta:
        verbose_name = _("branch of a loan")
        verbose_name_plural = _("branches of loans")
        ordering = ["since", "created_at", "id"]
        constraints = [models.UniqueConstraint(fields=["loan", "reference"], name="branch_stay_recorded_once")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.since} {self.branch_id}"
