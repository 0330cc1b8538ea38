"""`manage.py decide`: the answer of a decision flow, without the web."""

from __future__ import annotations

import dataclasses
import json
from argparse import ArgumentParser
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.core.management.base import CommandError
from django.db import connection

from apps.common.commands import BAD_INPUT, CHECK_FAILED
from apps.common.commands import Command as CarloanCommand
from apps.common.money import CENT
from apps.organisations import selectors as organisations
from apps.risk import services
from apps.risk.domain.engine import Flow, Verdict
from apps.risk.domain.reasons import reason
from apps.risk.domain.samples import SAMPLES, sample_values
from apps.risk.models import DecisionFlowVersion
from apps.risk.selectors import live_version
from apps.risk.services.evaluation import evaluate, flow_of
from apps.risk.services.versions import SHIPPED_DIR

MAX_INPUT_BYTES: Final = 1_000_000
LIMIT_MS: Final = 2_000


class Command(CarloanCommand):
    help = (
        "Decide on the field values in a file by a flow's live version (or the shipped one with --shipped), print a sample input with "
        "exactly the fields that the flow reads, or compute a stored decision again. Exit 2: bad input."
    )
    requires_system_checks: list[str] = []
    example = "--flow car_loan --sample good --format json > good.json; manage.py decide --flow car_loan --input good.json --format json"

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--flow", help="code of the flow, e.g. car_loan")
        parser.add_argument("--entity", help="code of the legal entity; not needed while all decide by the same version")
        parser.add_argument("--shipped", action="store_true", help="the flow that ships with the project, not the live version")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--input", type=Path, help="JSON object of field values: whole numbers (money in 分, shares in 0.01 %%)")
        what.add_argument("--sample", choices=sorted(SAMPLES), help="print the fields that the flow reads, with this person's values")
        what.add_argument("--replay", help="id of a stored decision: compute it again from what is stored and compare")

    def work(self, **options: Any) -> tuple[Any, str, int]:
        if options["replay"]:
            return _replay(options["replay"])
        if not options["flow"]:
            raise CommandError("--flow is needed. See --help.", returncode=BAD_INPUT)
        flow, label, decide = _flow(options)
        if options["sample"]:
            return sample_values(flow.reads, options["sample"]), "", 0
        verdict, spent = decide(_read(options["input"]))
        answer = _answer(verdict) | {"flow": label, "latency_ms": spent}
        return answer, f"{label}: {verdict.outcome}", 0


def _flow(options: dict[str, Any]) -> tuple[Flow, str, Any]:
    """The flow, its name and the function that decides by it."""
    version = None if options["shipped"] else _live(options["flow"], options["entity"])
    if version is not None:
        return flow_of(version), str(version), lambda values: evaluate(version, values, limit_ms=LIMIT_MS)
    path = SHIPPED_DIR / f"{options['flow']}.json"
    if not options["flow"].replace("_", "").isalnum() or not path.exists():
        raise CommandError(f"No flow {options['flow']}.", returncode=BAD_INPUT)
    flow = Flow(json.loads(path.read_text(encoding="utf-8")))
    return flow, f"{options['flow']} (shipped)", lambda values: (flow.decide(values), 0)


def _live(code: str, entity_code: str | None) -> DecisionFlowVersion | None:
    """The live version of the entity, or of the installation where all entities have the same; None before there is any entity."""
    if DecisionFlowVersion._meta.db_table not in connection.introspection.table_names():
        return None
    entities = [organisations.entity_by_code(entity_code)] if entity_code else organisations.entities()
    live = [live_version(flow_code=code, legal_entity_id=entity.id) for entity in entities]
    found = [version for version in live if version is not None]
    if entities and not found:
        raise CommandError(f"No live version of {code}. Publish one, or use --shipped.", returncode=BAD_INPUT)
    if len({version.digest for version in found}) > 1:
        raise CommandError("The legal entities decide by different versions: name one by --entity.", returncode=BAD_INPUT)
    return found[0] if found else None


def _read(path: Path) -> dict[str, Any]:
    """The object in a file. A key that stands twice has no value: nobody knows which of the two was meant."""
    try:
        if path.stat().st_size > MAX_INPUT_BYTES:
            raise CommandError(f"{path}: larger than {MAX_INPUT_BYTES} bytes.", returncode=BAD_INPUT)
        values = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unambiguous)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}.", returncode=BAD_INPUT) from None
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{path}: not JSON ({error}).", returncode=BAD_INPUT) from None
    if not isinstance(values, dict):
        raise CommandError(f"{path}: must hold one object of field values.", returncode=BAD_INPUT)
    return values


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        seen[key] = None if key in seen else value
    return seen


def _answer(verdict: Verdict) -> dict[str, Any]:
    return {
        "outcome": verdict.outcome,
        "grade": verdict.grade or None,
        "score": verdict.score,
        "limit": None if verdict.limit_fen is None else str((Decimal(verdict.limit_fen) / 100).quantize(CENT)),
        "annual_rate": None if verdict.rate_ppm is None else str((Decimal(verdict.rate_ppm) / 1_000_000).quantize(Decimal("0.000001"))),
        "reasons": [{"code": code, "text": reason(code).staff} for code in verdict.reasons],
        "hits": [dataclasses.asdict(hit) for hit in verdict.hits],
        "missing": [dataclasses.asdict(gap) for gap in verdict.gaps],
        "points": verdict.points or {},
    }


def _replay(decision_id: str) -> tuple[Any, str, int]:
    try:
        decision, verdict = services.replay(decision_id=UUID(decision_id))
    except ValueError:
        raise CommandError(f"{decision_id} is not a decision's id.", returncode=BAD_INPUT) from None
    same = (verdict.outcome, list(verdict.reasons), verdict.score) == (decision.outcome, decision.reasons, decision.score)
    answer = _answer(verdict) | {"flow": str(decision.flow_version), "stored_outcome": decision.outcome, "same": same}
    return answer, f"Decision {decision.id}: {'the same again' if same else 'comes out otherwise'}", 0 if same else CHECK_FAILED
