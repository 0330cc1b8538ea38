"""Base classes of every context's models, and the kernel's own tables."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar
from uuid import UUID

import pgtrigger
import uuid_utils.compat
from django.db import models
from django.utils.translation import gettext_lazy as _
from django_fsm import transition

from apps.common.audit import audited
from apps.common.fsm import StateField, legal_edges
from apps.common.scope import Scope, ScopedQuerySet


def new_id() -> UUID:
    """A time-ordered UUID (version 7): index-friendly, and not to be guessed one after the other."""
    return uuid_utils.compat.uuid7()


class ProjectNow(models.Func):
    """The project's clock inside the database (`clock.now()` in SQL); a column default that costs no query."""

    function = "project_now"
    template = "%(function)s()"
    output_field = models.DateTimeField()


class BusinessModel(models.Model):
    """A row of the business: its own id, when it was made, and who may see it (`scope`)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    created_at = models.DateTimeField(_("made at"), db_default=ProjectNow(), editable=False, db_index=True)

    scope: ClassVar[Scope]
    objects = ScopedQuerySet.as_manager()

    class Meta:
        abstract = True
        base_manager_name = "objects"


class ClockOffset(models.Model):
    """How far the project's clock stands from the wall clock. One row; none means no offset."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    seconds = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="clock_offset_single_row")]

    def __str__(self) -> str:
        return f"{self.seconds} s"


class OutboxMessage(models.Model):
    """An event as it was published; append-only."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(_("news"), max_length=100)
    payload = models.JSONField()
    created_at = models.DateTimeField(db_default=ProjectNow(), db_index=True)

    class Meta:
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return f"{self.name} #{self.id}"


class OutboxDeliveryQuerySet(ScopedQuerySet):
    def due(self) -> OutboxDeliveryQuerySet:
        """Waiting deliveries whose time has come, oldest first."""
        return self.filter(state=OutboxDelivery.State.WAITING, due_at__lte=dt.datetime.now(dt.UTC)).order_by("due_at", "id")


class OutboxDelivery(models.Model):
    """What one handler makes of one message; also its receipt."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    id = models.BigAutoField(primary_key=True)
    message = models.ForeignKey(OutboxMessage, on_delete=models.CASCADE, related_name="deliveries", verbose_name=_("news"))
    handler = models.CharField(_("handler"), max_length=200)
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    due_at = models.DateTimeField(_("due at"), auto_now_add=True)
    done_at = models.DateTimeField(_("done at"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True)

    scope = Scope()  # news of all lenders: for operators of the whole system
    objects = OutboxDeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery of news")
        verbose_name_plural = _("deliveries of news")
        constraints = [models.UniqueConstraint(fields=["message", "handler"], name="one_delivery_per_handler")]
        indexes = [models.Index(fields=["due_at", "id"], condition=models.Q(state="waiting"), name="outbox_waiting")]

    def __str__(self) -> str:
        return f"{self.message_id} → {self.handler}"


class IdempotencyRecord(models.Model):
    """What was answered to a request that carried a key; kept for a week."""

    owner = models.CharField(max_length=64)
    key = models.CharField(max_length=128)
    digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True)
    created_at = models.DateTimeField(db_default=ProjectNow(), db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="one_answer_per_key")]

    def __str__(self) -> str:
        return f"{self.owner} {self.key}"


class GatewayCall(models.Model):
    """One call to an outside party, or one of its callbacks, with bodies redacted; append-only."""

    class Direction(models.TextChoices):
        OUT = "out", _("out")
        IN = "in", _("in")

    id = models.BigAutoField(primary_key=True)
    gateway = models.CharField(_("outside party"), max_length=32, db_index=True)
    direction = models.CharField(_("direction"), max_length=3, choices=Direction.choices)
    operation = models.CharField(_("operation"), max_length=64)
    reference = models.CharField(_("reference"), max_length=128, blank=True, db_index=True)
    outcome = models.CharField(_("outcome"), max_length=24)
    http_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True)
    request = models.JSONField(_("request"), null=True)
    response = models.JSONField(_("response"), null=True)
    milliseconds = models.PositiveIntegerField(_("milliseconds"), null=True)
    created_at = models.DateTimeField(_("made at"), db_default=ProjectNow(), db_index=True)

    scope = Scope()  # calls for all lenders: for operators of the whole system
    objects = ScopedQuerySet.as_manager()

    class Meta:
        verbose_name = _("call of an outside party")
        verbose_name_plural = _("calls of outside parties")
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.gateway}.{self.operation} {self.outcome}"


