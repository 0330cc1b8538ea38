"""What staff keep beside a loan in fields that their lender defined."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.common.audit import audited
from apps.common.models import BusinessModel
from apps.common.scope import Scope
from apps.loans.models.loan import Loan


@audited()
class LoanExtras(BusinessModel):
    """The values of a loan's extra fields by their names; which there are is defined in `organisations`."""

    loan = models.OneToOneField(Loan, on_delete=models.PROTECT, related_name="extras", verbose_name=_("loan"))
    values = models.JSONField(_("values"), default=dict)

    scope = Scope(entity="loan__legal_entity_id", customer="loan__borrower_ref")

    class Meta:
        verbose_name = _("extra fields of a loan")
        verbose_name_plural = _("extra fields of loans")
        indexes = [GinIndex(fields=["values"], name="loan_by_extra_field", opclasses=["jsonb_path_ops"])]

    def __str__(self) -> str:
        return str(self.loan_id)
