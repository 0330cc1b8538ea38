"""A question, its answer, and what happens when none comes."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.common import clock
from apps.common.actors import Actor
from apps.common.errors import BadInput, NotFound
from apps.common.money import CENT
from apps.common.outbox import publish
from apps.customers import selectors as customers
from apps.customers.domain import CustomerFacts
from apps.organisations.selectors import parameter
from apps.risk.domain.engine import Verdict, capped
from apps.risk.domain.features import compute_features
from apps.risk.events import DecisionMade, DecisionRequested
from apps.risk.models import BureauReport, Decision, DecisionFlowVersion, DecisionRequest, ListHit
from apps.risk.services import bureau, evaluation, signals

MAX_SUBJECT_BYTES: Final = 20_000
_FEN: Final = Decimal(100)
_MILLION: Final = Decimal(1_000_000)
_MILLIONTH: Final = Decimal("0.000001")


class NoSuchDecision(NotFound):
    """No decision by this id."""

    code = "decision_not_found"
    title = _("There is no such decision.")


class SubjectTooLarge(BadInput):
    """The facts of the subject are longer than any order's."""

    code = "subject_too_large"


@transaction.atomic
def request_decision(
    *,
    flow_code: str,
    legal_entity_id: UUID,
    subject_ref: UUID,
    subject: dict[str, Any],
    reference: str,
    actor: Actor,
    now: dt.datetime,
) -> UUID:
    """Put a question to the machine; the answer comes as `DecisionMade` with the same `reference`. Asking twice is asking once.

    `subject_ref` is the customer; `subject` the order's facts as plain values, money in 分: price, guide_price, down_payment, amount,
    term, power, lease_type, consultant_ref, shop_ref, authorisation_no, authorisation_document. The asking context has permitted it.
    """
    if len(json.dumps(subject, default=str)) > MAX_SUBJECT_BYTES:
        raise SubjectTooLarge
    known = DecisionRequest.objects.filter(reference=reference).values_list("id", flat=True).first()
    if known is not None:
        return known
    minutes = int(parameter("risk.decision_timeout_minutes", on=clock.local_date(now), legal_entity_id=legal_entity_id))
    request = DecisionRequest.objects.create(
        legal_entity_id=legal_entity_id,
        flow_code=flow_code,
        reference=reference,
        customer_ref=subject_ref,
        subject=json.loads(json.dumps(subject, default=str)),
        requested_at=now,
        due_at=now + dt.timedelta(minutes=minutes),
        asked_by=str(actor)[:100],
    )
    signals.keep_links(request, customers.subject(subject_ref, on=clock.local_date(now)), now=now)
    publish(DecisionRequested(request_id=request.id))
    return request.id


def make_decision(*, request_id: UUID, now: dt.datetime) -> None:
    """Fetch the report (outside any transaction), then decide. Safe to repeat; a request that was answered is left alone.

    Raises `bureau.BureauSilent` when the bureau may be asked again.
    """
    request = DecisionRequest.objects.filter(id=request_id, state=DecisionRequest.State.WAITING).first()
    if request is None:
        return
    answer = bureau.report_for(request, now=now)
    _decide(request_id, answer=answer, now=now)


@transaction.atomic
def _decide(request_id: UUID, *, answer: bureau.Answer, now: dt.datetime) -> None:
    request = DecisionRequest.objects.select_for_update().get(id=request_id)
    if request.state != DecisionRequest.State.WAITING:
        return
    report = BureauReport.objects.get(id=answer.report_id) if answer.report_id else None
    inputs, entries = gather_inputs(request, report, now=now)
    version = evaluation.version_for(flow_code=request.flow_code, legal_entity_id=request.legal_entity_id, key=str(request.customer_ref))
    features = compute_features(inputs | {"bureau": json.loads(report.raw) if report else None})
    limit_ms = int(parameter("risk.evaluation_ms_max", on=clock.local_date(now), legal_entity_id=request.legal_entity_id))
    verdict, spent = evaluation.evaluate(version, features, limit_ms=limit_ms)
    if answer.code:
        verdict = capped(verdict, answer.code)
    request.decide()
    request.save()
    decision = _record(request, verdict, version=version, report=report, inputs=inputs, features=features, latency_ms=spent, now=now)
    ListHit.objects.bulk_create(
        ListHit(legal_entity_id=request.legal_entity_id, decision=decision, entry_id=entry_id, at=now) for entry_id in entries
    )


