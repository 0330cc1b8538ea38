"""Funders and their positions, vouchers, payments out, payments in, and what banks have told us."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import transition

from apps.common.audit import PER_STATEMENT, audited
from apps.common.crypto import EncryptedTextField
from apps.common.fsm import StateField, legal_edges
from apps.common.models import BusinessModel
from apps.common.money import ZERO
from apps.common.scope import Scope
from apps.disbursement.domain import FunderFacts, Position


def _money(name: Any, **options: Any) -> models.DecimalField:
    return models.DecimalField(name, max_digits=18, decimal_places=2, **options)


def _entity(related_name: str) -> models.ForeignKey:
    return models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name=related_name, verbose_name=_("legal entity")
    )


@audited()
class Funder(BusinessModel):
    """Who provides the money 资金方: the lender itself or a partner; routing chooses among them by these facts."""

    class Kind(models.TextChoices):
        OWN = "own", _("own funds")
        PARTNER = "partner", _("partner")

    legal_entity = _entity("funders")
    code = models.CharField(_("code"), max_length=32)
    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices, default=Kind.OWN)
    is_active = models.BooleanField(_("active"), default=True)
    products = models.JSONField(_("products"), default=list, blank=True, help_text=_("Product codes; empty funds all."))
    min_amount = _money(_("minimum of one payment"), default=ZERO)
    max_amount = _money(_("maximum of one payment"), null=True, blank=True)
    day_quota = _money(_("day quota"), null=True, blank=True)
    cost_rate = models.DecimalField(_("cost, fraction a year"), max_digits=9, decimal_places=6, default=0)
    weight = models.PositiveSmallIntegerField(_("weight"), default=100)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("funder")
        verbose_name_plural = _("funders")
        constraints = [models.UniqueConstraint(fields=["legal_entity", "code"], name="funder_code_per_entity")]

    def __str__(self) -> str:
        return self.name


@audited()
class FundingAccount(BusinessModel):
    """Where a funder's money lies; its sums are kept by movements and can never promise more than was brought in."""

    funder = models.OneToOneField(Funder, on_delete=models.PROTECT, related_name="account", verbose_name=_("funder"))
    legal_entity = _entity("funding_accounts")
    bank = models.CharField(_("bank"), max_length=64)
    account_number = EncryptedTextField(_("account number"))
    account_masked = models.CharField(_("account"), max_length=16)
    warn_share = models.DecimalField(_("warn when used up to"), max_digits=5, decimal_places=4, default=Decimal("0.9"))
    topped_up = _money(_("brought in"), default=ZERO)
    reserved = _money(_("reserved"), default=ZERO)
    paid = _money(_("paid out"), default=ZERO)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("funding account")
        verbose_name_plural = _("funding accounts")
        constraints = [
            models.CheckConstraint(condition=Q(reserved__gte=0, paid__gte=0), name="position_sums_not_negative"),
            models.CheckConstraint(condition=Q(topped_up__gte=F("reserved") + F("paid")), name="position_not_overdrawn"),
        ]

    def __str__(self) -> str:
        return f"{self.bank} {self.account_masked}"

    @property
    def position(self) -> Position:
        return Position(self.topped_up, self.reserved, self.paid)


class PositionMovement(BusinessModel):
    """One change of a funding account's sums; append-only, once per kind and reference."""

    class Kind(models.TextChoices):
        TOP_UP = "top_up", _("brought in")
        RESERVE = "reserve", _("reserved")
        RELEASE = "release", _("released")
        PAY = "pay", _("paid out")
        RETURN = "return", _("returned")

    account = models.ForeignKey(FundingAccount, on_delete=models.PROTECT, related_name="movements", verbose_name=_("funding account"))
    legal_entity = _entity("position_movements")
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    amount = _money(_("amount"))
    reference = models.CharField(_("reference"), max_length=64)
    business_date = models.DateField(_("business date"))
    actor = models.CharField(_("who"), max_length=128)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("position movement")
        verbose_name_plural = _("position movements")
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="position_movement_above_zero"),
            models.UniqueConstraint(fields=["account", "kind", "reference"], name="one_position_movement_per_reference"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount}"


