"""Decision flows and their versions, requests and decisions, bureau reports, lists, and the links between persons that risk keeps."""

from __future__ import annotations

from typing import Final

import pgtrigger
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

VERSION_EDGES: Final[dict[str, tuple[str, ...]]] = {
    "draft": ("tested",),
    "tested": ("submitted", "draft"),
    "submitted": ("gray", "live", "draft"),
    "gray": ("live", "retired"),
    "live": ("retired",),
    "retired": ("live",),
}
REQUEST_EDGES: Final[dict[str, tuple[str, ...]]] = {"waiting": ("decided", "timed_out")}

_APPEND_ONLY = pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)


def _sources(target: str) -> list[str]:
    return [source for source, targets in VERSION_EDGES.items() if target in targets]


def _entity() -> models.ForeignKey:
    return models.ForeignKey("organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", verbose_name=_("legal entity"))


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

    legal_entity = _entity()
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


@audited(exclude=["subject"])
class DecisionRequest(BusinessModel):
    """A question put to the machine; `reference` is the asker's name for it and makes asking twice harmless."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DECIDED = "decided", _("decided")
        TIMED_OUT = "timed_out", _("timed out")

    legal_entity = _entity()
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


class BureauReport(BusinessModel):
    """A report as the bureau sent it, encrypted; append-only. `person_hash` finds it again within the reuse window."""

    legal_entity = _entity()
    person_hash = models.CharField(max_length=64, db_index=True, editable=False)
    query_id = models.UUIDField(_("query"), unique=True)
    reason_code = models.CharField(_("reason code"), max_length=2)
    report_no = models.CharField(_("report number"), max_length=64, blank=True)
    fetched_at = models.DateTimeField(_("fetched at"))
    no_record = models.BooleanField(_("no record"), null=True)
    readable = models.BooleanField(_("readable"))
    raw = EncryptedTextField(_("raw report"))

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("bureau report")
        verbose_name_plural = _("bureau reports")
        triggers = [_APPEND_ONLY]
        indexes = [models.Index(fields=["legal_entity", "person_hash", "-fetched_at"], name="bureau_report_reuse")]

    def __str__(self) -> str:
        return self.report_no or str(self.query_id)


class BureauQuery(BusinessModel):
    """Every use of the bureau, asked or reused, with its authority: what the regulations want to be able to read; append-only."""

    class Outcome(models.TextChoices):
        ANSWERED = "answered", _("answered")
        REUSED = "reused", _("report of an earlier query used again")
        NOT_AUTHORISED = "not_authorised", _("not authorised")
        REFUSED = "refused", _("refused by the bureau")
        FAILED = "failed", _("no answer")

    legal_entity = _entity()
    request = models.ForeignKey(DecisionRequest, on_delete=models.PROTECT, related_name="bureau_queries", verbose_name=_("request"))
    customer_ref = models.UUIDField(_("customer"), db_index=True)
    query_id = models.UUIDField(_("query"), db_index=True)
    reason_code = models.CharField(_("reason code"), max_length=2)
    authorisation_no = models.CharField(_("authorisation"), max_length=64, blank=True)
    outcome = models.CharField(_("outcome"), max_length=16, choices=Outcome.choices)
    detail = models.CharField(_("detail"), max_length=200, blank=True)
    report = models.ForeignKey(BureauReport, on_delete=models.PROTECT, null=True, blank=True, related_name="uses", verbose_name=_("report"))
    at = models.DateTimeField(_("at"))

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("bureau query")
        verbose_name_plural = _("bureau queries")
        triggers = [_APPEND_ONLY]

    def __str__(self) -> str:
        return f"{self.get_outcome_display()} {self.at:%Y-%m-%d %H:%M}"


class Decision(BusinessModel):
    """The answer and everything it rests on; append-only. `replay` computes it again from `inputs` and the report."""

    class Outcome(models.TextChoices):
        APPROVE = "approve", _("approve")
        REVIEW = "review", _("review")
        MORE_INFO = "more_info", _("more information")
        DECLINE = "decline", _("decline")

    legal_entity = _entity()
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
        triggers = [_APPEND_ONLY]
        indexes = [models.Index(fields=["legal_entity", "-decided_at"], name="decision_recent")]

    def __str__(self) -> str:
        return f"{self.get_outcome_display()} {self.decided_at:%Y-%m-%d %H:%M}"


class IdentifierKind(models.TextChoices):
    PHONE = "phone", _("phone")
    ID_NUMBER = "id_number", _("ID number")
    DEVICE = "device", _("device")
    CARD = "card_number", _("card")
    COMPANY = "company", _("company")


@audited()
class ListEntry(BusinessModel):
    """An identifier on a black, grey or white list. The value itself is not kept, only its blind index and its mask."""

    class Colour(models.TextChoices):
        BLACK = "black", _("black")
        GREY = "grey", _("grey")
        WHITE = "white", _("white")

    legal_entity = _entity()
    colour = models.CharField(_("list"), max_length=5, choices=Colour.choices)
    kind = models.CharField(_("kind"), max_length=12, choices=IdentifierKind.choices)
    value_hash = models.CharField(max_length=64, db_index=True, editable=False)
    masked = models.CharField(_("value"), max_length=32, blank=True)
    reason = models.CharField(_("reason"), max_length=200)
    source = models.CharField(_("source"), max_length=64)
    valid_from = models.DateField(_("valid from"))
    valid_until = models.DateField(_("valid until"), null=True, blank=True)
    added_by = models.CharField(_("added by"), max_length=100)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("list entry")
        verbose_name_plural = _("list entries")
        constraints = [
            models.UniqueConstraint(
                fields=["legal_entity", "colour", "kind", "value_hash"], condition=Q(valid_until=None), name="one_open_list_entry"
            ),
            models.CheckConstraint(
                condition=Q(valid_until=None) | Q(valid_until__gte=models.F("valid_from")), name="list_entry_validity_in_order"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_colour_display()} {self.masked}".strip()


class ListHit(BusinessModel):
    """A decision's subject was found on a list; append-only."""

    legal_entity = _entity()
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="list_hits", verbose_name=_("decision"))
    entry = models.ForeignKey(ListEntry, on_delete=models.PROTECT, related_name="hits", verbose_name=_("entry"))
    at = models.DateTimeField(_("at"))

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("list hit")
        verbose_name_plural = _("list hits")
        triggers = [_APPEND_ONLY]
        constraints = [models.UniqueConstraint(fields=["decision", "entry"], name="one_hit_per_decision_and_entry")]

    def __str__(self) -> str:
        return f"{self.entry_id} {self.at:%Y-%m-%d}"


class Link(BusinessModel):
    """A person seen with a device, a phone, a contact or a consultant: the edges of the relation graph; append-only.

    Risk keeps them from every subject it is shown and counts on them alone; values are blind indexes or ids of our own rows.
    """

    class Kind(models.TextChoices):
        DEVICE = "device", _("device")
        PHONE = "phone", _("phone")
        CONTACT = "contact", _("contact")
        CONSULTANT = "consultant", _("consultant")
        SHOP = "shop", _("shop")

    legal_entity = _entity()
    customer_ref = models.UUIDField(_("customer"), db_index=True)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    value = models.CharField(max_length=64)
    request = models.ForeignKey(DecisionRequest, on_delete=models.PROTECT, related_name="links", verbose_name=_("request"))
    at = models.DateTimeField(_("at"))

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("link")
        verbose_name_plural = _("links")
        triggers = [_APPEND_ONLY]
        constraints = [models.UniqueConstraint(fields=["request", "kind", "value"], name="one_link_per_request_and_value")]
        indexes = [models.Index(fields=["legal_entity", "kind", "value", "at"], name="link_counting")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.at:%Y-%m-%d}"
