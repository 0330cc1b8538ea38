"""The business day of each legal entity: its steps, how far they are, where they stopped and why; and the jobs that run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from apps.backoffice.access import StaffRequest, show, staff_page
from apps.common.actors import Actor
from apps.common.errors import NotFound
from apps.common.models import Job
from apps.organisations import selectors as organisations
from apps.organisations import services
from apps.organisations.business_day import PHASES, steps

SHOWN_DAYS = 14
SHOWN_JOBS = 20
STEP_NAMES = {
    "late": _("late items"),
    "penalty": _("penalty interest"),
    "marks": _("marks by other loans"),
    "accrual": _("interest accrual"),
    "classification": _("classification"),
    "provisions": _("provisions"),
    "funding_fees": _("fees between funders"),
    "totals": _("totals of the books"),
    "close": _("close of the day"),
    "falls_due": _("instalments fall due"),
    "lease_deposits": _("deposits of leases"),
    "rate_resets": _("rate resets"),
    "vouchers": _("vouchers that ran out"),
    "debit_orders": _("debit orders"),
    "reminders": _("reminders"),
    "collection_intake": _("intake of collection"),
}


@dataclass
class StepLine:
    """One step of a day over all its partitions."""

    name: str
    parts: int = 0
    parts_done: int = 0
    done: int = 0
    aside: list[Any] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    milliseconds: int = 0
    attempts: int = 0

    @property
    def tone(self) -> str:
        """Class of the step's tag."""
        if self.errors:
            return "overdue"
        if self.parts and self.parts_done == self.parts:
            return "warn" if self.aside else "ok"
        return "info" if self.parts_done else "plain"


@dataclass
class DayLine:
    """A business day with the steps that close it and those that open it."""

    day: Any
    phases: list[tuple[str, list[StepLine]]] = field(default_factory=list)

    @property
    def stopped(self) -> list[StepLine]:
        """Steps that failed."""
        return [step for _phase, lines in self.phases for step in lines if step.errors]

    @property
    def parts(self) -> int:
        return sum(step.parts for _phase, lines in self.phases for step in lines)

    @property
    def parts_done(self) -> int:
        return sum(step.parts_done for _phase, lines in self.phases for step in lines)

    @property
    def percent(self) -> int:
        return 100 * self.parts_done // self.parts if self.parts else 0


@require_GET
@staff_page("eod.run", "jobs.view")
def business_day(request: StaffRequest) -> HttpResponse:
    """The latest days, one of them in full, and the jobs."""
    days = list(organisations.business_days(request.user)[:SHOWN_DAYS])
    chosen = _chosen(days, request.GET.get("day", ""))
    jobs = Job.objects.visible_to(request.user).order_by("-started_at")[:SHOWN_JOBS]
    may_run = request.user.can("eod.run")  # type: ignore[union-attr]
    context = {
        "days": days,
        "chosen": _with_steps(chosen) if chosen else None,
        "jobs": jobs,
        "may_run": may_run and chosen is not None and chosen.state != "closed",
    }
    return show(request, "backoffice/eod.html", context)


@require_POST
@staff_page("eod.run")
def run(request: StaffRequest, day_id: UUID) -> HttpResponse:
    """Ask for the end of day up to a day, or for the rest of it where it stopped; a worker does it, the page shows how far it is."""
    day = organisations.business_days(request.user).filter(id=day_id).first()
    if day is None:
        raise NotFound
    services.ask_end_of_day(entity_id=day.legal_entity_id, to=day.date, actor=Actor.of(request.user))
    messages.success(request, gettext("The end of day has been asked for. Its progress is among the jobs."))
    return redirect(f"{reverse('admin:eod')}?day={day.id}")


def _chosen(days: list[Any], wanted: str) -> Any:
    """The day asked for; else one that is closing, else the last closed one, else the open one."""
    asked = next((day for day in days if str(day.id) == wanted), None)
    if asked:
        return asked
    for state in ("closing", "closed", "open"):
        found = next((day for day in days if day.state == state), None)
        if found:
            return found
    return None


def _with_steps(day: Any) -> DayLine:
    """Closing steps of the day, and the opening steps of the next one: what one run of the end of day does."""
    line = DayLine(day)
    dates = {"close": day.date, "open": day.date + dt.timedelta(days=1)}
    for phase in PHASES:
        runs = [run for run in organisations.step_runs(day.legal_entity_id, dates[phase]) if run.phase == phase]
        line.phases.append((phase, _lines(phase, runs)))
    return line


def _lines(phase: str, runs: Iterable[Any]) -> list[StepLine]:
    lines = {step.name: StepLine(str(STEP_NAMES.get(step.name, step.name))) for step in steps(phase)}
    for run in runs:
        line = lines.setdefault(run.step, StepLine(str(STEP_NAMES.get(run.step, run.step))))
        line.parts += 1
        line.parts_done += run.state == "done"
        line.done += run.done_count
        line.aside += run.set_aside
        line.milliseconds += run.milliseconds or 0
        line.attempts = max(line.attempts, run.attempts)
        if run.state == "failed" and run.error:
            line.errors.append(run.error)
    return list(lines.values())