DISBURSEMENT_EDGES = {
    "created": ["routed", "cancelled"],
    "routed": ["submitted", "failed", "cancelled"],
    "submitted": ["succeeded", "failed", "unknown"],
    "unknown": ["succeeded", "failed"],
    "failed": ["routed", "cancelled"],
    "succeeded": ["reversed"],
}


@audited()
class Disbursement(BusinessModel):
    """A payment out: to the dealer for a car loan, to the customer for a cash loan. Its success opens the loan."""

    class State(models.TextChoices):
        CREATED = "created", _("waiting for review")
        ROUTED = "routed", _("routed")
        SUBMITTED = "submitted", _("submitted")
        UNKNOWN = "unknown", _("unknown, being queried")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")
        REVERSED = "reversed", _("reversed")

    class PayeeKind(models.TextChoices):
        DEALER = "dealer", _("dealer")
        CUSTOMER = "customer", _("customer")

    number = models.CharField(_("number"), max_length=32, unique=True)
    legal_entity = _entity("disbursements")
    application_ref = models.UUIDField(_("application"), db_index=True)
    application_number = models.CharField(_("application number"), max_length=32)
    contract_ref = models.UUIDField(_("contract"))
    customer_ref = models.UUIDField(_("customer"), db_index=True)
    dealer_ref = models.UUIDField(_("dealer"), null=True, blank=True)
    shop_ref = models.UUIDField(_("shop"), null=True, blank=True)
    consultant_ref = models.UUIDField(_("consultant"), null=True, blank=True)
    product_code = models.CharField(_("product"), max_length=64)
    amount = _money(_("amount"))
    payee_kind = models.CharField(_("paid to"), max_length=8, choices=PayeeKind.choices, default=PayeeKind.DEALER)
    payee_label = models.CharField(_("payee"), max_length=100, blank=True)
    payee_name = EncryptedTextField(_("payee in full"), blank=True)
    payee_bank = models.CharField(_("payee's bank"), max_length=64, blank=True)
    payee_account = EncryptedTextField(_("payee's account"), blank=True)
    payee_masked = models.CharField(_("payee's account"), max_length=16, blank=True)
    state = StateField(State, State.CREATED, verbose_name=_("state"))
    account = models.ForeignKey(
        FundingAccount, on_delete=models.PROTECT, null=True, blank=True, related_name="disbursements", verbose_name=_("funding account")
    )
    routing = models.JSONField(_("routing explained"), default=list, blank=True)
    attempt = models.PositiveSmallIntegerField(_("attempt"), default=0)
    order_no = models.CharField(_("order number"), max_length=40, unique=True, null=True, blank=True)
    bank_ref = models.CharField(_("bank's number"), max_length=64, blank=True)
    checks = models.JSONField(_("checks"), default=list, blank=True)
    due_at = models.DateTimeField(_("goes out from"), null=True, blank=True)
    approved_by = models.CharField(_("approved by"), max_length=128, blank=True)
    approved_at = models.DateTimeField(_("approved at"), null=True, blank=True)
    submitted_at = models.DateTimeField(_("submitted at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    loan_ref = models.UUIDField(_("loan"), null=True, blank=True)

    scope = Scope(entity="legal_entity_id", dealer="dealer_ref", shop="shop_ref", consultant="consultant_ref", customer="customer_ref")

    class Meta:
        verbose_name = _("disbursement")
        verbose_name_plural = _("disbursements")
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="disbursement_above_zero"),
            models.UniqueConstraint(
                fields=["application_ref"],
                condition=~Q(state__in=["cancelled", "reversed"]),
                name="one_live_disbursement_per_application",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["submitted", "unknown", "succeeded"]) | Q(order_no__isnull=False, account__isnull=False),
                name="disbursement_sent_with_order_number",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["submitted", "unknown", "succeeded"]) | ~Q(approved_by=""),
                name="disbursement_sent_with_approval",
            ),
        ]
        indexes = [models.Index(fields=["due_at"], condition=Q(state="routed"), name="disbursement_waiting")]
        triggers = [legal_edges("state", DISBURSEMENT_EDGES)]

    def __str__(self) -> str:
        return self.number

    def is_approved(self) -> bool:
        """Whether a reviewer has released this payment."""
        return bool(self.approved_by)

    @transition(field=state, source=[State.CREATED, State.FAILED], target=State.ROUTED, conditions=[is_approved])  # type: ignore[list-item]
    def route(self) -> None:
        """A funder was chosen."""

    @transition(field=state, source=State.ROUTED, target=State.SUBMITTED, conditions=[is_approved])  # type: ignore[list-item]
    def submit(self) -> None:
        """The order number is written down; the call follows."""

    @transition(field=state, source=[State.SUBMITTED, State.UNKNOWN], target=State.SUCCEEDED)
    def succeed(self) -> None:
        """The bank has paid."""

    @transition(field=state, source=[State.ROUTED, State.SUBMITTED, State.UNKNOWN], target=State.FAILED)
    def fail(self) -> None:
        """Certainly not paid."""

    @transition(field=state, source=State.SUBMITTED, target=State.UNKNOWN)
    def lose_sight(self) -> None:
        """Sent, and no answer."""

    @transition(field=state, source=[State.CREATED, State.ROUTED, State.FAILED], target=State.CANCELLED)
    def cancel(self) -> None:
        """Not to be paid any more."""

    @transition(field=state, source=State.SUCCEEDED, target=State.REVERSED)
    def reverse(self) -> None:
        """The payee has given the money back."""


