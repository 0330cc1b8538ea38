"""Which version decides, and its evaluation: one engine per version and process."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from apps.risk.domain.engine import Flow, Verdict, capped
from apps.risk.domain.jdm import BadFlow
from apps.risk.models import DecisionFlowVersion

State = DecisionFlowVersion.State


@lru_cache(maxsize=64)
def _flow(version_id: UUID, digest: str) -> Flow:
    """The engine of a version. A definition is frozen once it has left draft, and its digest tells drafts apart."""
    return Flow(DecisionFlowVersion.objects.values_list("definition", flat=True).get(id=version_id))


def flow_of(version: DecisionFlowVersion) -> Flow:
    """The checked flow of a version. Raises `BadFlow`."""
    return _flow(version.id, version.digest)


def version_for(*, flow_code: str, legal_entity_id: UUID, key: str) -> DecisionFlowVersion | None:
    """The version that decides for `key`: the gray one for its share of keys (the same key always falls alike), else the live one."""
    versions = {
        row.state: row
        for row in DecisionFlowVersion.objects.filter(
            flow_code=flow_code, legal_entity_id=legal_entity_id, state__in=[State.LIVE, State.GRAY]
        )
    }
    gray = versions.get(State.GRAY)
    if gray is not None and _bucket(f"{flow_code}:{gray.version}:{key}") < gray.gray_share_bp:
        return gray
    return versions.get(State.LIVE)


def _bucket(text: str) -> int:
    """A stable number from 0 to 9,999."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % 10_000


def evaluate(version: DecisionFlowVersion | None, values: Mapping[str, Any], *, limit_ms: int) -> tuple[Verdict, int]:
    """The verdict and its time in milliseconds. Without a version, on any failure, or above `limit_ms`: a review at best."""
    if version is None:
        return Verdict("review", ("SY-001",)), 0
    began = time.perf_counter()
    try:
        verdict = flow_of(version).decide(values)
    except BadFlow:
        verdict = Verdict("review", ("SY-002",))
    spent = round((time.perf_counter() - began) * 1000)
    return (capped(verdict, "SY-003") if spent > limit_ms else verdict), spent


def digest_of(definition: Any) -> str:
    """SHA-256 of a definition, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(definition, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
