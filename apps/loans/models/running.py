"""How loans go on by themselves between events, and how far the sums of the end of day have taken them."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.common.scope import Scope, ScopedQuerySet
from apps.loans.models.loan import Loan


class LoanRun(models.Model):
    """What a running loan accrues by itself from `as_of` on, until `next_event_on`; a projection of its replay.

    Interest accrued to a day = `before` + round((carried + bears x (units to the day - units_done)) / basis): `loans_accrued` in SQL,
    `apps.loans.domain.running` in Python. A loan whose terms or transactions ask for more is not `is_plain` and is replayed every day.
    """

    class DayCount(models.IntegerChoices):
        DAYS = 1, _("actual days")
        ACT_ACT = 2, "act/act"
        THIRTY_360 = 3, "30/360"

    loan = models.OneToOneField(Loan, on_delete=models.PROTECT, primary_key=True, related_name="run", verbose_name=_("loan"))
    legal_entity = models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("legal entity")
    )
    as_of = models.DateField(_("as of"))
    is_plain = models.BooleanField(_("goes on by itself"))
    next_event_on = models.DateField(_("next event"), null=True, blank=True)
    next_due_on = models.DateField(_("next due date"), null=True, blank=True)
    row_no = models.PositiveSmallIntegerField(_("running instalment"))
    starts_on = models.DateField(_("from"))
    ends_on = models.DateField(_("to"))
    units = models.PositiveIntegerField(_("units of the year fraction"))
    units_done = models.PositiveIntegerField(_("units settled before"))
    bears = models.DecimalField(_("balance x rate"), max_digits=40, decimal_places=18)
    carried = models.DecimalField(_("interest carried into the period"), max_digits=40, decimal_places=18)
    interest = models.DecimalField(_("interest of the period"), max_digits=18, decimal_places=2)
    before = models.DecimalField(_("interest of earlier periods"), max_digits=18, decimal_places=2)
    accrued = models.DecimalField(_("interest accrued and written down"), max_digits=18, decimal_places=2)
    day_count = models.PositiveSmallIntegerField(_("day count"), choices=DayCount.choices)
    basis = models.PositiveIntegerField(_("basis"))
    anchor = models.PositiveSmallIntegerField(_("due day"))
    half_even = models.BooleanField(_("rounds half to even"))
    vat_rate = models.DecimalField(_("VAT on interest"), max_digits=9, decimal_places=6)
    penalty_rate = models.DecimalField(_("penalty rate"), max_digits=40, decimal_places=18)
    penalty_basis = models.PositiveSmallIntegerField(_("basis of the penalty"))
    grace_days = models.PositiveSmallIntegerField(_("days of grace"))
    compound = models.BooleanField(_("compound interest"))
    is_suspended = models.BooleanField(_("non-accrual"))
    is_lease = models.BooleanField(_("booked as a finance lease"), default=False, db_default=False)
    parties = ArrayField(models.CharField(max_length=64), null=True, blank=True, verbose_name=_("funders"))
    parts = ArrayField(models.PositiveIntegerField(), null=True, blank=True, verbose_name=_("parts per 10,000"))

    scope = Scope(entity="legal_entity_id", customer="loan__borrower_ref")
    objects = ScopedQuerySet.as_manager()

    class Meta:
        verbose_name = _("running loan")
        verbose_name_plural = _("running loans")
        indexes = [
            models.Index(fields=["legal_entity", "loan"], name="run_by_entity"),
            models.Index(fields=["legal_entity", "next_event_on"], condition=Q(next_event_on__isnull=False), name="run_by_event"),
            models.Index(fields=["legal_entity", "next_due_on"], name="run_by_due_day"),
            models.Index(fields=["legal_entity", "ends_on"], name="run_by_end"),
        ]

    def __str__(self) -> str:
        return f"{self.loan_id} {self.as_of}"


class AccruedRange(models.Model):
    """Running loans from `first` to `last` whose interest of `day` is posted as one sum once `is_done`.

    A deed on a loan holds its range while it works, and the sum holds it while it adds up: a loan is in the sum or accrues by itself,
    never both. Only the ranges of the day being closed are kept.
    """

    id = models.BigAutoField(primary_key=True)
    legal_entity = models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("legal entity")
    )
    day = models.DateField(_("business date"))
    first = models.UUIDField(_("from"))
    last = models.UUIDField(_("to"))
    is_done = models.BooleanField(_("done"), default=False)

    scope = Scope(entity="legal_entity_id")
    objects = ScopedQuerySet.as_manager()

    class Meta:
        verbose_name = _("accrued range")
        verbose_name_plural = _("accrued ranges")
        constraints = [models.UniqueConstraint(fields=["legal_entity", "day", "first"], name="one_range_per_first")]

    def __str__(self) -> str:
        return f"{self.day} {self.first}"