class TransferOrder(BusinessModel):
    """One order number under which a disbursement was sent to a bank; append-only, so late answers still find their payment."""

    order_no = models.CharField(_("order number"), max_length=40, unique=True)
    disbursement = models.ForeignKey(Disbursement, on_delete=models.PROTECT, related_name="orders", verbose_name=_("disbursement"))
    legal_entity = _entity("transfer_orders")
    account = models.ForeignKey(FundingAccount, on_delete=models.PROTECT, related_name="orders", verbose_name=_("funding account"))
    amount = _money(_("amount"))
    sent_at = models.DateTimeField(_("sent at"))

    scope = Scope(entity="legal_entity_id", customer="disbursement__customer_ref")

    class Meta:
        verbose_name = _("transfer order")
        verbose_name_plural = _("transfer orders")
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.order_no


VOUCHER_EDGES = {
    "issued": ["used", "paid", "revoked"],
    "used": ["settled"],
    "paid": ["settled"],
}


@audited()
class Voucher(BusinessModel):
    """The platform's promise to the dealer 放款凭证: the car may leave before the transfer arrives. Used once, revocable until used."""

    class State(models.TextChoices):
        ISSUED = "issued", _("issued")
        USED = "used", _("used, car picked up")
        PAID = "paid", _("paid, guarantee released")
        SETTLED = "settled", pgettext_lazy("of a voucher", "settled")
        REVOKED = "revoked", _("revoked")

    number = models.CharField(_("number"), max_length=32, unique=True)
    legal_entity = _entity("vouchers")
    disbursement = models.OneToOneField(Disbursement, on_delete=models.PROTECT, related_name="voucher", verbose_name=_("disbursement"))
    application_ref = models.UUIDField(_("application"), db_index=True)
    customer_ref = models.UUIDField(_("customer"))
    dealer_ref = models.UUIDField(_("dealer"), null=True, blank=True)
    shop_ref = models.UUIDField(_("shop"), null=True, blank=True)
    consultant_ref = models.UUIDField(_("consultant"), null=True, blank=True)
    amount = _money(_("amount"))
    state = StateField(State, State.ISSUED, verbose_name=_("state"))
    document_ref = models.UUIDField(_("document"), null=True, blank=True)
    issued_at = models.DateTimeField(_("issued at"))
    valid_until = models.DateField(_("valid until"))
    used_at = models.DateTimeField(_("used at"), null=True, blank=True)
    used_by = models.CharField(_("used by"), max_length=128, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)

    scope = Scope(entity="legal_entity_id", dealer="dealer_ref", shop="shop_ref", consultant="consultant_ref", customer="customer_ref")

    class Meta:
        verbose_name = _("voucher")
        verbose_name_plural = _("vouchers")
        constraints = [models.CheckConstraint(condition=Q(amount__gt=0), name="voucher_above_zero")]
        indexes = [models.Index(fields=["legal_entity", "valid_until"], condition=Q(state="issued"), name="voucher_issued")]
        triggers = [legal_edges("state", VOUCHER_EDGES)]

    def __str__(self) -> str:
        return self.number

    @transition(field=state, source=State.ISSUED, target=State.USED)
    def use(self) -> None:
        """The car was picked up on the strength of the voucher."""

    @transition(field=state, source=State.ISSUED, target=State.PAID)
    def pay(self) -> None:
        """The transfer came first; the guarantee is released."""

    @transition(field=state, source=[State.USED, State.PAID], target=State.SETTLED)
    def settle(self) -> None:
        """Both the transfer and the pick-up have happened."""

    @transition(field=state, source=State.ISSUED, target=State.REVOKED)
    def revoke(self) -> None:
        """Taken back before use."""


