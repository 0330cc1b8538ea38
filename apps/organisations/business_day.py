"""The registry of the end of day: which steps close a day and open the next one, in which order.

Contexts register their steps in `AppConfig.ready`; `apps.organisations.end_of_day` runs them. A step is a function

    def fn(*, entity_id: UUID, day: date, partition: dict, now: datetime) -> StepResult

For phase `close`, `day` is the day being closed; for phase `open`, it is the day being opened. Each partition runs inside one database
transaction together with the mark that it is done, so its effect happens exactly once, also when a process is killed and the day is
started again. A function that works through many loans puts each into a savepoint and sets aside the ones with a problem.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.utils.module_loading import import_string

PHASES = ("close", "open")


@dataclass(frozen=True)
class StepResult:
    """What a partition did: how many things, and which were set aside (pairs of reference and error) without stopping the day."""

    done: int = 0
    set_aside: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Step:
    """A step of the business day; `run` and `partitions` are dotted paths.

    `partitions(*, entity_id, day, now) -> list[dict]` cuts the work into bounded, independent parts for many workers; without it
    the step is one part. No part: nothing to do.
    """

    name: str
    phase: str
    order: int
    run: str
    partitions: str | None = None

    def function(self) -> Any:
        """The step's function."""
        return import_string(self.run)

    def partition_function(self) -> Any:
        """The function that cuts the step's work, or None."""
        return import_string(self.partitions) if self.partitions else None


_steps: dict[tuple[str, str], Step] = {}


def register(step: Step) -> None:
    """Make a step part of every business day; registering a name again replaces it."""
    if step.phase not in PHASES:
        raise ValueError(f"{step.phase!r} is not a phase of the business day.")
    _steps[step.phase, step.name] = step


def steps(phase: str) -> list[Step]:
    """The steps of a phase in their order."""
    return sorted((step for step in _steps.values() if step.phase == phase), key=lambda step: (step.order, step.name))


def step_named(phase: str, name: str) -> Step:
    """A registered step. Raises `KeyError`."""
    return _steps[phase, name]
