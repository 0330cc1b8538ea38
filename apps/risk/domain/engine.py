"""The decision engine, made to fail closed.

`zen-engine` takes a missing or mistyped input for a rule that does not fire. So every field that a version reads is checked before the
engine runs, the engine sees those fields only, and what it answers is checked again: an approval needs every field, every score
variable, every list of hits and a complete result. Everything else is a review at best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import zen

from apps.risk.domain.catalogue import CATALOGUE, MAX_FEN, Missing, Problem
from apps.risk.domain.jdm import OUTCOMES, FlowShape, check_flow

GRADES: Final = ("A", "B", "C", "D", "E")
_KEY: Final = "flow"


@dataclass(frozen=True, slots=True)
class Hit:
    """One rule that fired: its table, its code, what it asks for."""

    table: str
    code: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Gap:
    """One field that a version reads and the input does not give."""

    field: str
    problem: str
    policy: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The machine's answer. Money in 分, `rate_ppm` in millionths a year; grade, score, limit and rate are missing where unknown."""

    outcome: str
    reasons: tuple[str, ...]
    hits: tuple[Hit, ...] = ()
    gaps: tuple[Gap, ...] = ()
    points: dict[str, int] | None = None
    grade: str = ""
    score: int | None = None
    limit_fen: int | None = None
    rate_ppm: int | None = None


class Flow:
    """One checked version with its own engine: made once per process, then evaluated any number of times. Raises `BadFlow`."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        self.shape: FlowShape = check_flow(definition)
        self._engine = zen.ZenEngine({"loader": {"type": "static", "content": {_KEY: dict(definition)}}})

    @property
    def reads(self) -> tuple[str, ...]:
        """The fields that the version reads, sorted."""
        return self.shape.reads

    def decide(self, values: Mapping[str, Any]) -> Verdict:
        """The verdict on the given field values; never raises, never approves what it cannot see in full."""
        gaps = self._gaps(values)
        stops = [gap.policy for gap in gaps if gap.policy != Missing.DEFAULT]
        if stops:
            return Verdict(strictest(*stops), ("IN-001",), gaps=gaps)
        defaults = {gap.field: CATALOGUE[gap.field].pessimistic for gap in gaps}
        context = {name: values[name] for name in self.reads if name not in defaults} | defaults
        try:
            answer = self._engine.evaluate(_KEY, context)["result"]
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001  (a panic of the engine is no `Exception`)
            return Verdict("review", ("SY-002",), gaps=gaps)
        verdict = _read_answer(answer, self.shape, gaps)
        return capped(verdict, "IN-002") if gaps else verdict

    def _gaps(self, values: Mapping[str, Any]) -> tuple[Gap, ...]:
        found: list[Gap] = []
        for name in self.reads:
            problem: Problem | None = CATALOGUE[name].problem_of(values.get(name))
            if problem:
                found.append(Gap(name, problem.value, CATALOGUE[name].missing.value))
        return tuple(found)


def strictest(*outcomes: str) -> str:
    """The strictest of the outcomes: decline, more_info, review, approve. An unknown one counts as review."""
    return max((outcome if outcome in OUTCOMES else "review" for outcome in outcomes), key=OUTCOMES.index)


def capped(verdict: Verdict, code: str) -> Verdict:
    """The same verdict, no milder than review, with one reason more."""
    return Verdict(
        outcome=strictest(verdict.outcome, "review"),
        reasons=(*verdict.reasons, code) if code not in verdict.reasons else verdict.reasons,
        hits=verdict.hits,
        gaps=verdict.gaps,
        points=verdict.points,
        grade=verdict.grade,
        score=verdict.score,
        limit_fen=verdict.limit_fen,
        rate_ppm=verdict.rate_ppm,
    )


def _read_answer(answer: Any, shape: FlowShape, gaps: tuple[Gap, ...]) -> Verdict:
    """The engine's answer as a verdict; whatever is not as the shape promises makes it a review."""
    if not isinstance(answer, dict):
        return Verdict("review", ("SY-004",), gaps=gaps)
    hits, whole = _hits(answer, shape)
    points, scored = _points(answer, shape)
    grade, score = answer.get("grade"), _whole(answer.get("score"))
    limit, rate = _whole(answer.get("limit_fen")), _whole(answer.get("rate_ppm"))
    outcome = answer.get("outcome")
    complete = whole and scored and grade in GRADES and None not in (score, limit, rate) and outcome in OUTCOMES
    if outcome == "approve" and (not limit or not rate or grade == "E"):
        complete = False
    reasons = tuple(dict.fromkeys(hit.code for hit in sorted(hits, key=lambda hit: -OUTCOMES.index(hit.outcome))))
    verdict = Verdict(
        outcome=strictest(str(outcome), *(hit.outcome for hit in hits)),
        reasons=reasons,
        hits=hits,
        gaps=gaps,
        points=points,
        grade=grade if grade in GRADES else "",
        score=score,
        limit_fen=limit,
        rate_ppm=rate,
    )
    return verdict if complete else capped(verdict, "SY-004")


def _hits(answer: Mapping[str, Any], shape: FlowShape) -> tuple[tuple[Hit, ...], bool]:
    hits: list[Hit] = []
    for path in shape.rule_paths:
        rows = answer.get(path)
        if not isinstance(rows, list):
            return tuple(hits), False
        for row in rows:
            code, outcome = (row.get("code"), row.get("outcome")) if isinstance(row, dict) else (None, None)
            if not isinstance(code, str) or outcome not in OUTCOMES:
                return tuple(hits), False
            hits.append(Hit(path, code, str(outcome)))
    return tuple(hits), True


def _points(answer: Mapping[str, Any], shape: FlowShape) -> tuple[dict[str, int], bool]:
    """Points by variable; each variable of each scorecard exactly once, or the score is worth nothing."""
    points: dict[str, int] = {}
    for path, variables in shape.score_paths.items():
        rows = answer.get(path)
        if not isinstance(rows, list) or len(rows) != len(variables):
            return points, False
        for row in rows:
            value = row.get("points") if isinstance(row, dict) else None
            if type(value) is not int:
                return points, False
            points[str(row.get("variable"))] = value
        if not variables <= points.keys():
            return points, False
    return points, True


def _whole(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= MAX_FEN else None