REPAYMENT_EDGES = {
    "created": ["processing", "cancelled"],
    "processing": ["succeeded", "failed", "unknown", "cancelled"],
    "unknown": ["succeeded", "failed"],
    "succeeded": ["reversed", "refunded"],
}


@audited(level=PER_STATEMENT)
class RepaymentOrder(BusinessModel):
    """A payment in: money asked from a customer's card. Its success is booked on the loan in the same transaction."""

    class State(models.TextChoices):
        CREATED = "created", _("created")
        PROCESSING = "processing", _("processing")
        UNKNOWN = "unknown", _("unknown, being queried")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")
        REVERSED = "reversed", _("reversed")
        REFUNDED = "refunded", _("refunded")

    class Purpose(models.TextChoices):
        DUE = "due", _("what is due")
        PREPAYMENT = "prepayment", _("part prepayment")
        EARLY_SETTLEMENT = "early_settlement", _("early settlement")

    class Origin(models.TextChoices):
        BATCH = "batch", _("batch debit")
        CUSTOMER = "customer", _("customer")
        STAFF = "staff", _("staff")

    order_no = models.CharField(_("order number"), max_length=40)
    legal_entity = _entity("repayment_orders")
    loan_ref = models.UUIDField(_("loan"), db_index=True)
    customer_ref = models.UUIDField(_("customer"), db_index=True)
    card_ref = models.UUIDField(_("bank card"))
    card_masked = models.CharField(_("bank card"), max_length=16)
    agreement_no = models.CharField(_("debit agreement"), max_length=32)
    purpose = models.CharField(_("purpose"), max_length=16, choices=Purpose.choices)
    origin = models.CharField(_("origin"), max_length=8, choices=Origin.choices)
    mode = models.CharField(_("mode of prepayment"), max_length=8, blank=True)
    amount = _money(_("amount"))
    due_date = models.DateField(_("due date"), null=True, blank=True)
    business_date = models.DateField(_("business date"), db_index=True)
    state = StateField(State, State.CREATED, db_index=False, verbose_name=_("state"))
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    bank_ref = models.CharField(_("bank's number"), max_length=64, blank=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    next_debit_date = models.DateField(_("next debit"), null=True, blank=True)
    booked_as = models.CharField(_("booked as"), max_length=16, blank=True)

    scope = Scope(entity="legal_entity_id", customer="customer_ref")

    class Meta:
        verbose_name = _("repayment order")
        verbose_name_plural = _("repayment orders")
        constraints = [
            models.UniqueConstraint(fields=["order_no"], name="repayment_order_number"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="repayment_order_above_zero"),
            models.UniqueConstraint(
                fields=["loan_ref"],
                condition=Q(state__in=["created", "processing", "unknown"]),
                name="one_open_repayment_order_per_loan",
            ),
            models.UniqueConstraint(
                fields=["loan_ref", "business_date"], condition=Q(origin="batch"), name="one_batch_debit_per_loan_and_day"
            ),
        ]
        triggers = [legal_edges("state", REPAYMENT_EDGES)]

    def __str__(self) -> str:
        return self.order_no

    @property
    def reference(self) -> str:
        """Under which the payment stands on the loan and in the books."""
        return f"debit:{self.order_no}"

    @transition(field=state, source=State.CREATED, target=State.PROCESSING)
    def process(self) -> None:
        """Written down as sent; the call follows."""

    @transition(field=state, source=[State.PROCESSING, State.UNKNOWN], target=State.SUCCEEDED)
    def succeed(self) -> None:
        """The money has come."""

    @transition(field=state, source=[State.PROCESSING, State.UNKNOWN], target=State.FAILED)
    def fail(self) -> None:
        """Certainly no money."""

    @transition(field=state, source=State.PROCESSING, target=State.UNKNOWN)
    def lose_sight(self) -> None:
        """Sent, and no answer."""

    @transition(field=state, source=[State.CREATED, State.PROCESSING], target=State.CANCELLED)
    def cancel(self) -> None:
        """Not needed any more, or paid another way."""

    @transition(field=state, source=State.SUCCEEDED, target=State.REVERSED)
    def reverse(self) -> None:
        """The bank took the money back."""

    @transition(field=state, source=State.SUCCEEDED, target=State.REFUNDED)
    def refund(self) -> None:
        """The money was given back."""


class BankNotice(BusinessModel):
    """What a bank told us about an order, by callback or in answer to a query, and what it changed; append-only.

    Duplicates, wrong amounts and contradictions change nothing else, and are seen here.
    """

    class Verdict(models.TextChoices):
        APPLY = "apply", _("applied")
        PROGRESS = "progress", _("not final")
        DUPLICATE = "duplicate", _("known already")
        WRONG_AMOUNT = "wrong_amount", _("wrong amount")
        CONTRADICTION = "contradiction", _("contradicts the order's end")
        UNKNOWN_ORDER = "unknown_order", _("no such order")

    legal_entity = models.ForeignKey(
        "organisations.LegalEntity",
        on_delete=models.PROTECT,
        related_name="bank_notices",
        null=True,
        blank=True,
        verbose_name=_("legal entity"),
    )
    kind = models.CharField(_("kind"), max_length=8, choices=[("transfer", _("transfer")), ("debit", _("debit"))])
    order_no = models.CharField(_("order number"), max_length=64, db_index=True)
    outcome = models.CharField(_("outcome"), max_length=12)
    amount = _money(_("amount"), null=True, blank=True)
    bank_ref = models.CharField(_("bank's number"), max_length=64, blank=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    verdict = models.CharField(_("what it changed"), max_length=16, choices=Verdict.choices)
    received_at = models.DateTimeField(_("received at"))

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("bank notice")
        verbose_name_plural = _("bank notices")
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.order_no} {self.verdict}"


def funder_facts(account: FundingAccount, *, used_today: Decimal, success_rate: Decimal) -> FunderFacts:
    """What routing looks at, from the rows."""
    funder = account.funder
    return FunderFacts(
        id=funder.id,
        code=funder.code,
        active=funder.is_active,
        position=account.position,
        min_amount=funder.min_amount,
        max_amount=funder.max_amount,
        products=frozenset(funder.products),
        day_quota=funder.day_quota,
        used_today=used_today,
        cost_rate=funder.cost_rate,
        success_rate=success_rate,
        weight=funder.weight,
    )
