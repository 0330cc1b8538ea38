"""The bureau report of a decision: authorised, reused while young, asked for once, kept as it came."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid5

from django.db import transaction

from apps.common import clock
from apps.common.crypto import blind_index
from apps.common.gateways import GatewayError, GatewayRefused, gateway
from apps.customers import selectors as customers
from apps.organisations.selectors import parameter
from apps.risk.domain.report import UnreadableReport, read_report
from apps.risk.gateways import LOAN_APPROVAL
from apps.risk.models import BureauQuery, BureauReport, DecisionRequest

Outcome = BureauQuery.Outcome
_QUERY_NAMESPACE: Final = UUID("6f2d1f4e-6d0c-4c5e-9a55-6f0a4f3c2b11")


class BureauSilent(Exception):
    """The bureau gave no answer, and may be asked again: the outbox does, until the attempts or the time run out."""


@dataclass(frozen=True)
class Answer:
    """The report to decide on, or the reason code why there is none."""

    report_id: UUID | None
    code: str = ""


def report_for(request: DecisionRequest, *, now: dt.datetime) -> Answer:
    """The report for a request. Calls the bureau, so it runs outside any transaction; safe to repeat. Raises `BureauSilent`."""
    query_id = uuid5(_QUERY_NAMESPACE, str(request.id))
    earlier = BureauReport.objects.filter(query_id=query_id).first()
    if earlier is None:
        used = BureauQuery.objects.filter(request=request, outcome=Outcome.REUSED).select_related("report").first()
        earlier = used.report if used else None
    if earlier is not None:
        return _answer(earlier)
    authorisation = _authorisation(request)
    if not authorisation:
        _note(request, query_id, Outcome.NOT_AUTHORISED, now=now, authorisation_no="")
        return Answer(None, "BQ-001")
    person = customers.signing_identity(request.customer_ref)
    young = _young_report(request, person.id_number, now)
    if young is not None:
        _note(request, query_id, Outcome.REUSED, now=now, authorisation_no=authorisation, report=young)
        return _answer(young)
    return _ask(request, query_id, person.name, person.id_number, authorisation, now)


def _ask(request: DecisionRequest, query_id: UUID, name: str, id_number: str, authorisation: str, now: dt.datetime) -> Answer:
    try:
        raw = gateway("bureau").query(
            query_id=query_id,
            name=name,
            id_number=id_number,
            reason_code=LOAN_APPROVAL,
            authorisation_no=authorisation,
            queried_at=now,
        )
    except GatewayRefused as error:
        _note(request, query_id, Outcome.REFUSED, now=now, authorisation_no=authorisation, detail=str(error))
        return Answer(None, "BQ-003")
    except GatewayError as error:
        _note(request, query_id, Outcome.FAILED, now=now, authorisation_no=authorisation, detail=str(error))
        failures = BureauQuery.objects.filter(request=request, outcome=Outcome.FAILED).count()
        if failures >= int(parameter("bureau.attempts_max", on=clock.local_date(now), legal_entity_id=request.legal_entity_id)):
            return Answer(None, "BQ-002")
        raise BureauSilent(str(error)) from error
    return _answer(_keep(request, query_id, id_number, authorisation, raw, now))


@transaction.atomic
def _keep(request: DecisionRequest, query_id: UUID, id_number: str, authorisation: str, raw: Any, now: dt.datetime) -> BureauReport:
    """Store the answer as it came, readable or not, once per query."""
    try:
        report = read_report(raw, as_of=clock.local_date(now))
    except UnreadableReport:
        report = None
    kept, created = BureauReport.objects.get_or_create(
        query_id=query_id,
        defaults={
            "legal_entity_id": request.legal_entity_id,
            "person_hash": blind_index(id_number, purpose="id_number"),
            "reason_code": LOAN_APPROVAL,
            "report_no": report.report_no if report else "",
            "fetched_at": now,
            "no_record": report.no_record if report else None,
            "readable": report is not None,
            "raw": json.dumps(raw, ensure_ascii=False, default=str),
        },
    )
    if created:
        _note(request, query_id, Outcome.ANSWERED, now=now, authorisation_no=authorisation, report=kept)
    return kept


def _answer(report: BureauReport) -> Answer:
    return Answer(report.id, "" if report.readable else "BQ-004")


def _authorisation(request: DecisionRequest) -> str:
    """Number of the written authorisation, if both it and the customer's consent stand; else empty."""
    number, document = request.subject.get("authorisation_no"), request.subject.get("authorisation_document")
    if not number or not document or document == "None":
        return ""
    return "" if customers.missing_consents(request.customer_ref, "bureau_query") else str(number)[:64]


def _young_report(request: DecisionRequest, id_number: str, now: dt.datetime) -> BureauReport | None:
    days = int(parameter("bureau.reuse_days", on=clock.local_date(now), legal_entity_id=request.legal_entity_id))
    young: BureauReport | None = (
        BureauReport.objects.filter(
            legal_entity_id=request.legal_entity_id,
            person_hash=blind_index(id_number, purpose="id_number"),
            reason_code=LOAN_APPROVAL,
            readable=True,
            fetched_at__gt=now - dt.timedelta(days=days),
            fetched_at__lte=now,
        )
        .order_by("-fetched_at")
        .first()
    )
    return young


def _note(
    request: DecisionRequest,
    query_id: UUID,
    outcome: str,
    *,
    now: dt.datetime,
    authorisation_no: str,
    detail: str = "",
    report: BureauReport | None = None,
) -> None:
    BureauQuery.objects.create(
        legal_entity_id=request.legal_entity_id,
        request=request,
        customer_ref=request.customer_ref,
        query_id=query_id,
        reason_code=LOAN_APPROVAL,
        authorisation_no=authorisation_no,
        outcome=outcome,
        detail=detail[:200],
        report=report,
        at=now,
    )
