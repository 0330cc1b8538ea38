"""Statements of banks as they came, what each line was matched with, and the differences that staff work on."""

from __future__ import annotations

from typing import Any

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django_fsm import transition

from apps.common.audit import audited
from apps.common.fsm import StateField, legal_edges
from apps.common.models import BusinessModel
from apps.common.money import ZERO
from apps.common.scope import Scope


def _money(name: Any, **options: Any) -> models.DecimalField:
    return models.DecimalField(name, max_digits=18, decimal_places=2, **options)


def _entity(related_name: str) -> models.ForeignKey:
    return models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name=related_name, verbose_name=_("legal entity")
    )


BATCH_EDGES = {
    "received": ["matching", "rejected"],
    "matching": ["balanced", "differing"],
    "balanced": ["closed"],
    "differing": ["closed"],
}


@audited()
class ReconciliationBatch(BusinessModel):
    """One statement of one day, received once: the same content is never applied again."""

    class State(models.TextChoices):
        RECEIVED = "received", _("received")
        MATCHING = "matching", _("being matched")
        REJECTED = "rejected", _("rejected")
        BALANCED = "balanced", _("balanced")
        DIFFERING = "differing", _("with differences")
        CLOSED = "closed", _("closed")

    legal_entity = _entity("reconciliation_batches")
    channel = models.CharField(_("channel"), max_length=16, default="bank")
    day = models.DateField(_("day"), db_index=True)
    digest = models.CharField(_("SHA-256 of the content"), max_length=64)
    state = StateField(State, State.RECEIVED, verbose_name=_("state"))
    line_count = models.PositiveIntegerField(_("lines"), default=0)
    matched_count = models.PositiveIntegerField(_("matched"), default=0)
    difference_count = models.PositiveIntegerField(_("differences"), default=0)
    total_in = _money(_("total in"), default=ZERO)
    total_out = _money(_("total out"), default=ZERO)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    received_at = models.DateTimeField(_("received at"))

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("reconciliation batch")
        verbose_name_plural = _("reconciliation batches")
        constraints = [
            models.UniqueConstraint(fields=["legal_entity", "channel", "day", "digest"], name="one_batch_per_statement"),
        ]
        triggers = [legal_edges("state", BATCH_EDGES)]

    def __str__(self) -> str:
        return f"{self.channel} {self.day}"

    @transition(field=state, source=State.RECEIVED, target=State.MATCHING)
    def start_matching(self) -> None:
        """The totals agree with the lines."""

    @transition(field=state, source=State.RECEIVED, target=State.REJECTED)
    def reject(self) -> None:
        """The file is broken; nothing was changed."""

    @transition(field=state, source=State.MATCHING, target=State.BALANCED)
    def balance(self) -> None:
        """Every line and every payment found its other half."""

    @transition(field=state, source=State.MATCHING, target=State.DIFFERING)
    def differ(self) -> None:
        """Staff have something to do."""

    @transition(field=state, source=[State.BALANCED, State.DIFFERING], target=State.CLOSED)
    def close(self) -> None:
        """All differences are resolved."""