def gather_inputs(request: DecisionRequest, report: BureauReport | None, *, now: dt.datetime) -> tuple[dict[str, Any], list[UUID]]:
    """Everything that the features are computed from, but for the report itself, and the list entries that were hit."""
    day = clock.local_date(now)
    facts = customers.subject(request.customer_ref, on=day)
    seen, entries = signals.signals_of(request, facts, now=now)
    return {
        "as_of": day.isoformat(),
        "application": request.subject,
        "customer": _customer_section(facts),
        "identity": {"report_matches": _matches(request.customer_ref, report)},
        "signals": seen,
        "parameters": {
            "ltv_max_bp": {
                power: int(parameter(f"car_loan.ltv_max.{power}", on=day, legal_entity_id=request.legal_entity_id) * 10_000)
                for power in ("ice", "nev")
            }
        },
    }, entries


def _customer_section(facts: CustomerFacts) -> dict[str, Any]:
    income = facts.monthly_income
    return {
        "age": facts.age,
        "monthly_income": None if income is None else int((income * _FEN).to_integral_value()),
        "employment_months": facts.employment_months,
        "contacts_count": facts.contacts_count,
        "registered_days": facts.registered_days,
        "housing": facts.housing,
        "id_verified": facts.id_verified,
        "liveness_verified": facts.liveness_verified,
        "card_verified": facts.card_verified,
    }


def _matches(customer_ref: UUID, report: BureauReport | None) -> bool | None:
    """Whether the report names the customer; None without a readable report."""
    if report is None or not report.readable:
        return None
    person, named = json.loads(report.raw)["person"], customers.signing_identity(customer_ref)
    return (_plain(person["name"]), _plain(person["id_number"])) == (_plain(named.name), _plain(named.id_number))


def _plain(text: str) -> str:
    return "".join(text.split()).upper()


def _record(
    request: DecisionRequest,
    verdict: Verdict,
    *,
    version: DecisionFlowVersion | None,
    report: BureauReport | None,
    inputs: dict[str, Any],
    features: dict[str, Any],
    latency_ms: int,
    now: dt.datetime,
) -> Decision:
    decision = Decision.objects.create(
        legal_entity_id=request.legal_entity_id,
        request=request,
        customer_ref=request.customer_ref,
        flow_version=version,
        report=report,
        inputs=json.dumps(inputs, ensure_ascii=False),
        features=features,
        outcome=verdict.outcome,
        reasons=list(verdict.reasons),
        hits=[{"table": hit.table, "code": hit.code, "outcome": hit.outcome} for hit in verdict.hits],
        gaps=[{"field": gap.field, "problem": gap.problem, "policy": gap.policy} for gap in verdict.gaps],
        points=verdict.points or {},
        score=verdict.score,
        grade=verdict.grade,
        limit=None if verdict.limit_fen is None else (Decimal(verdict.limit_fen) / _FEN).quantize(CENT),
        annual_rate=None if verdict.rate_ppm is None else (Decimal(verdict.rate_ppm) / _MILLION).quantize(_MILLIONTH),
        latency_ms=latency_ms,
        decided_at=now,
    )
    publish(
        DecisionMade(
            reference=request.reference,
            decision_id=decision.id,
            outcome=decision.outcome,
            grade=decision.grade,
            limit=decision.limit,
            annual_rate=decision.annual_rate,
            reasons=decision.reasons,
        )
    )
    return decision


def time_out_requests(*, actor: Actor, now: dt.datetime, limit: int = 500) -> int:
    """Put requests without a result in time before a person; returns how many. Run by beat; never silence."""
    due = DecisionRequest.objects.filter(state=DecisionRequest.State.WAITING, due_at__lte=now).order_by("due_at")
    return sum(_time_out(request_id, now) for request_id in due.values_list("id", flat=True)[:limit])


@transaction.atomic
def _time_out(request_id: UUID, now: dt.datetime) -> bool:
    request = DecisionRequest.objects.select_for_update().get(id=request_id)
    if request.state != DecisionRequest.State.WAITING:
        return False
    request.time_out()
    request.save()
    _record(request, Verdict("review", ("TO-001",)), version=None, report=None, inputs={}, features={}, latency_ms=0, now=now)
    return True


def replay(*, decision_id: UUID) -> tuple[Decision, Verdict]:
    """A stored decision, and the verdict computed again from what is stored with it: inputs, report, version. Raises `NoSuchDecision`."""
    decision = Decision.objects.select_related("flow_version", "report").filter(id=decision_id).first()
    if decision is None or decision.flow_version is None:
        raise NoSuchDecision
    inputs = json.loads(decision.inputs)
    report = decision.report
    features = compute_features(inputs | {"bureau": json.loads(report.raw) if report else None})
    verdict = evaluation.flow_of(decision.flow_version).decide(features)
    for code in decision.reasons:
        if code.startswith(("BQ-", "SY-003")):
            verdict = capped(verdict, code)
    return decision, verdict
