"""Loans: terms and transactions are the truth; instalments, balances and booked amounts are projections of their replay."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import transition

from apps.common.audit import audited
from apps.common.fsm import StateField, legal_edges
from apps.common.models import BusinessModel
from apps.common.scope import Scope, ScopedQuerySet

LOAN_EDGES: Final = {
    "pending": ["active", "cancelled"],
    "active": ["overdue", "settled", "written_off", "terminated", "cancelled"],
    "overdue": ["active", "settled", "written_off", "terminated", "cancelled"],
    "terminated": ["settled", "written_off", "active", "overdue"],
    "written_off": ["settled", "active", "overdue"],
    "settled": ["active", "overdue"],
    "cancelled": ["active"],
}
LIVE: Final = ("active", "overdue", "terminated")
MONEY_KINDS: Final = ("disbursement", "fee", "repayment", "prepayment", "early_settlement", "refund", "chargeback", "recovery")


def _exact(name: object) -> models.DecimalField:
    """A number that is divided and rounded only when asked for: yuan x rate x units."""
    return models.DecimalField(name, max_digits=40, decimal_places=18, default=0)  # type: ignore[arg-type]


def _money(name: object, **options: object) -> models.DecimalField:
    return models.DecimalField(name, max_digits=18, decimal_places=2, default=0, **options)  # type: ignore[arg-type]


@audited()
class Loan(BusinessModel):
    """A loan as it was agreed, and the state its transactions have brought it to."""

    class State(models.TextChoices):
        PENDING = "pending", _("pending")
        ACTIVE = "active", _("repaying")
        OVERDUE = "overdue", _("overdue")
        SETTLED = "settled", _("settled")
        WRITTEN_OFF = "written_off", _("written off")
        TERMINATED = "terminated", _("terminated")
        CANCELLED = "cancelled", _("cancelled")

    number = models.CharField(_("loan number"), max_length=24, unique=True)
    legal_entity = models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", verbose_name=_("legal entity")
    )
    branch = models.ForeignKey(
        "organisations.Branch", on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("branch")
    )
    borrower_ref = models.UUIDField(_("borrower"), db_index=True)
    application_ref = models.UUIDField(_("application"), unique=True)
    product_code = models.CharField(_("product"), max_length=32, blank=True)
    terms = models.JSONField(_("terms"))
    principal = _money(_("principal"))
    opened_on = models.DateField(_("opened on"))
    settled_on = models.DateField(_("settled on"), null=True, blank=True)
    reprices_on = models.DateField(_("next rate reset"), null=True, blank=True)
    interest_vat_rate = models.DecimalField(_("VAT on interest"), max_digits=9, decimal_places=6)
    fee_vat_rate = models.DecimalField(_("VAT on fees"), max_digits=9, decimal_places=6)
    is_lease = models.BooleanField(_("booked as a finance lease"), default=False, db_default=False)
    opening = models.JSONField(
        _("booked before the take-over"), null=True, blank=True, help_text=_("event, component, party and amount, in the former system")
    )
    state = StateField(State, State.PENDING, verbose_name=_("state"))

    scope = Scope(entity="legal_entity_id", customer="borrower_ref")

    class Meta:
        verbose_name = _("loan")
        verbose_name_plural = _("loans")
        constraints = [models.CheckConstraint(condition=Q(principal__gt=0), name="loan_principal_above_zero")]
        indexes = [
            models.Index(fields=["legal_entity", "state"], name="loan_by_entity_and_state"),
            models.Index(fields=["legal_entity", "reprices_on"], condition=Q(reprices_on__isnull=False), name="loan_by_rate_reset"),
        ]
        triggers = [legal_edges("state", LOAN_EDGES)]

    def __str__(self) -> str:
        return self.number

    @property
    def opening_amounts(self) -> dict[tuple[str, str, str], Decimal]:
        """(event, component, party) → what the books of the former system held of a loan taken over, in yuan; empty for all others."""
        return {(event, component, party): Decimal(amount) for event, component, party, amount in self.opening or ()}

    def reachable_states(self) -> set[str]:
        """States that one legal step leads to from the present one."""
        return set(LOAN_EDGES[self.state])

    @transition(
        field=state,
        source=[State.PENDING, State.OVERDUE, State.SETTLED, State.WRITTEN_OFF, State.TERMINATED, State.CANCELLED],
        target=State.ACTIVE,
    )
    def activate(self) -> None:
        """Paid out, paid up again, or open again after a reversal or a back-dated item."""

    @transition(field=state, source=[State.ACTIVE, State.SETTLED, State.WRITTEN_OFF, State.TERMINATED], target=State.OVERDUE)
    def fall_overdue(self) -> None:
        """An instalment is unpaid for longer than the days of grace."""

    @transition(field=state, source=[State.ACTIVE, State.OVERDUE, State.TERMINATED, State.WRITTEN_OFF], target=State.SETTLED)
    def settle(self) -> None:
        """Nothing is owed and nothing is to come."""

    @transition(field=state, source=[State.ACTIVE, State.OVERDUE, State.TERMINATED], target=State.WRITTEN_OFF)
    def write_off(self) -> None:
        """The claim left the balance sheet."""

    @transition(field=state, source=[State.ACTIVE, State.OVERDUE], target=State.TERMINATED)
    def terminate(self) -> None:
        """Recalled before its end."""

    @transition(field=state, source=[State.PENDING, State.ACTIVE, State.OVERDUE], target=State.CANCELLED)
    def cancel(self) -> None:
        """The disbursement was reversed: the loan never was."""


class LoanTransaction(BusinessModel):
    """What happened to a loan, append-only; `business_date` is the day it was booked on, `value_date` the day it counts from."""

    class Kind(models.TextChoices):
        DISBURSEMENT = "disbursement", _("disbursement")
        CAPITALISED_INCOME = "capitalised_income", _("income added to the principal")
        RATE_RESET = "rate_reset", _("rate reset")
        EXTENSION = "extension", _("extension")
        TERM_CHANGE = "term_change", _("change of term")
        DUE_DAY_CHANGE = "due_day_change", _("change of due day")
        RE_AMORTISE = "re_amortise", _("re-amortisation")
        RE_AGE = "re_age", _("re-ageing")
        INTEREST_PAUSE = "interest_pause", _("interest pause")
        FEE = "fee", _("fee")
        WAIVER = "waiver", _("waiver")
        ADJUSTMENT = "adjustment", _("adjustment")
        REPAYMENT = "repayment", _("repayment")
        PREPAYMENT = "prepayment", _("prepayment")
        EARLY_SETTLEMENT = "early_settlement", _("early settlement")
        REFUND = "refund", _("refund")
        CHARGEBACK = "chargeback", _("chargeback")
        WRITE_OFF = "write_off", _("write-off")
        RECOVERY = "recovery", _("recovery")
        TERMINATION = "termination", _("termination")
        OWNER_TRANSFER = "owner_transfer", _("transfer to another owner")
        BUY_DOWN = "buy_down", _("buy-down")
        REVERSAL = "reversal", _("reversal")

    class Source(models.TextChoices):
        MANUAL = "manual", _("manual")
        DEBIT = "debit", _("debit")
        COUNTER = "counter", _("counter")
        COMPENSATION = "compensation", _("compensation")
        THIRD_PARTY = "third_party", _("third party")
        MERCHANT = "merchant", _("merchant")
        GOODWILL = "goodwill", _("goodwill of the lender")

    loan = models.ForeignKey(Loan, on_delete=models.PROTECT, related_name="transactions", verbose_name=_("loan"))
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    value_date = models.DateField(_("value date"))
    business_date = models.DateField(_("booked on"))
    amount = models.DecimalField(_("amount"), max_digits=18, decimal_places=2, null=True, blank=True)
    source = models.CharField(_("source"), max_length=16, choices=Source.choices, blank=True)
    reference = models.CharField(_("reference"), max_length=64)
    reverses = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="reversed_by", verbose_name=_("reverses")
    )
    params = models.JSONField(_("particulars"), default=dict, blank=True)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    actor = models.CharField(_("actor"), max_length=80)

    scope = Scope(entity="loan__legal_entity_id", customer="loan__borrower_ref")

    class Meta:
        verbose_name = _("loan transaction")
        verbose_name_plural = _("loan transactions")
        ordering = ["value_date", "created_at"]
        constraints = [
            models.UniqueConstraint(fields=["reference", "loan"], name="transaction_recorded_once"),
            models.CheckConstraint(
                condition=Q(amount__isnull=True) | Q(amount__gt=0) | Q(kind="early_settlement", amount=0),
                name="transaction_amount_above_zero",
            ),
            models.CheckConstraint(
                condition=Q(kind="reversal", reverses__isnull=False, amount__isnull=True)
                | (~Q(kind="reversal") & Q(reverses__isnull=True)),
                name="only_a_reversal_reverses",
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=MONEY_KINDS) | Q(amount__isnull=False),
                name="money_moves_by_an_amount",
            ),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.value_date} {self.kind} {self.amount or ''}"


class Instalment(models.Model):
    """One row of the schedule as the loan's last event left it; interest runs from `starts_on` to `ends_on`, `units` of a year fraction.

    `bears` is balance x rate in the period; penalty runs on what is unpaid since `late_since`, on top of what ran before
    (`penalty_run`, `compound_run`: yuan x rate x days). See `apps.loans.domain.installments`.
    """

    class Status(models.TextChoices):
        FUTURE = "future", _("to come")
        DUE = "due", _("due")
        OVERDUE = "overdue", _("overdue")
        PAID = "paid", _("paid")

    id = models.BigAutoField(primary_key=True)
    loan = models.ForeignKey(Loan, on_delete=models.PROTECT, related_name="instalments", db_index=False, verbose_name=_("loan"))
    no = models.PositiveSmallIntegerField(_("no."))
    starts_on = models.DateField(_("from"))
    ends_on = models.DateField(_("to"))
    due_date = models.DateField(_("due date"))
    units = models.PositiveIntegerField(_("units of the year fraction"))
    bears = _exact(_("balance x rate"))
    principal = _money(_("principal"))
    interest = _money(_("interest"))
    fee = _money(_("fee"))
    penalty = _money(_("penalty interest"))
    compound = _money(_("compound interest"))
    paid_principal = _money(_("principal paid"))
    paid_interest = _money(_("interest paid"))
    paid_fee = _money(_("fee paid"))
    paid_penalty = _money(_("penalty interest paid"))
    paid_compound = _money(_("compound interest paid"))
    waived_principal = _money(_("principal written down"))
    waived_interest = _money(_("interest waived"))
    waived_fee = _money(_("fee waived"))
    waived_penalty = _money(_("penalty interest waived"))
    waived_compound = _money(_("compound interest waived"))
    late_since = models.DateField(_("penalty runs since"))
    penalty_run = _exact(_("penalty run before"))
    compound_run = _exact(_("compound interest run before"))
    cleared_on = models.DateField(_("cleared on"), null=True, blank=True)
    status = models.CharField(_("status"), max_length=8, choices=Status.choices)

    scope = Scope(entity="loan__legal_entity_id", customer="loan__borrower_ref")
    objects = ScopedQuerySet.as_manager()

    class Meta:
        verbose_name = pgettext_lazy("rows of the schedule", "instalment")
        verbose_name_plural = pgettext_lazy("rows of the schedule", "instalments")
        ordering = ["no"]
        constraints = [models.UniqueConstraint(fields=["loan", "no"], name="one_instalment_per_number")]
        indexes = [models.Index(fields=["due_date", "loan"], condition=~Q(status="paid"), name="instalment_unpaid_by_day")]

    def __str__(self) -> str:
        return f"{self.no}: {self.due_date}"


class LoanBalance(models.Model):
    """Where a loan stood on `as_of`, its last event: transactions with value date up to it, interest and penalty for the days before it.

    A loan that nothing happens to keeps its row; what has accrued on it since follows from its `LoanRun`.
    """

    class AssetClass(models.TextChoices):
        NORMAL = "normal", _("normal")
        SPECIAL_MENTION = "special_mention", _("special mention")
        SUBSTANDARD = "substandard", _("substandard")
        DOUBTFUL = "doubtful", _("doubtful")
        LOSS = "loss", _("loss")

    loan = models.OneToOneField(Loan, on_delete=models.PROTECT, primary_key=True, related_name="balance", verbose_name=_("loan"))
    as_of = models.DateField(_("as of"))
    principal = _money(_("principal outstanding"))
    interest = _money(_("interest due"))
    penalty = _money(_("penalty interest due"))
    compound = _money(_("compound interest due"))
    fee = _money(_("fee due"))
    principal_due = _money(_("principal due"))
    accrued_interest = _money(_("interest accrued, not yet due"))
    credit = _money(pgettext_lazy("of the customer", "credit"))
    overdue = _money(_("overdue amount"))
    dpd = models.PositiveIntegerField(_("days past due"), default=0)
    next_due_date = models.DateField(_("oldest unpaid due date"), null=True, blank=True)
    asset_class = models.CharField(_("asset class"), max_length=16, choices=AssetClass.choices, default=AssetClass.NORMAL)
    own_class = models.CharField(
        _("class by itself"), max_length=16, choices=AssetClass.choices, default=AssetClass.NORMAL, db_default=AssetClass.NORMAL
    )
    is_marked = models.BooleanField(_("marked"), default=False, db_default=False, help_text=_("another loan of the borrower is bad"))
    is_watched = models.BooleanField(_("under watch"), default=False, db_default=False)
    improves_on = models.DateField(_("watch ends on"), null=True, blank=True, help_text=_("if everything is paid in time until then"))
    is_non_accrual = models.BooleanField(_("non-accrual"), default=False)

    scope = Scope(entity="loan__legal_entity_id", customer="loan__borrower_ref")
    objects = ScopedQuerySet.as_manager()

    class Meta:
        verbose_name = _("loan balance")
        verbose_name_plural = _("loan balances")
        indexes = [
            models.Index(fields=["as_of"], name="balance_by_day"),
            models.Index(fields=["next_due_date"], name="balance_by_due_date"),
            models.Index(fields=["loan"], condition=~Q(own_class="normal") | Q(is_marked=True), name="balance_not_normal"),
        ]

    def __str__(self) -> str:
        return f"{self.loan_id} {self.as_of}"

    @property
    def due_total(self) -> Decimal:
        """All that is due and unpaid in yuan, credit not deducted."""
        total: Decimal = self.principal_due + self.interest + self.penalty + self.compound + self.fee
        return total


class LoanAmount(models.Model):
    """What of a loan belongs in the books and what is in them: running totals per event, component and party.

    `target` follows from the replay, `booked` from what was posted; the difference of the two is the next entry.
    See docs/rules/posting-rules.md.
    """

    id = models.BigAutoField(primary_key=True)
    loan = models.ForeignKey(Loan, on_delete=models.PROTECT, related_name="amounts", db_index=False, verbose_name=_("loan"))
    event = models.CharField(_("event"), max_length=32)
    component = models.CharField(_("component"), max_length=32)
    party_ref = models.CharField(_("partner"), max_length=64, blank=True, help_text=_("empty: the lender's own share"))
    target = _money(_("belongs in the books"))
    booked = _money(_("is in the books"))

    scope = Scope(entity="loan__legal_entity_id", customer="loan__borrower_ref")
    objects = ScopedQuerySet.as_manager()

    class Meta:
        verbose_name = _("booked amount")
        verbose_name_plural = _("booked amounts")
        constraints = [models.UniqueConstraint(fields=["loan", "event", "component", "party_ref"], name="one_amount_per_key")]
        indexes = [models.Index(fields=["loan"], condition=~Q(target=F("booked")), name="amount_to_be_booked")]

    def __str__(self) -> str:
        return f"{self.event}.{self.component} {self.booked}"
