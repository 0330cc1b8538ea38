"""Applications 进件: what a customer asks for in a shop, its offers and its timeline."""

from __future__ import annotations

from typing import Any, Final

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _
from django_fsm import transition

from apps.common.audit import audited
from apps.common.fsm import StateField, legal_edges
from apps.common.models import BusinessModel
from apps.common.scope import Scope

EDGES: Final[dict[str, tuple[str, ...]]] = {
    "draft": ("submitted", "withdrawn", "expired"),
    "submitted": ("screening", "manual_review", "withdrawn"),
    "screening": ("offered", "manual_review", "more_info", "declined"),
    "manual_review": ("screening", "offered", "more_info", "declined", "withdrawn"),
    "more_info": ("submitted", "withdrawn", "expired"),
    "offered": ("accepted", "expired", "withdrawn", "screening"),
    "accepted": ("contracting", "expired", "withdrawn"),
    "contracting": ("signed", "withdrawn", "expired"),
    "signed": ("disbursement_review", "completed", "contracting", "withdrawn"),
    "disbursement_review": ("approved", "contracting", "refused"),
    "approved": ("vouchered", "completed", "cancelled"),
    "vouchered": ("delivered", "cancelled"),
    "delivered": ("completed", "cancelled"),
    "completed": ("cancelled",),
}

# Until the car is delivered or the order is at an end; one such order per customer.
OPEN_STATES: Final = (
    "draft", "submitted", "screening", "manual_review", "more_info", "offered", "accepted", "contracting", "signed",
    "disbursement_review", "approved", "vouchered",
)  # fmt: skip


def _sources(target: str) -> list[str]:
    return [source for source, targets in EDGES.items() if target in targets]


class Kind(models.TextChoices):
    CAR_LOAN = "car_loan", _("car loan")
    CREDIT_LINE = "credit_line", _("credit line")
    DRAWDOWN = "drawdown", _("drawdown")


class LeaseType(models.TextChoices):
    DIRECT = "direct", _("direct lease")
    LEASEBACK = "leaseback", _("leaseback")


class State(models.TextChoices):
    DRAFT = "draft", _("draft")
    SUBMITTED = "submitted", _("submitted")
    SCREENING = "screening", _("screening")
    MANUAL_REVIEW = "manual_review", _("in manual review")
    MORE_INFO = "more_info", _("more papers wanted")
    OFFERED = "offered", _("offered")
    ACCEPTED = "accepted", _("accepted")
    CONTRACTING = "contracting", _("contract in preparation")
    SIGNED = "signed", _("signed")
    DISBURSEMENT_REVIEW = "disbursement_review", _("in disbursement review")
    APPROVED = "approved", _("approved for disbursement")
    VOUCHERED = "vouchered", _("voucher issued")
    DELIVERED = "delivered", _("car delivered")
    COMPLETED = "completed", _("completed")
    DECLINED = "declined", _("declined")
    WITHDRAWN = "withdrawn", _("withdrawn")
    EXPIRED = "expired", _("expired")
    REFUSED = "refused", _("refused at disbursement")
    CANCELLED = "cancelled", _("cancelled")


def _may_complete(application: Any) -> bool:
    """Signing completes only a credit line, approval only a drawdown of cash, delivery any."""
    if application.state == State.SIGNED:
        return application.kind == Kind.CREDIT_LINE
    if application.state == State.APPROVED:
        return application.kind == Kind.DRAWDOWN
    return True