@audited()
class Job(BusinessModel):
    """A long piece of work: what, for whom, how far, how it ended; shown live in the back office."""

    class State(models.TextChoices):
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    legal_entity_id = models.UUIDField(_("legal entity"), null=True, blank=True, db_index=True)
    kind = models.CharField(_("kind"), max_length=64, db_index=True)
    parameters = models.JSONField(_("parameters"), default=dict)
    actor = models.CharField(_("started by"), max_length=128)
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.RUNNING)
    done = models.PositiveIntegerField(_("done"), default=0)
    total = models.PositiveIntegerField(_("total"), default=0)
    failures = models.JSONField(_("failures"), default=list, help_text=_("Each a reference and what went wrong."))
    result = models.JSONField(_("result"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True)
    started_at = models.DateTimeField(_("started at"))
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        constraints = [models.CheckConstraint(condition=models.Q(done__lte=models.F("total")), name="job_done_within_total")]

    def __str__(self) -> str:
        return f"{self.kind} {self.done}/{self.total}"


class WorkingDay(models.Model):
    """A calendar day that departs from the rule «Monday to Friday are worked»: a holiday, or a worked weekend day 调休."""

    day = models.DateField(_("day"), primary_key=True)
    is_working = models.BooleanField(_("worked"))
    name = models.CharField(_("name"), max_length=64, blank=True)

    scope = Scope(public=True)
    objects = ScopedQuerySet.as_manager()

    class Meta:
        verbose_name = _("calendar exception")
        verbose_name_plural = _("calendar exceptions")

    def __str__(self) -> str:
        return f"{self.day} {self.name}"


CHANGE_REQUEST_EDGES = {
    "proposed": ["approved", "rejected", "withdrawn"],
    "approved": ["executed", "failed"],
    "failed": ["approved"],
}


@audited()
class ChangeRequest(BusinessModel):
    """Maker-checker: a proposed deed with its preview, decided by another person, executed once."""

    class State(models.TextChoices):
        PROPOSED = "proposed", _("proposed")
        APPROVED = "approved", _("approved")
        REJECTED = "rejected", _("rejected")
        WITHDRAWN = "withdrawn", _("withdrawn")
        EXECUTED = "executed", _("executed")
        FAILED = "failed", _("failed")

    legal_entity_id = models.UUIDField(_("legal entity"), db_index=True)
    kind = models.CharField(_("kind"), max_length=64, db_index=True)
    subject = models.CharField(_("subject"), max_length=64, help_text=_("Number of the thing that changes."))
    amount = models.DecimalField(_("amount"), max_digits=18, decimal_places=2, null=True, blank=True)
    payload = models.JSONField(_("content"))
    preview = models.JSONField(_("preview"))
    reason = models.CharField(_("reason"), max_length=300)
    state = StateField(State, State.PROPOSED, verbose_name=_("state"))
    maker_id = models.UUIDField(_("maker"))
    maker = models.CharField(_("proposed by"), max_length=128)
    proposed_at = models.DateTimeField(_("proposed at"))
    checker_id = models.UUIDField(_("checker"), null=True, blank=True)
    checker = models.CharField(_("decided by"), max_length=128, blank=True)
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    note = models.CharField(_("note of the decision"), max_length=300, blank=True)
    result = models.JSONField(_("result"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("change request")
        verbose_name_plural = _("change requests")
        triggers = [legal_edges("state", CHANGE_REQUEST_EDGES)]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(checker_id__isnull=True) | ~models.Q(checker_id=models.F("maker_id")), name="checker_is_not_maker"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"

    @transition(field=state, source=State.PROPOSED, target=State.APPROVED)
    def approve(self) -> None:
        """Decided yes by somebody else than the maker."""

    @transition(field=state, source=State.FAILED, target=State.APPROVED)
    def try_again(self) -> None:
        """Execution failed; another attempt is allowed."""

    @transition(field=state, source=State.PROPOSED, target=State.REJECTED)
    def reject(self) -> None:
        """Decided no."""

    @transition(field=state, source=State.PROPOSED, target=State.WITHDRAWN)
    def withdraw(self) -> None:
        """Taken back by the maker."""

    @transition(field=state, source=State.APPROVED, target=State.EXECUTED)
    def execute(self) -> None:
        """The deed was done."""

    @transition(field=state, source=State.APPROVED, target=State.FAILED)
    def fail(self) -> None:
        """The deed was refused when it was carried out."""
