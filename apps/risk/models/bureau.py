"""Reports of the bureau, and every use of it."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.common.crypto import EncryptedTextField
from apps.common.models import BusinessModel
from apps.common.scope import Scope
from apps.risk.models.base import APPEND_ONLY, entity


class BureauReport(BusinessModel):
    """A report as the bureau sent it, encrypted; append-only. `person_hash` finds it again within the reuse window."""

    legal_entity = entity()
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
        triggers = [APPEND_ONLY]
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

    legal_entity = entity()
    request = models.ForeignKey("risk.DecisionRequest", on_delete=models.PROTECT, related_name="bureau_queries", verbose_name=_("request"))
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
        triggers = [APPEND_ONLY]

    def __str__(self) -> str:
        return f"{self.get_outcome_display()} {self.at:%Y-%m-%d %H:%M}"