@audited(model_name="ApplicationAudit")  # `ApplicationEvent` is the timeline
class Application(BusinessModel):
    """One order 进件 from the shop floor to the delivered car. Its services move it; nobody else does."""

    legal_entity = models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", verbose_name=_("legal entity")
    )
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices, default=Kind.CAR_LOAN)
    number = models.CharField(_("number"), max_length=24, unique=True)
    state = StateField(State, State.DRAFT, verbose_name=_("state"))
    customer = models.ForeignKey("customers.Customer", on_delete=models.PROTECT, related_name="+", verbose_name=_("customer"))
    consultant = models.ForeignKey(
        "dealers.Consultant", on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("consultant")
    )
    shop = models.ForeignKey("dealers.Shop", on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("shop"))
    dealer = models.ForeignKey(
        "dealers.Dealer", on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("dealer")
    )
    vehicle = models.ForeignKey(
        "products.VehicleModel", on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("vehicle")
    )
    lease_type = models.CharField(_("lease type"), max_length=12, choices=LeaseType.choices, blank=True)
    vehicle_price = models.DecimalField(_("vehicle price (yuan)"), max_digits=18, decimal_places=2, null=True, blank=True)
    down_payment = models.DecimalField(_("down payment or deposit (yuan)"), max_digits=18, decimal_places=2, default=0)
    requested_amount = models.DecimalField(_("amount asked for (yuan)"), max_digits=18, decimal_places=2)
    requested_term = models.PositiveSmallIntegerField(_("term asked for (months)"))
    authorisation = models.ForeignKey(
        "documents.Document",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("credit-query authorisation"),
    )
    created_by = models.ForeignKey(
        "organisations.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("created by")
    )
    submitted_at = models.DateTimeField(_("submitted at"), null=True, blank=True)
    sla_due_at = models.DateTimeField(_("promised by"), null=True, blank=True, db_index=True)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True, db_index=True)
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)
    round = models.PositiveSmallIntegerField(_("round of screening"), default=0)
    decision_ref = models.UUIDField(_("decision"), null=True, blank=True)
    grade = models.CharField(_("grade"), max_length=2, blank=True)
    approved_limit = models.DecimalField(_("approved limit (yuan)"), max_digits=18, decimal_places=2, null=True, blank=True)
    annual_rate = models.DecimalField(_("annual rate"), max_digits=9, decimal_places=6, null=True, blank=True)
    reasons = ArrayField(models.CharField(max_length=16), default=list, blank=True, verbose_name=_("reason codes"))
    chosen_offer = models.ForeignKey(
        "applications.Offer", on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("chosen offer")
    )

    scope = Scope(entity="legal_entity_id", dealer="dealer_id", shop="shop_id", consultant="consultant_id", customer="customer_id")

    OPEN: Final = OPEN_STATES

    class Meta:
        verbose_name = _("application")
        verbose_name_plural = _("applications")
        triggers = [legal_edges("state", EDGES)]
        constraints = [
            models.CheckConstraint(condition=models.Q(requested_amount__gt=0), name="application_asks_for_something"),
            models.CheckConstraint(condition=models.Q(down_payment__gte=0), name="application_down_payment_not_negative"),
            models.UniqueConstraint(
                fields=["legal_entity", "customer", "kind"],
                condition=models.Q(state__in=OPEN_STATES),
                name="one_open_application_per_customer",
            ),
        ]
        indexes = [models.Index(fields=["legal_entity", "state", "sla_due_at"], name="application_queue")]

    def __str__(self) -> str:
        return self.number

    @transition(field=state, source=_sources("submitted"), target=State.SUBMITTED)
    def submit(self) -> None:
        """Hand it in; also after more papers."""

    @transition(field=state, source=_sources("screening"), target=State.SCREENING)
    def screen(self) -> None:
        """Put it before the machine; also again, with better information."""

    @transition(field=state, source=_sources("manual_review"), target=State.MANUAL_REVIEW)
    def refer(self) -> None:
        """Put it before a reviewer."""

    @transition(field=state, source=_sources("more_info"), target=State.MORE_INFO)
    def ask_more(self) -> None:
        """Send it back for papers."""

    @transition(field=state, source=_sources("offered"), target=State.OFFERED)
    def offer(self) -> None:
        """Plans lie before the customer."""

    @transition(field=state, source=_sources("declined"), target=State.DECLINED)
    def decline(self) -> None:
        """No loan."""

    @transition(field=state, source=_sources("accepted"), target=State.ACCEPTED)
    def accept(self) -> None:
        """The customer takes a plan."""

    @transition(field=state, source=_sources("contracting"), target=State.CONTRACTING)
    def start_contracting(self) -> None:
        """A contract is made; also again, after one was voided."""

    @transition(field=state, source=_sources("signed"), target=State.SIGNED)
    def sign(self) -> None:
        """All parties signed."""

    @transition(field=state, source=_sources("disbursement_review"), target=State.DISBURSEMENT_REVIEW)
    def start_disbursement_review(self) -> None:
        """The last check before money moves."""

    @transition(field=state, source=_sources("approved"), target=State.APPROVED)
    def approve(self) -> None:
        """Money may move."""

    @transition(field=state, source=_sources("refused"), target=State.REFUSED)
    def refuse(self) -> None:
        """The last check failed."""

    @transition(field=state, source=_sources("vouchered"), target=State.VOUCHERED)
    def voucher(self) -> None:
        """The shop holds the payment voucher."""

    @transition(field=state, source=_sources("delivered"), target=State.DELIVERED)
    def deliver(self) -> None:
        """The customer drove away."""

    @transition(field=state, source=_sources("completed"), target=State.COMPLETED, conditions=[_may_complete])
    def complete(self) -> None:
        """Money transferred and papers in."""

    @transition(field=state, source=_sources("withdrawn"), target=State.WITHDRAWN)
    def withdraw(self) -> None:
        """The customer does not want it."""

    @transition(field=state, source=_sources("expired"), target=State.EXPIRED)
    def expire(self) -> None:
        """Time ran out."""

    @transition(field=state, source=_sources("cancelled"), target=State.CANCELLED)
    def cancel(self) -> None:
        """Undone after approval."""


