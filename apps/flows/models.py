"""Business flows as data: versions, their runs, and the tasks that wait for people."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django_fsm import transition

from apps.common.audit import audited
from apps.common.fsm import StateField, legal_edges
from apps.common.models import BusinessModel
from apps.common.scope import Scope

VERSION_EDGES = {"draft": ["published"], "published": ["retired"], "retired": ["published"]}
RUN_EDGES = {"running": ["ended", "cancelled"]}
TASK_EDGES = {"waiting": ["claimed", "cancelled"], "claimed": ["waiting", "done", "cancelled"]}


@audited()
class FlowVersion(BusinessModel):
    """One version of a flow of a legal entity, for all its products or for one. Running orders stay on theirs."""

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        PUBLISHED = "published", _("published")
        RETIRED = "retired", _("retired")

    legal_entity = models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", verbose_name=_("legal entity")
    )
    code = models.CharField(_("flow"), max_length=32)
    product_code = models.CharField(_("product"), max_length=32, blank=True)
    version = models.PositiveIntegerField(_("version"))
    definition = models.JSONField(_("definition"))
    state = StateField(State, State.DRAFT, verbose_name=_("state"))
    author = models.CharField(_("author"), max_length=100)
    published_at = models.DateTimeField(_("published at"), null=True, blank=True)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("flow version")
        verbose_name_plural = _("flow versions")
        constraints = [
            models.UniqueConstraint(fields=["legal_entity", "code", "product_code", "version"], name="one_flow_version_per_number"),
            models.UniqueConstraint(
                fields=["legal_entity", "code", "product_code"], condition=models.Q(state="published"), name="one_published_flow"
            ),
        ]
        triggers = [legal_edges("state", VERSION_EDGES)]

    def __str__(self) -> str:
        return f"{self.code} v{self.version}"

    @transition(field=state, source=[State.DRAFT, State.RETIRED], target=State.PUBLISHED)
    def publish(self) -> None:
        """New orders follow this version."""

    @transition(field=state, source=State.PUBLISHED, target=State.RETIRED)
    def retire(self) -> None:
        """Only orders that began on it still follow it."""


@audited()
class FlowRun(BusinessModel):
    """One subject's way through a flow version; `facts` are what its conditions see."""

    class State(models.TextChoices):
        RUNNING = "running", _("running")
        ENDED = "ended", _("ended")
        CANCELLED = "cancelled", _("cancelled")

    version = models.ForeignKey(FlowVersion, on_delete=models.PROTECT, related_name="runs", verbose_name=_("flow version"))
    legal_entity = models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", verbose_name=_("legal entity")
    )
    subject_kind = models.CharField(_("kind of subject"), max_length=32)
    subject_ref = models.UUIDField(_("subject"))
    facts = models.JSONField(_("facts"), default=dict)
    state = StateField(State, State.RUNNING, verbose_name=_("state"))
    outcome = models.CharField(_("outcome"), max_length=32, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("flow run")
        verbose_name_plural = _("flow runs")
        constraints = [
            models.UniqueConstraint(
                fields=["subject_kind", "subject_ref"], condition=models.Q(state="running"), name="one_running_flow_per_subject"
            )
        ]
        triggers = [legal_edges("state", RUN_EDGES)]

    def __str__(self) -> str:
        return f"{self.version} {self.subject_kind}"

    @transition(field=state, source=State.RUNNING, target=State.ENDED)
    def end(self) -> None:
        """The way led to its end."""

    @transition(field=state, source=State.RUNNING, target=State.CANCELLED)
    def cancel(self) -> None:
        """The subject took another way, such as a withdrawal."""


@audited()
class FlowTask(BusinessModel):
    """Something that waits for a person with a permission, or for a process of ours when it names none."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        CLAIMED = "claimed", _("claimed")
        DONE = "done", _("done")
        CANCELLED = "cancelled", _("cancelled")

    run = models.ForeignKey(FlowRun, on_delete=models.PROTECT, null=True, blank=True, related_name="tasks", verbose_name=_("flow run"))
    legal_entity = models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", verbose_name=_("legal entity")
    )
    subject_kind = models.CharField(_("kind of subject"), max_length=32)
    subject_ref = models.UUIDField(_("subject"))
    activity = models.CharField(_("activity"), max_length=32)
    name = models.CharField(_("name"), max_length=100, blank=True)
    permission = models.CharField(_("permission"), max_length=64, blank=True)
    state = StateField(State, State.WAITING, verbose_name=_("state"))
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("claimed by")
    )
    claimed_label = models.CharField(_("claimed by"), max_length=100, blank=True)
    claimed_at = models.DateTimeField(_("claimed at"), null=True, blank=True)
    due_at = models.DateTimeField(_("due at"), null=True, blank=True)
    overdue_told_at = models.DateTimeField(_("overdue told at"), null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=32, blank=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        constraints = [
            models.UniqueConstraint(
                fields=["subject_kind", "subject_ref", "activity"],
                condition=models.Q(state__in=["waiting", "claimed"]),
                name="one_open_task_per_activity",
            )
        ]
        indexes = [
            models.Index(fields=["permission", "due_at"], condition=models.Q(state__in=["waiting", "claimed"]), name="task_open"),
            models.Index(fields=["subject_kind", "subject_ref"], name="task_subject"),
        ]
        triggers = [legal_edges("state", TASK_EDGES)]

    def __str__(self) -> str:
        return f"{self.activity} {self.get_state_display()}"

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to do it."""
        return self.state in (self.State.WAITING, self.State.CLAIMED)

    def is_overdue(self, now: dt.datetime) -> bool:
        """Whether it is open beyond its time."""
        return self.is_open and self.due_at is not None and self.due_at < now

    @transition(field=state, source=State.WAITING, target=State.CLAIMED)
    def claim(self) -> None:
        """One person takes it."""

    @transition(field=state, source=State.CLAIMED, target=State.WAITING)
    def hand_back(self) -> None:
        """It waits for somebody else."""

    @transition(field=state, source=State.CLAIMED, target=State.DONE)
    def complete(self) -> None:
        """It is decided or done."""

    @transition(field=state, source=[State.WAITING, State.CLAIMED], target=State.CANCELLED)
    def cancel(self) -> None:
        """It is no longer wanted."""
