"""Questions put to the machine, and its answers."""

from __future__ import annotations

from typing import Final

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django_fsm import transition

from apps.common.audit import audited
from apps.common.crypto import EncryptedTextField
from apps.common.fsm import StateField, legal_edges
from apps.common.models import BusinessModel
from apps.common.scope import Scope
from apps.risk.models.base import APPEND_ONLY, entity
from apps.risk.models.bureau import BureauReport
from apps.risk.models.flows import DecisionFlowVersion

REQUEST_EDGES: Final[dict[str, tuple[str, ...]]] = {"waiting": ("decided", "timed_out")}


@audited(exclude=["subject"])
class DecisionRequest(BusinessModel):
    """A question put to the machine; `reference` is the asker's name for it and makes asking twice harmless."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DECIDED = "decided", _("decided")
        TIMED_OUT = "timed_out", _("timed out")

    legal_entity = entity()
    flow_code = models.CharField(_("flow"), max_length=32)
    reference = models.CharField(_("reference"), max_length=100, unique=True)
    customer_ref = models.UUIDField(_("customer"), db_index=True)
    subject = models.JSONField(_("subject"))
    state = StateField(State, State.WAITING, verbose_name=_("state"))
    requested_at = models.DateTimeField(_("requested at"))
    due_at = models.DateTimeField(_("due at"))
    asked_by = models.CharField(_("asked by"), max_length=100)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("decision request")
        verbose_name_plural = _("decision requests")
        triggers = [legal_edges("state", REQUEST_EDGES)]
        indexes = [models.Index(fields=["due_at"], condition=Q(state="waiting"), name="decision_request_waiting")]

    def __str__(self) -> str:
        return self.reference

    @transition(field=state, source="waiting", target=State.DECIDED)
    def decide(self) -> None:
        """The machine answered."""

    @transition(field=state, source="waiting", target=State.TIMED_OUT)
    def time_out(self) -> None:
        """No answer in time: a person decides."""


class Decision(BusinessModel):
    """The answer and everything it rests on; append-only. `replay` computes it again from `inputs` and the report."""

    class Outcome(models.TextChoices):
        APPROVE = "approve", _("approve")
        REVIEW = "review", _("review")
        MORE_INFO = "more_info", _("more information")
        DECLINE = "decline", _("decline")

    legal_entity = entity()
    request = models.OneToOneField(DecisionRequest, on_delete=models.PROTECT, related_name="decision", verbose_name=_("request"))
    customer_ref = models.UUIDField(_("customer"), db_index=True)
    flow_version = models.ForeignKey(
        DecisionFlowVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="decisions", verbose_name=_("flow version")
    )
    report = models.ForeignKey(
        BureauReport, on_delete=models.PROTECT, null=True, blank=True, related_name="decisions", verbose_name=_("bureau report")
    )
    inputs = EncryptedTextField(_("inputs"))
    features = models.JSONField(_("features"))
    outcome = models.CharField(_("outcome"), max_length=12, choices=Outcome.choices)
    reasons = ArrayField(models.CharField(max_length=16), default=list, verbose_name=_("reason codes"))
    hits = models.JSONField(_("rules that fired"), default=list)
    gaps = models.JSONField(_("missing or unreadable fields"), default=list)
    points = models.JSONField(_("score points"), default=dict)
    score = models.IntegerField(_("score"), null=True, blank=True)
    grade = models.CharField(_("grade"), max_length=2, blank=True)
    limit = models.DecimalField(_("limit (yuan)"), max_digits=18, decimal_places=2, null=True, blank=True)
    annual_rate = models.DecimalField(_("annual rate"), max_digits=9, decimal_places=6, null=True, blank=True)
    latency_ms = models.PositiveIntegerField(_("evaluation (ms)"))
    decided_at = models.DateTimeField(_("decided at"))

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("decision")
        verbose_name_plural = _("decisions")
        triggers = [APPEND_ONLY]
        indexes = [models.Index(fields=["legal_entity", "-decided_at"], name="decision_recent")]

    def __str__(self) -> str:
        return f"{self.get_outcome_display()} {self.decided_at:%Y-%m-%d %H:%M}"
