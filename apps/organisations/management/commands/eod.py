from __future__ import annotations

import datetime as dt
import time
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from apps.common import jobs
from apps.common.actors import Actor
from apps.common.commands import BAD_INPUT, CHECK_FAILED
from apps.common.commands import Command as BaseCommand
from apps.organisations import end_of_day, selectors
from apps.organisations.business_day import steps
from apps.organisations.domain import EntityBrief


def _date(name: str, text: str | None) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        told = _("--%(name)s: %(text)s is no day. Give one such as 2026-09-30.") % {"name": name, "text": text[:40] if text else ""}
        raise CommandError(told, returncode=BAD_INPUT) from None


class Command(BaseCommand):
    help = "Close a business day and open the next one. Days missed before it are closed first, in order; a stopped day goes on."
    example = "--date 2026-09-30 --entity CL --format json"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--date", metavar="D", help="The day to close, as 2026-09-30.")
        parser.add_argument("--to", metavar="D", help="The last day to close, when it is not --date.")
        parser.add_argument("--entity", metavar="CODE", help="One legal entity; without it all that have a business day.")
        parser.add_argument("--dry-run", action="store_true", help="Only say which days and steps would run.")

    def work(self, **options: Any) -> tuple[Any, str, int]:
        date, to = (_date(name, options[name]) for name in ("date", "to"))
        last = to or date
        if last is None:
            raise CommandError(_("Give --date, --to or both. See --help."), returncode=BAD_INPUT)
        if date and to and to < date:
            raise CommandError(_("--to %(to)s lies before --date %(date)s.") % {"to": to, "date": date}, returncode=BAD_INPUT)
        planned = self._plan(options["entity"], last)
        if options["dry_run"]:
            rows = [self._row(entity, day, "would close") for entity, days in planned for day in days]
            names = ", ".join(step.name for phase in ("close", "open") for step in steps(phase))
            told = _("%(days)s days would be closed, each with the steps %(steps)s; planned") % {"days": len(rows), "steps": names}
            return rows, told, 0
        return self._run(planned, last)

    def _plan(self, code: str | None, last: dt.date) -> list[tuple[EntityBrief, list[dt.date]]]:
        wanted = [selectors.entity_by_code(code)] if code else selectors.entities()
        planned = []
        for entity in wanted:
            try:
                planned.append((entity, end_of_day.pending_days(entity.id, to=last)))
            except selectors.NoBusinessDay:
                if code:
                    raise
        if not planned:
            raise CommandError(_("No legal entity has an open business day."), returncode=BAD_INPUT)
        return planned

    def _run(self, planned: list[tuple[EntityBrief, list[dt.date]]], last: dt.date) -> tuple[Any, str, int]:
        rows: list[dict[str, Any]] = []
        code = 0
        for entity, days in planned:
            bar = jobs.Bar(f"{entity.code} {last}", 0)
            started = time.monotonic()

            def show(done: int, total: int, bar: jobs.Bar = bar) -> None:
                bar.total = total
                bar.to(done)

            try:
                reports = end_of_day.run(entity_id=entity.id, to=last, actor=Actor.system("eod"), progress=show)
            except (end_of_day.DayStopped, end_of_day.AlreadyRunning) as error:
                self.stderr.write(f"{entity.code}: {error.detail}")
                rows.append(self._row(entity, error.facts.get("day", days[0] if days else last), error.code, stopped=error.detail))
                code = CHECK_FAILED
                continue
            rows += [self._row(entity, day.date, "closed", day.done, day.set_aside, day.milliseconds) for day in reports]
            if not reports:
                took = {"entity": entity.code, "day": last, "seconds": f"{time.monotonic() - started:.1f}"}
                self.stderr.write(_("%(entity)s: %(day)s is closed already (%(seconds)s s).") % took)
        closed = sum(row["state"] == "closed" for row in rows)
        aside = sum(row["set_aside"] for row in rows)
        done = (
            _("%(days)s days closed, %(items)s items set aside, stopped,")
            if code
            else _("%(days)s days closed, %(items)s items set aside,")
        )
        return rows, done % {"days": closed, "items": aside}, code

    @staticmethod
    def _row(
        entity: EntityBrief, date: dt.date, state: str, done: int = 0, aside: int = 0, milliseconds: int = 0, stopped: str = ""
    ) -> dict[str, Any]:
        return {
            "entity": entity.code,
            "date": date.isoformat(),
            "state": state,
            "done": done,
            "set_aside": aside,
            "milliseconds": milliseconds,
            "error": stopped,
        }
