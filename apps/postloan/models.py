"""Collection cases and contacts, delivery papers, settlement certificates and the release of titles."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django_fsm import transition

from apps.common.audit import PER_STATEMENT, audited
from apps.common.fsm import StateField, legal_edges
from apps.common.models import BusinessModel
from apps.common.money import ZERO
from apps.common.scope import Scope


def _entity(related_name: str) -> models.ForeignKey:
    return models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name=related_name, verbose_name=_("legal entity")
    )


CASE_EDGES = {
    "open": ["working", "closed"],
    "working": ["promised", "outsourced", "litigation", "closed"],
    "promised": ["working", "closed"],
    "outsourced": ["working", "closed"],
    "litigation": ["working", "closed"],
}


@audited(level=PER_STATEMENT)
class CollectionCase(BusinessModel):
    """What is done about a customer's overdue loans 催收案件: one open case per customer and legal entity."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        WORKING = "working", _("in work")
        PROMISED = "promised", _("payment promised")
        OUTSOURCED = "outsourced", _("with an agency")
        LITIGATION = "litigation", _("in court")
        CLOSED = "closed", _("closed")

    class Outcome(models.TextChoices):
        CURED = "cured", _("cured")
        SETTLED = "settled", _("settled")
        WRITTEN_OFF = "written_off", _("written off")

    number = models.CharField(_("number"), max_length=32, unique=True)
    legal_entity = _entity("collection_cases")
    customer_ref = models.UUIDField(_("customer"), db_index=True)
    state = StateField(State, State.OPEN, verbose_name=_("state"))
    grade = models.CharField(_("grade"), max_length=12)
    days_past_due = models.PositiveIntegerField(_("days past due"))
    overdue_amount = models.DecimalField(_("overdue amount"), max_digits=18, decimal_places=2, default=ZERO)
    collector_ref = models.UUIDField(_("collector"), null=True, blank=True)
    opened_on = models.DateField(_("opened on"))
    promised_on = models.DateField(_("payment promised for"), null=True, blank=True)
    promised_amount = models.DecimalField(_("amount promised"), max_digits=18, decimal_places=2, null=True, blank=True)
    closed_on = models.DateField(_("closed on"), null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=12, choices=Outcome.choices, blank=True)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("collection case")
        verbose_name_plural = _("collection cases")
        constraints = [
            models.UniqueConstraint(
                fields=["legal_entity", "customer_ref"], condition=~Q(state="closed"), name="one_open_case_per_customer"
            ),
            models.CheckConstraint(condition=~Q(state="closed") | ~Q(outcome=""), name="closed_case_has_outcome"),
        ]
        triggers = [legal_edges("state", CASE_EDGES)]

    def __str__(self) -> str:
        return self.number

    @transition(field=state, source=[State.OPEN, State.PROMISED, State.OUTSOURCED, State.LITIGATION], target=State.WORKING)
    def work(self) -> None:
        """Somebody takes it, a promise was broken, or it came back."""

    @transition(field=state, source=State.WORKING, target=State.PROMISED)
    def promise(self) -> None:
        """The debtor said when and how much."""

    @transition(field=state, source=State.WORKING, target=State.OUTSOURCED)
    def outsource(self) -> None:
        """Given to an agency."""

    @transition(field=state, source=State.WORKING, target=State.LITIGATION)
    def litigate(self) -> None:
        """Taken to court."""

    @transition(
        field=state,
        source=[State.OPEN, State.WORKING, State.PROMISED, State.OUTSOURCED, State.LITIGATION],
        target=State.CLOSED,
    )
    def close(self) -> None:
        """Cured, settled or written off."""


class CollectionLoan(BusinessModel):
    """An overdue loan of a case, as the last intake saw it; a projection of the loan core, there to be listed."""

    case = models.ForeignKey(CollectionCase, on_delete=models.PROTECT, related_name="loans", verbose_name=_("case"))
    legal_entity = _entity("collection_loans")
    loan_ref = models.UUIDField(_("loan"), db_index=True)
    loan_number = models.CharField(_("loan number"), max_length=32)
    days_past_due = models.PositiveIntegerField(_("days past due"))
    overdue_amount = models.DecimalField(_("overdue amount"), max_digits=18, decimal_places=2)
    is_overdue = models.BooleanField(_("still overdue"), default=True)
    seen_on = models.DateField(_("seen on"))

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("loan of a case")
        verbose_name_plural = _("loans of cases")
        constraints = [models.UniqueConstraint(fields=["case", "loan_ref"], name="loan_once_per_case")]

    def __str__(self) -> str:
        return self.loan_number


class CollectionContact(BusinessModel):
    """One attempt to reach somebody about a case, allowed by the rules before it was made; append-only."""

    class Channel(models.TextChoices):
        CALL = "call", _("call")
        SMS = "sms", _("SMS")
        VISIT = "visit", _("visit")

    class Result(models.TextChoices):
        EFFECTIVE = "effective", _("spoke with the person")
        UNANSWERED = "unanswered", _("not answered")
        INVALID = "invalid", _("number not valid")
        STOP = "stop", _("asked to stop")

    case = models.ForeignKey(CollectionCase, on_delete=models.PROTECT, related_name="contacts", verbose_name=_("case"))
    legal_entity = _entity("collection_contacts")
    channel = models.CharField(_("channel"), max_length=8, choices=Channel.choices)
    number_index = models.CharField(_("number, hashed"), max_length=64, db_index=True)
    number_masked = models.CharField(_("number"), max_length=16)
    third_party = models.BooleanField(_("third person"), default=False)
    result = models.CharField(_("result"), max_length=12, choices=Result.choices)
    note = models.CharField(_("note"), max_length=500, blank=True)
    recording_ref = models.CharField(_("recording"), max_length=64, blank=True)
    actor = models.CharField(_("who"), max_length=128)
    at = models.DateTimeField(_("at"))

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("collection contact")
        verbose_name_plural = _("collection contacts")
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.channel} {self.result}"


