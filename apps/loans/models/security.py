"""What stands behind a loan beside its borrower: collateral with its values over time, co-borrowers and guarantors."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from apps.common.audit import audited
from apps.common.models import BusinessModel
from apps.common.scope import Scope
from apps.loans.models.loan import Loan


@audited()
class Collateral(BusinessModel):
    """A thing that secures loans, one or several; what it is worth is in its values, what it secures in its pledges."""

    class Kind(models.TextChoices):
        VEHICLE = "vehicle", _("vehicle")
        PROPERTY = "property", _("property")
        DEPOSIT = "deposit", _("deposit")
        OTHER = "other", _("other")

    legal_entity = models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", verbose_name=_("legal entity")
    )
    number = models.CharField(_("collateral number"), max_length=24, unique=True)
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    identifier = models.CharField(_("identifier"), max_length=64, help_text=_("frame number, land register entry …"))
    description = models.CharField(_("description"), max_length=200, blank=True)
    owner_ref = models.UUIDField(_("owner"))

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("collateral")
        verbose_name_plural = _("collateral items")
        constraints = [models.UniqueConstraint(fields=["legal_entity", "kind", "identifier"], name="collateral_registered_once")]

    def __str__(self) -> str:
        return self.number


class CollateralValue(BusinessModel):
    """What a collateral is worth from a day on, until a newer value; never changed."""

    collateral = models.ForeignKey(Collateral, on_delete=models.PROTECT, related_name="values", verbose_name=_("collateral"))
    valued_on = models.DateField(_("valued on"))
    amount = models.DecimalField(_("value"), max_digits=18, decimal_places=2)
    basis = models.CharField(_("valued by"), max_length=100, blank=True)
    actor = models.CharField(_("actor"), max_length=80)

    scope = Scope(entity="collateral__legal_entity_id")

    class Meta:
        verbose_name = _("value of a collateral")
        verbose_name_plural = _("values of collateral")
        ordering = ["-valued_on"]
        constraints = [
            models.UniqueConstraint(fields=["collateral", "valued_on"], name="one_collateral_value_a_day"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="collateral_value_not_negative"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.valued_on} {self.amount}"


@audited()
class Pledge(BusinessModel):
    """A collateral secures a loan from `pledged_on` until `released_on`, that day excluded."""

    collateral = models.ForeignKey(Collateral, on_delete=models.PROTECT, related_name="pledges", verbose_name=_("collateral"))
    loan = models.ForeignKey(Loan, on_delete=models.PROTECT, related_name="pledges", verbose_name=_("loan"))
    pledged_on = models.DateField(_("pledged on"))
    released_on = models.DateField(_("released on"), null=True, blank=True)
    by_settlement = models.BooleanField(_("released because the loan is settled"), default=False)
    reason = models.CharField(_("reason"), max_length=200, blank=True)

    scope = Scope(entity="loan__legal_entity_id", customer="loan__borrower_ref")

    class Meta:
        verbose_name = _("pledge")
        verbose_name_plural = _("pledges")
        constraints = [
            models.UniqueConstraint(fields=["collateral", "loan"], condition=Q(released_on__isnull=True), name="pledged_once_at_a_time"),
            models.CheckConstraint(condition=Q(released_on__gte=F("pledged_on")), name="pledge_ends_after_it_begins"),
        ]

    def __str__(self) -> str:
        return f"{self.collateral_id} {self.pledged_on}"


@audited()
class LoanParty(BusinessModel):
    """Who answers for a loan beside its borrower, for how many parts per 10,000 of it, from `since` until `ended_on`, that day excluded."""

    class Role(models.TextChoices):
        CO_BORROWER = "co_borrower", _("co-borrower")
        GUARANTOR = "guarantor", _("guarantor")

    loan = models.ForeignKey(Loan, on_delete=models.PROTECT, related_name="parties", verbose_name=_("loan"))
    person_ref = models.UUIDField(_("person"))
    role = models.CharField(_("role"), max_length=16, choices=Role.choices)
    parts = models.PositiveSmallIntegerField(_("parts per 10,000"))
    since = models.DateField(_("since"))
    ended_on = models.DateField(_("ended on"), null=True, blank=True)
    by_settlement = models.BooleanField(_("ended because the loan is settled"), default=False)
    reason = models.CharField(_("reason"), max_length=200, blank=True)

    scope = Scope(entity="loan__legal_entity_id", customer="loan__borrower_ref")

    class Meta:
        verbose_name = _("party of a loan")
        verbose_name_plural = _("parties of loans")
        constraints = [
            models.UniqueConstraint(fields=["loan", "person_ref", "role"], condition=Q(ended_on__isnull=True), name="party_once_at_a_time"),
            models.CheckConstraint(condition=Q(parts__gte=1, parts__lte=10_000), name="party_parts_of_10000"),
            models.CheckConstraint(condition=Q(ended_on__gte=F("since")), name="party_ends_after_it_begins"),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.person_ref}"