class ApplicationEvent(BusinessModel):
    """One entry of an application's timeline: who, why, from where; append-only."""

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="timeline", verbose_name=_("application"))
    at = models.DateTimeField(_("at"), db_index=True)
    deed = models.CharField(_("deed"), max_length=32)
    from_state = models.CharField(_("from state"), max_length=24, blank=True)
    to_state = models.CharField(_("to state"), max_length=24, blank=True)
    actor = models.CharField(_("who"), max_length=100)
    origin = models.CharField(_("from where"), max_length=64)
    reason = models.CharField(_("why"), max_length=500, blank=True)
    facts = models.JSONField(_("facts"), default=dict, blank=True)

    scope = Scope(
        entity="application__legal_entity_id",
        dealer="application__dealer_id",
        shop="application__shop_id",
        consultant="application__consultant_id",
        customer="application__customer_id",
    )

    class Meta:
        verbose_name = _("application event")
        verbose_name_plural = _("application events")
        ordering = ["id"]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.deed}: {self.from_state} → {self.to_state}"


class Offer(BusinessModel):
    """One plan laid before the customer, as it was computed; append-only. A later round of screening brings new ones."""

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="offers", verbose_name=_("application"))
    round = models.PositiveSmallIntegerField(_("round of screening"))
    rank = models.PositiveSmallIntegerField(_("rank"))
    product_version_ref = models.UUIDField(_("product version"))
    name = models.CharField(_("plan"), max_length=100)
    financing_party = models.CharField(_("financing party"), max_length=100)
    principal = models.DecimalField(_("principal (yuan)"), max_digits=18, decimal_places=2)
    installments = models.PositiveSmallIntegerField(_("instalments"))
    annual_rate = models.DecimalField(_("annual rate"), max_digits=9, decimal_places=6)
    installment = models.DecimalField(_("monthly payment (yuan)"), max_digits=18, decimal_places=2)
    apr_irr = models.DecimalField(_("annualised cost (IRR, percent)"), max_digits=9, decimal_places=6)
    plan = models.JSONField(_("plan"))
    valid_until = models.DateTimeField(_("valid until"))

    scope = ApplicationEvent.scope

    class Meta:
        verbose_name = _("offer")
        verbose_name_plural = _("offers")
        ordering = ["round", "rank"]
        constraints = [models.UniqueConstraint(fields=["application", "round", "rank"], name="one_offer_per_rank")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.rank}. {self.name}"