PAPER_EDGES = {"pending": ["received"], "received": ["checked", "pending"]}


@audited()
class DeliveryPaper(BusinessModel):
    """One paper of a delivery's checklist; the application completes when all are in and the transfer has succeeded."""

    class State(models.TextChoices):
        PENDING = "pending", _("awaited")
        RECEIVED = "received", _("received")
        CHECKED = "checked", _("checked")

    class Kind(models.TextChoices):
        HANDOVER_NOTE = "handover_note", _("handover note")
        PURCHASE_INVOICE = "purchase_invoice", _("purchase invoice")
        INSURANCE_POLICY = "insurance_policy", _("insurance policy")
        PURCHASE_TAX_INVOICE = "purchase_tax_invoice", _("purchase tax invoice")
        REGISTRATION_CERTIFICATE = "registration_certificate", _("registration certificate")
        MORTGAGE_REGISTRATION = "mortgage_registration", _("mortgage registration")

    legal_entity = _entity("delivery_papers")
    application_ref = models.UUIDField(_("application"), db_index=True)
    customer_ref = models.UUIDField(_("customer"))
    dealer_ref = models.UUIDField(_("dealer"), null=True, blank=True)
    shop_ref = models.UUIDField(_("shop"), null=True, blank=True)
    consultant_ref = models.UUIDField(_("consultant"), null=True, blank=True)
    kind = models.CharField(_("paper"), max_length=32, choices=Kind.choices)
    state = StateField(State, State.PENDING, verbose_name=_("state"))
    due_date = models.DateField(_("due date"))
    document_ref = models.UUIDField(_("document"), null=True, blank=True)
    received_at = models.DateTimeField(_("received at"), null=True, blank=True)
    checked_by = models.CharField(_("checked by"), max_length=128, blank=True)
    reason = models.CharField(_("why it was sent back"), max_length=300, blank=True)

    scope = Scope(entity="legal_entity_id", dealer="dealer_ref", shop="shop_ref", consultant="consultant_ref", customer="customer_ref")

    class Meta:
        verbose_name = _("delivery paper")
        verbose_name_plural = _("delivery papers")
        ordering = ["due_date", "kind"]
        constraints = [
            models.UniqueConstraint(fields=["application_ref", "kind"], name="paper_once_per_application"),
            models.CheckConstraint(condition=Q(state="pending") | Q(document_ref__isnull=False), name="paper_in_with_document"),
        ]
        triggers = [legal_edges("state", PAPER_EDGES)]

    def __str__(self) -> str:
        return self.get_kind_display()

    @transition(field=state, source=State.PENDING, target=State.RECEIVED)
    def receive(self) -> None:
        """A file was uploaded."""

    @transition(field=state, source=State.RECEIVED, target=State.CHECKED)
    def check_off(self) -> None:
        """Staff have looked at it."""

    @transition(field=state, source=State.RECEIVED, target=State.PENDING)
    def send_back(self) -> None:
        """Not the right paper, or not readable."""


@audited()
class SettlementCertificate(BusinessModel):
    """The proof that a loan is paid to its last cent; withdrawn when a reversal or a back-dated item opens the loan again."""

    legal_entity = _entity("settlement_certificates")
    loan_ref = models.UUIDField(_("loan"), db_index=True)
    loan_number = models.CharField(_("loan number"), max_length=32)
    customer_ref = models.UUIDField(_("customer"))
    number = models.CharField(_("number"), max_length=32, unique=True)
    settled_on = models.DateField(_("settled on"))
    document_ref = models.UUIDField(_("document"), null=True, blank=True)
    withdrawn_at = models.DateTimeField(_("withdrawn at"), null=True, blank=True)

    scope = Scope(entity="legal_entity_id", customer="customer_ref")

    class Meta:
        verbose_name = _("settlement certificate")
        verbose_name_plural = _("settlement certificates")
        constraints = [
            models.UniqueConstraint(fields=["loan_ref"], condition=Q(withdrawn_at=None), name="one_standing_certificate_per_loan")
        ]

    def __str__(self) -> str:
        return self.number


RELEASE_EDGES = {"pending": ["released"]}


@audited()
class TitleRelease(BusinessModel):
    """What the lender owes the customer after the last cent: the mortgage lifted or the title handed over."""

    class State(models.TextChoices):
        PENDING = "pending", _("to be released")
        RELEASED = "released", _("released")

    legal_entity = _entity("title_releases")
    loan_ref = models.UUIDField(_("loan"), unique=True)
    loan_number = models.CharField(_("loan number"), max_length=32)
    application_ref = models.UUIDField(_("application"), null=True, blank=True)
    customer_ref = models.UUIDField(_("customer"))
    state = StateField(State, State.PENDING, verbose_name=_("state"))
    settled_on = models.DateField(_("settled on"))
    due_date = models.DateField(_("to be released by"))
    released_at = models.DateTimeField(_("released at"), null=True, blank=True)
    released_by = models.CharField(_("released by"), max_length=128, blank=True)

    scope = Scope(entity="legal_entity_id", customer="customer_ref")

    class Meta:
        verbose_name = _("title release")
        verbose_name_plural = _("title releases")
        triggers = [legal_edges("state", RELEASE_EDGES)]

    def __str__(self) -> str:
        return self.loan_number

    @transition(field=state, source=State.PENDING, target=State.RELEASED)
    def release(self) -> None:
        """Mortgage lifted, or title transferred; the certificate goes to the customer."""
