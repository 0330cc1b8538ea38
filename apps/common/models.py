"""Base classes of every context's models, and the kernel's own tables."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar
from uuid import UUID

import pgtrigger
import uuid_utils.compat
from django.db import models
from django.utils.translation import gettext_lazy as _

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
    created_at = models.DateTimeField(db_default=ProjectNow(), editable=False, db_index=True)

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


class OutboxMessage(models.Model):
    """An event as it was published; append-only."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=100)
    payload = models.JSONField()
    created_at = models.DateTimeField(db_default=ProjectNow(), db_index=True)

    class Meta:
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return f"{self.name} #{self.id}"


class OutboxDeliveryQuerySet(models.QuerySet["OutboxDelivery"]):
    def due(self) -> OutboxDeliveryQuerySet:
        """Waiting deliveries whose time has come, oldest first."""
        return self.filter(state=OutboxDelivery.State.WAITING, due_at__lte=dt.datetime.now(dt.UTC)).order_by("id")


class OutboxDelivery(models.Model):
    """What one handler makes of one message; also its receipt."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    id = models.BigAutoField(primary_key=True)
    message = models.ForeignKey(OutboxMessage, on_delete=models.CASCADE, related_name="deliveries")
    handler = models.CharField(max_length=200)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(auto_now_add=True)
    done_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    objects = OutboxDeliveryQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message", "handler"], name="one_delivery_per_handler")]
        indexes = [models.Index(fields=["due_at"], condition=models.Q(state="waiting"), name="outbox_waiting")]

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
    gateway = models.CharField(max_length=32, db_index=True)
    direction = models.CharField(max_length=3, choices=Direction.choices)
    operation = models.CharField(max_length=64)
    reference = models.CharField(max_length=128, blank=True, db_index=True)
    outcome = models.CharField(max_length=24)
    http_status = models.PositiveSmallIntegerField(null=True)
    request = models.JSONField(null=True)
    response = models.JSONField(null=True)
    milliseconds = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(db_default=ProjectNow(), db_index=True)

    class Meta:
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.gateway}.{self.operation} {self.outcome}"