class BankLine(BusinessModel):
    """A line of a statement with what it was matched with; append-only, the bank's number once per channel and entity."""

    batch = models.ForeignKey(ReconciliationBatch, on_delete=models.PROTECT, related_name="lines", verbose_name=_("batch"))
    legal_entity = _entity("bank_lines")
    channel = models.CharField(_("channel"), max_length=16)
    serial = models.CharField(_("bank's number"), max_length=64)
    order_no = models.CharField(_("order number"), max_length=64, blank=True, db_index=True)
    direction = models.CharField(_("direction"), max_length=3, choices=[("in", _("in")), ("out", _("out"))])
    amount = _money(_("amount"))
    occurred_at = models.DateTimeField(_("time at the bank"))
    result = models.CharField(_("result"), max_length=16)
    matched_kind = models.CharField(_("matched with"), max_length=8, blank=True)
    matched_order_no = models.CharField(_("our order"), max_length=64, blank=True, db_index=True)
    matched_by = models.CharField(_("matched by"), max_length=16, blank=True)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("statement line")
        verbose_name_plural = _("statement lines")
        constraints = [
            models.UniqueConstraint(fields=["legal_entity", "channel", "serial"], name="bank_line_once"),
            models.UniqueConstraint(fields=["legal_entity", "matched_order_no"], condition=Q(result="matched"), name="order_matched_once"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="bank_line_above_zero"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.serial


class LateMatch(BusinessModel):
    """A line that came before the result of our order did, matched when the result was there; it stands beside the append-only line."""

    line = models.OneToOneField(BankLine, on_delete=models.PROTECT, related_name="late_match", verbose_name=_("statement line"))
    legal_entity = _entity("late_matches")
    order_no = models.CharField(_("our order"), max_length=64)
    matched_at = models.DateTimeField(_("matched at"))

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("late match")
        verbose_name_plural = _("late matches")
        constraints = [models.UniqueConstraint(fields=["legal_entity", "order_no"], name="order_matched_late_once")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.order_no


DIFFERENCE_EDGES = {
    "open": ["carried", "proposed"],
    "carried": ["resolved", "open"],
    "proposed": ["approved", "open"],
    "approved": ["resolved"],
}


@audited()
class Difference(BusinessModel):
    """A case for staff: what the bank has and we do not, or the other way, or both and not the same."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        CARRIED = "carried", _("carried to the next days")
        PROPOSED = "proposed", _("way out proposed")
        APPROVED = "approved", _("way out approved")
        RESOLVED = "resolved", _("resolved")

    class Action(models.TextChoices):
        BOOK = "book", _("book to suspense")
        REFUND = "refund", _("refund")
        CHASE = "chase", _("chase the bank")
        IGNORE = "ignore", _("ignore")

    batch = models.ForeignKey(ReconciliationBatch, on_delete=models.PROTECT, related_name="differences", verbose_name=_("batch"))
    legal_entity = _entity("reconciliation_differences")
    kind = models.CharField(_("kind"), max_length=16)
    direction = models.CharField(_("direction"), max_length=3)
    order_no = models.CharField(_("our order"), max_length=64, blank=True, db_index=True)
    serial = models.CharField(_("bank's number"), max_length=64, blank=True)
    our_amount = _money(_("our amount"), null=True, blank=True)
    bank_amount = _money(_("bank's amount"), null=True, blank=True)
    our_state = models.CharField(_("our state"), max_length=24, blank=True)
    state = StateField(State, State.OPEN, verbose_name=_("state"))
    action = models.CharField(_("way out"), max_length=8, choices=Action.choices, blank=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    proposed_by = models.CharField(_("proposed by"), max_length=128, blank=True)
    proposer_ref = models.UUIDField(null=True, blank=True, editable=False)
    approved_by = models.CharField(_("approved by"), max_length=128, blank=True)
    resolved_at = models.DateTimeField(_("resolved at"), null=True, blank=True)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("difference")
        verbose_name_plural = _("differences")
        constraints = [models.UniqueConstraint(fields=["legal_entity", "kind", "order_no", "serial"], name="one_case_per_difference")]
        triggers = [legal_edges("state", DIFFERENCE_EDGES)]

    def __str__(self) -> str:
        return f"{self.kind} {self.order_no or self.serial}"

    @property
    def posting_reference(self) -> str:
        """Under which its way out stands in the books."""
        return f"difference:{self.id}"

    @transition(field=state, source=State.OPEN, target=State.CARRIED)
    def carry(self) -> None:
        """It may only have crossed the cut-off; the next statements are tried first."""

    @transition(field=state, source=[State.CARRIED, State.APPROVED], target=State.RESOLVED)
    def resolve(self) -> None:
        """Matched later, or the approved way out was carried out."""

    @transition(field=state, source=[State.CARRIED, State.PROPOSED], target=State.OPEN)
    def reopen(self) -> None:
        """Carried too long, or the proposal was refused."""

    @transition(field=state, source=State.OPEN, target=State.PROPOSED)
    def propose(self) -> None:
        """Somebody says what to do."""

    @transition(field=state, source=State.PROPOSED, target=State.APPROVED)
    def approve(self) -> None:
        """Somebody else agrees."""
