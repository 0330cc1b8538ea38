"""Funding agreements: what co-lenders, guarantors and the lender pay each other for loans they share."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from apps.common.models import BusinessModel
from apps.common.scope import Scope, ScopedQuerySet


class FundingAgreement(BusinessModel):
    """With one co-lender; it holds for loans opened from `effective_from` on until a newer one does. Never changed, only followed."""

    legal_entity = models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", verbose_name=_("legal entity")
    )
    party_ref = models.CharField(_("co-lender"), max_length=64)
    number = models.CharField(_("agreement number"), max_length=64)
    effective_from = models.DateField(_("in force for loans opened from"))
    actor = models.CharField(_("actor"), max_length=80)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("funding agreement")
        verbose_name_plural = _("funding agreements")
        ordering = ["party_ref", "effective_from"]
        constraints = [
            models.UniqueConstraint(fields=["legal_entity", "number"], name="funding_agreement_number_once"),
            models.UniqueConstraint(fields=["legal_entity", "party_ref", "effective_from"], name="one_funding_agreement_from_a_day"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.number


class FundingFee(BusinessModel):
    """A fee of an agreement: a rate of principal or an amount for each loan, due in pace with the principal of `basis_ref` coming back."""

    class Kind(models.TextChoices):
        GUIDE = "guide", _("guide fee")
        GUARANTEE = "guarantee", _("guarantee fee")
        SERVICE = "service", _("service fee")

    agreement = models.ForeignKey(FundingAgreement, on_delete=models.PROTECT, related_name="fees", verbose_name=_("funding agreement"))
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    payer_ref = models.CharField(_("payer"), max_length=64, help_text=_("own: the lender itself"))
    payee_ref = models.CharField(_("payee"), max_length=64, help_text=_("own: the lender itself"))
    basis_ref = models.CharField(_("principal of"), max_length=64, blank=True, help_text=_("empty: the whole loan"))
    rate = models.DecimalField(_("rate of principal"), max_digits=9, decimal_places=6, null=True, blank=True)
    amount = models.DecimalField(_("amount for each loan"), max_digits=18, decimal_places=2, null=True, blank=True)

    scope = Scope(entity="agreement__legal_entity_id")

    class Meta:
        verbose_name = _("fee of a funding agreement")
        verbose_name_plural = _("fees of funding agreements")
        constraints = [
            models.CheckConstraint(
                condition=Q(rate__gt=0, rate__lt=1, amount__isnull=True) | Q(rate__isnull=True, amount__gt=0),
                name="funding_fee_by_rate_or_amount",
            ),
            models.CheckConstraint(condition=~Q(payer_ref=F("payee_ref")), name="funding_fee_between_two_parties"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.kind} {self.payer_ref} → {self.payee_ref}"


class FundingFeeTotal(models.Model):
    """What of a fee has fallen due on a loan and is booked: a running total in yuan."""

    id = models.BigAutoField(primary_key=True)
    loan = models.ForeignKey("loans.Loan", on_delete=models.PROTECT, related_name="funding_fees", db_index=False, verbose_name=_("loan"))
    fee = models.ForeignKey(FundingFee, on_delete=models.PROTECT, related_name="+", verbose_name=_("fee"))
    booked = models.DecimalField(_("booked"), max_digits=18, decimal_places=2)

    scope = Scope(entity="loan__legal_entity_id")
    objects = ScopedQuerySet.as_manager()

    class Meta:
        verbose_name = _("funding fee of a loan")
        verbose_name_plural = _("funding fees of loans")
        constraints = [models.UniqueConstraint(fields=["loan", "fee"], name="one_funding_fee_total_per_loan")]

    def __str__(self) -> str:
        return f"{self.loan_id} {self.booked}"
