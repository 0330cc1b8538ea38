"""The words of a business flow 业务流转: activities in order, entry conditions, and where each outcome leads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import zen

NEXT: Final = "next"
END: Final = "end"
WAIT: Final = "wait"
KINDS: Final = ("work", "approval")
OUTCOMES_ASKED: Final = {"work": {"done"}, "approval": {"approve", "reject"}}
TIMEOUT: Final = "timeout"
ACTIVITIES_MAX: Final = 50
SLA_MINUTES_MAX: Final = 60 * 24 * 90
_KEY = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")


@dataclass(frozen=True)
class Activity:
    """One activity of a flow: a work step 作业 or an approval step 审批.

    `permission` is what a person needs to take it; without one a process of ours does it (`service` names which). `page` is where
    people do it. `when` is the entry condition over the run's facts; empty means always. `on` maps outcomes to `next`, `end` or the
    key of an activity; `timeout` may also be `wait`: the task stays and is only shown as overdue.
    """

    key: str
    kind: str
    name: str
    on: Mapping[str, str]
    permission: str = ""
    service: str = ""
    page: str = ""
    when: str = ""
    sla_minutes: int | None = None


@dataclass(frozen=True)
class Definition:
    """A flow's activities in their order."""

    activities: tuple[Activity, ...]

    def activity(self, key: str) -> Activity:
        """The activity with a key. Raises `KeyError`."""
        for activity in self.activities:
            if activity.key == key:
                return activity
        raise KeyError(key)

    def after(self, key: str | None) -> tuple[Activity, ...]:
        """The activities behind one, or all of them."""
        keys = [activity.key for activity in self.activities]
        return self.activities[0 if key is None else keys.index(key) + 1 :]


def parse(document: Any) -> tuple[Definition, list[str]]:
    """A definition from its JSON, and what is wrong with its shape; with errors, the definition holds only what could be read."""
    listed = document.get("activities") if isinstance(document, dict) else None
    if not isinstance(listed, list) or not 0 < len(listed) <= ACTIVITIES_MAX:
        return Definition(()), [f"A flow has 1 to {ACTIVITIES_MAX} activities."]
    activities, errors = [], []
    known = set(Activity.__dataclass_fields__)
    for number, item in enumerate(listed, start=1):
        if not isinstance(item, dict) or not {"key", "kind", "name", "on"} <= set(item) or not isinstance(item["on"], dict):
            errors.append(f"Activity {number} needs key, kind, name and on.")
        elif set(item) - known:
            errors.append(f"Activity {number} has unknown fields: {', '.join(sorted(set(item) - known))}.")
        else:
            activities.append(Activity(**item))
    return Definition(tuple(activities)), errors


def check(definition: Definition, *, permissions: frozenset[str]) -> list[str]:
    """Everything that forbids publishing a definition, in words; `permissions` are those that some role has."""
    errors = []
    keys = [activity.key for activity in definition.activities]
    errors += [f"The key {key} is used twice." for key in sorted({key for key in keys if keys.count(key) > 1})]
    for activity in definition.activities:
        errors += [f"{activity.key}: {error}" for error in _errors_of(activity, frozenset(keys), permissions)]
    if not errors:
        errors += [f"{key}: no path leads from here to the end." for key in sorted(set(keys) - _ending(definition))]
        errors += [f"{key}: no path leads here." for key in sorted(set(keys) - _reached(definition))]
    return errors


def _errors_of(activity: Activity, keys: frozenset[str], permissions: frozenset[str]) -> Iterator[str]:
    if not _KEY.match(activity.key):
        yield "A key is a lower-case word."
    if activity.kind not in KINDS:
        yield "The kind is work or approval."
    if activity.permission and activity.permission not in permissions:
        yield f"No role has the permission {activity.permission}."
    if not activity.permission and not (activity.kind == "work" and activity.service):
        yield "People need a permission to take it; only work by a service goes without."
    missing = OUTCOMES_ASKED.get(activity.kind, set()) - set(activity.on)
    if missing:
        yield f"It does not say what follows on {', '.join(sorted(missing))}."
    for outcome, target in activity.on.items():
        if target not in keys | {NEXT, END} and not (outcome == TIMEOUT and target == WAIT):
            yield f"{outcome} leads to {target}, which does not exist."
    if activity.sla_minutes is None and activity.on.get(TIMEOUT, WAIT) != WAIT:
        yield "It cannot time out without a time."
    if activity.sla_minutes is not None and not (type(activity.sla_minutes) is int and 0 < activity.sla_minutes <= SLA_MINUTES_MAX):
        yield "The time is a number of minutes."
    if activity.when and zen.validate_expression(activity.when) is not None:
        yield f"The condition {activity.when!r} cannot be read."


def _follows(definition: Definition, key: str | None) -> set[str]:
    """Where `next` may lead: the activities behind up to the first without condition, or the end."""
    targets = set()
    for activity in definition.after(key):
        targets.add(activity.key)
        if not activity.when:
            return targets
    return targets | {END}


def _targets(definition: Definition, activity: Activity) -> set[str]:
    found: set[str] = set()
    for target in set(activity.on.values()) - {WAIT}:
        found |= _follows(definition, activity.key) if target == NEXT else {target}
    return found


def _ending(definition: Definition) -> set[str]:
    """Keys from which the end can be reached."""
    ending: set[str] = {END}
    while True:
        more = {activity.key for activity in definition.activities if _targets(definition, activity) & ending} - ending
        if not more:
            return ending - {END}
        ending |= more


def _reached(definition: Definition) -> set[str]:
    """Keys that can be reached from the beginning."""
    reached: set[str] = set()
    waiting = _follows(definition, None)
    while waiting:
        key = waiting.pop()
        if key != END and key not in reached:
            reached.add(key)
            waiting |= _targets(definition, definition.activity(key))
    return reached


def enters(activity: Activity, facts: Mapping[str, Any]) -> bool:
    """Whether a run enters an activity. A condition that cannot be evaluated enters it: no step is skipped by mistake."""
    if not activity.when:
        return True
    try:
        return zen.evaluate_expression(activity.when, dict(facts)) is not False
    except Exception:  # noqa: BLE001  (the engine raises RuntimeError and others; each means that the answer is not known)
        return True


def step_after(definition: Definition, facts: Mapping[str, Any], *, key: str | None = None, outcome: str = "done") -> Activity | None:
    """The activity that follows on an outcome of one (or the first, without `key`); None at the end.

    Raises `KeyError` for an outcome that the activity does not know.
    """
    if key is not None:
        target = definition.activity(key).on[outcome]
        if target == END:
            return None
        if target != NEXT:
            return definition.activity(target)
    return next((activity for activity in definition.after(key) if enters(activity, facts)), None)
