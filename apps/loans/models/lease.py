"""The car behind a vehicle lease: who owns it, the deposit that was agreed, and how the lease ended."""

from __future__ import annotations

from typing import Final

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import transition

from apps.common.audit import audited
from apps.common.fsm import StateField, legal_edges
from apps.common.models import BusinessModel
from apps.common.scope import Scope
from apps.loans.models.loan import Loan

LEASE_EDGES: Final = {"running": ["purchased", "returned", "renewed"]}


def _yuan(name: object, **options: object) -> models.DecimalField:
    return models.DecimalField(name, max_digits=18, decimal_places=2, default=0, **options)  # type: ignore[arg-type]


@audited()
class Lease(BusinessModel):
    """What a loan has besides when it is a vehicle lease. The deposit held is the balance of its account in the books, by loan.

    正租 `direct`: the company owns the car until the customer buys it. 回租 `leaseback`: the customer owns it, and mortgages it.
    """

    class Kind(models.TextChoices):
        DIRECT = "direct", _("direct lease")
        LEASEBACK = "leaseback", _("leaseback")

    class State(models.TextChoices):
        RUNNING = "running", pgettext_lazy("of a lease", "running")
        PURCHASED = "purchased", pgettext_lazy("of a lease", "car bought by the customer")
        RETURNED = "returned", pgettext_lazy("of a lease", "car returned")
        RENEWED = "renewed", pgettext_lazy("of a lease", "renewed")

    loan = models.OneToOneField(Loan, on_delete=models.PROTECT, related_name="lease", verbose_name=_("loan"))
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    state = StateField(State, State.RUNNING, verbose_name=_("state"))
    vehicle = models.CharField(_("frame number"), max_length=64, blank=True)
    vehicle_name = models.CharField(_("vehicle"), max_length=200, blank=True)
    vehicle_price = _yuan(_("price of the car"))
    down_payment = _yuan(_("down payment"))
    deposit = _yuan(_("deposit agreed"))
    offsets_deposit = models.BooleanField(_("the deposit pays the last instalments"), default=False)
    purchase_price = models.DecimalField(
        _("price of the purchase option"), max_digits=18, decimal_places=2, null=True, blank=True, help_text=_("empty: there is no option")
    )
    ended_on = models.DateField(_("ended on"), null=True, blank=True)
    registration = models.CharField(_("registration of the transfer"), max_length=64, blank=True)
    condition = models.CharField(_("condition of the returned car"), max_length=200, blank=True)
    car_value = models.DecimalField(_("value of the returned car"), max_digits=18, decimal_places=2, null=True, blank=True)
    renewed_by = models.OneToOneField(
        Loan, on_delete=models.PROTECT, null=True, blank=True, related_name="renews", verbose_name=_("renewed by")
    )

    scope = Scope(entity="loan__legal_entity_id", customer="loan__borrower_ref")

    class Meta:
        verbose_name = _("vehicle lease")
        verbose_name_plural = _("vehicle leases")
        constraints = [
            models.CheckConstraint(
                condition=Q(vehicle_price__gte=0, down_payment__gte=0, deposit__gte=0), name="lease_amounts_not_negative"
            ),
            models.CheckConstraint(condition=Q(purchase_price__isnull=True) | Q(purchase_price__gte=0), name="lease_option_not_negative"),
            models.CheckConstraint(
                condition=Q(state="running", ended_on__isnull=True) | (~Q(state="running") & Q(ended_on__isnull=False)),
                name="lease_ends_on_a_day",
            ),
            models.UniqueConstraint(
                fields=["vehicle"], condition=Q(state="running", kind="direct") & ~Q(vehicle=""), name="a_car_is_leased_once_at_a_time"
            ),
        ]
        triggers = [legal_edges("state", LEASE_EDGES)]

    def __str__(self) -> str:
        return f"{self.kind} {self.vehicle}"

    @property
    def is_customers(self) -> bool:
        """Whether the car is the customer's own."""
        return self.kind == self.Kind.LEASEBACK or self.state == self.State.PURCHASED

    @transition(field=state, source=State.RUNNING, target=State.PURCHASED)
    def purchase(self) -> None:
        """The customer has taken the option: the title passes."""

    @transition(field=state, source=State.RUNNING, target=State.RETURNED)
    def give_back(self) -> None:
        """The car is with the company again."""

    @transition(field=state, source=State.RUNNING, target=State.RENEWED)
    def renew(self) -> None:
        """A new lease of the same car goes on."""
