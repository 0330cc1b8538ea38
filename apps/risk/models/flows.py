"""Versions of decision flows."""

from __future__ import annotations

from typing import Final

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django_fsm import transition

from apps.common.audit import audited
from apps.common.fsm import StateField, legal_edges
from apps.common.models import BusinessModel
from apps.common.scope import Scope
from apps.risk.models.base import entity

VERSION_EDGES: Final[dict[str, tuple[str, ...]]] = {
    "draft": ("tested",),
    "tested": ("submitted", "draft"),
    "submitted": ("gray", "live", "draft"),
    "gray": ("live", "retired"),
    "live": ("retired",),
    "retired": ("live",),
}


def _sources(target: str) -> list[str]:
    return [source for source, targets in VERSION_EDGES.items() if target in targets]


@audited()
class DecisionFlowVersion(BusinessModel):
    """One version of a decision flow: a JDM document with its test cases. Frozen from the moment it leaves draft."""

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        TESTED = "tested", _("tested")
        SUBMITTED = "submitted", _("submitted")
        GRAY = "gray", _("gray release")
        LIVE = "live", _("live")
        RETIRED = "retired", _("retired")

    legal_entity = entity()
    flow_code = models.CharField(_("flow"), max_length=32)
    version = models.PositiveIntegerField(_("version"))
    state = StateField(State, State.DRAFT, verbose_name=_("state"))
    definition = models.JSONField(_("definition (JDM)"))
    reads = ArrayField(models.CharField(max_length=64), default=list, verbose_name=_("fields read"))
    test_cases = models.JSONField(_("test cases"), default=list, help_text=_("list of: name, values by field, expected outcome"))
    digest = models.CharField(_("digest"), max_length=64, editable=False)
    note = models.CharField(_("what changed"), max_length=500, blank=True)
    author = models.CharField(_("author"), max_length=100)
    author_ref = models.UUIDField(null=True, blank=True)
    submitter = models.CharField(_("submitted by"), max_length=100, blank=True)
    submitter_ref = models.UUIDField(null=True, blank=True)
    publisher = models.CharField(_("published by"), max_length=100, blank=True)
    gray_share_bp = models.PositiveIntegerField(_("gray share (0.01 %)"), default=0)
    live_at = models.DateTimeField(_("live since"), null=True, blank=True)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("decision flow version")
        verbose_name_plural = _("decision flow versions")
        constraints = [
            models.UniqueConstraint(fields=["legal_entity", "flow_code", "version"], name="one_decision_flow_version_per_number"),
            models.UniqueConstraint(fields=["legal_entity", "flow_code"], condition=Q(state="live"), name="one_live_decision_flow"),
            models.UniqueConstraint(fields=["legal_entity", "flow_code"], condition=Q(state="gray"), name="one_gray_decision_flow"),
            models.CheckConstraint(condition=Q(gray_share_bp__lte=10_000), name="decision_flow_gray_share_at_most_all"),
        ]
        triggers = [
            legal_edges("state", VERSION_EDGES),
            pgtrigger.Protect(
                name="frozen_definition",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition("OLD.state <> 'draft' AND OLD.definition IS DISTINCT FROM NEW.definition"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.flow_code} v{self.version}"

    @transition(field=state, source=_sources("tested"), target=State.TESTED)
    def test(self) -> None:
        """Compiled, and its test cases passed."""

    @transition(field=state, source=_sources("submitted"), target=State.SUBMITTED)
    def submit(self) -> None:
        """Handed to somebody else for publishing."""

    @transition(field=state, source=_sources("draft"), target=State.DRAFT)
    def take_back(self) -> None:
        """Open for changes again."""

    @transition(field=state, source=_sources("gray"), target=State.GRAY)
    def start_gray(self) -> None:
        """Decides a share of the requests."""

    @transition(field=state, source=_sources("live"), target=State.LIVE)
    def go_live(self) -> None:
        """Decides; also again, as a roll-back."""

    @transition(field=state, source=_sources("retired"), target=State.RETIRED)
    def retire(self) -> None:
        """Decides no more."""
