"""Questions about decisions, flows and reasons."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from apps.common import clock
from apps.common.errors import Conflict
from apps.risk.domain.catalogue import CATALOGUE
from apps.risk.domain.jdm import rates_by_grade
from apps.risk.domain.reasons import reason
from apps.risk.domain.report import Report, UnreadableReport, read_report
from apps.risk.models import BureauQuery, Decision, DecisionFlowVersion
from apps.risk.services.deciding import NoSuchDecision


class NoLiveFlow(Conflict):
    """The legal entity has no live version of the flow, or its grades have no such rate."""

    code = "no_live_flow"


@dataclass(frozen=True)
class RuleHit:
    """A rule that fired: code, what staff read, what it asks for."""

    code: str
    text: str
    outcome: str
    table: str


@dataclass(frozen=True)
class FeatureValue:
    """A feature as staff see it; `value` in its unit, `points` where the scorecard used it."""

    name: str
    label: str
    value: int | bool | str
    unit: str
    points: int | None


@dataclass(frozen=True)
class BureauAccountLine:
    """An open account; money in yuan."""

    type: str
    business: str
    amount: Decimal
    balance: Decimal
    overdue_amount: Decimal
    five_class: str
    history: str


@dataclass(frozen=True)
class BureauSummary:
    """The report in short; money in yuan, `worst_months` oldest first as the bureau's signs."""

    report_no: str
    queried_at: dt.datetime
    authorisation_no: str
    reason_code: str
    no_record: bool
    alert: bool
    open_accounts: int
    balance: Decimal
    overdue: Decimal
    queries_loan_1m: int
    worst_months: str
    accounts: tuple[BureauAccountLine, ...]
    public: tuple[tuple[str, Decimal, dt.date], ...]


@dataclass(frozen=True)
class DecisionView:
    """A decision as the review page shows it."""

    id: UUID
    outcome: str
    outcome_label: str
    grade: str
    score: int | None
    limit: Decimal | None
    annual_rate: Decimal | None
    decided_at: dt.datetime
    latency_ms: int
    flow: str
    hits: tuple[RuleHit, ...]
    reasons: tuple[tuple[str, str], ...]
    gaps: tuple[tuple[str, str], ...]
    features: tuple[FeatureValue, ...]
    bureau: BureauSummary | None


def decision_view(decision_id: UUID) -> DecisionView:
    """A decision with its texts. Raises `NoSuchDecision`."""
    found = Decision.objects.select_related("flow_version", "report", "request").filter(id=decision_id).first()
    if found is None:
        raise NoSuchDecision
    decision: Decision = found
    return DecisionView(
        id=decision.id,
        outcome=decision.outcome,
        outcome_label=str(decision.get_outcome_display()),
        grade=decision.grade,
        score=decision.score,
        limit=decision.limit,
        annual_rate=decision.annual_rate,
        decided_at=decision.decided_at,
        latency_ms=decision.latency_ms,
        flow=str(decision.flow_version or ""),
        hits=tuple(RuleHit(hit["code"], _(reason(hit["code"]).staff), hit["outcome"], hit["table"]) for hit in decision.hits),
        reasons=staff_reasons(decision.reasons),
        gaps=tuple((_label(gap["field"]), gap["problem"]) for gap in decision.gaps),
        features=_features(decision),
        bureau=_bureau_summary(decision),
    )


def monthly_obligations(decision_id: UUID) -> Decimal:
    """What the person's other debts take a month, in yuan, as the decision saw it; zero where it saw no report."""
    features = Decision.objects.filter(id=decision_id).values_list("features", flat=True).first() or {}
    return _yuan(int(features.get("monthly_obligations", 0)))


def staff_reasons(codes: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """(code, text) for staff."""
    return tuple((code, _(reason(code).staff)) for code in codes)


def plain_words(codes: Iterable[str]) -> tuple[str, ...]:
    """The reasons in the customer's words, each sentence once."""
    return tuple(dict.fromkeys(_(reason(code).customer) for code in codes))


def live_version(*, flow_code: str, legal_entity_id: UUID) -> DecisionFlowVersion | None:
    """The version that decides now, apart from a gray one."""
    live: DecisionFlowVersion | None = DecisionFlowVersion.objects.filter(
        flow_code=flow_code, legal_entity_id=legal_entity_id, state=DecisionFlowVersion.State.LIVE
    ).first()
    return live


def rate_of_grade(*, flow_code: str, legal_entity_id: UUID, grade: str) -> Decimal:
    """The annual rate (a fraction) that the live version gives a grade. Raises `NoLiveFlow`."""
    version = live_version(flow_code=flow_code, legal_entity_id=legal_entity_id)
    rates = rates_by_grade(version.definition) if version else {}
    if not rates.get(grade):
        raise NoLiveFlow(_("The decision flow in force has no rate for grade %(grade)s.") % {"grade": grade})
    return Decimal(rates[grade]) / 1_000_000


def _label(name: str) -> str:
    return _(CATALOGUE[name].label) if name in CATALOGUE else name


def _features(decision: Decision) -> tuple[FeatureValue, ...]:
    return tuple(
        FeatureValue(name, _label(name), decision.features[name], CATALOGUE[name].unit, decision.points.get(name))
        for name in CATALOGUE
        if name in decision.features
    )


def _bureau_summary(decision: Decision) -> BureauSummary | None:
    if decision.report is None or not decision.report.readable:
        return None
    try:
        report = read_report(json.loads(decision.report.raw), as_of=clock.local_date(decision.decided_at))
    except UnreadableReport:
        return None
    query = BureauQuery.objects.filter(report=decision.report).order_by("at").first()
    still_open = [account for account in report.accounts if account.is_open]
    return BureauSummary(
        report_no=report.report_no,
        queried_at=report.queried_at,
        authorisation_no=query.authorisation_no if query else "",
        reason_code=decision.report.reason_code,
        no_record=report.no_record,
        alert=report.alert,
        open_accounts=len(still_open),
        balance=_yuan(sum(account.balance for account in still_open)),
        overdue=_yuan(sum(account.overdue_amount for account in report.accounts)),
        queries_loan_1m=report.queries["loan_1m"],
        worst_months=_worst_months(report),
        accounts=tuple(
            BureauAccountLine(
                account.type,
                account.business,
                _yuan(account.amount),
                _yuan(account.balance),
                _yuan(account.overdue_amount),
                account.five_class,
                account.history,
            )
            for account in still_open
        ),
        public=tuple((record.kind, _yuan(record.amount), record.on) for record in report.public),
    )


def _worst_months(report: Report) -> str:
    """Worst repayment sign of all accounts per month, oldest first."""
    rank = {sign: place for place, sign in enumerate("/*NMAC#1234567DZGB")}
    columns: list[str] = []
    for back in range(1, 25):
        signs = [account.history[-back] for account in report.accounts if len(account.history) >= back]
        if not signs:
            break
        columns.append(max(signs, key=rank.__getitem__))
    return "".join(reversed(columns))


def _yuan(fen: int) -> Decimal:
    return Decimal(fen) / 100


__all__: list[Any] = [
    "BureauSummary",
    "DecisionView",
    "NoLiveFlow",
    "NoSuchDecision",
    "decision_view",
    "live_version",
    "monthly_obligations",
    "plain_words",
    "rate_of_grade",
    "staff_reasons",
]
