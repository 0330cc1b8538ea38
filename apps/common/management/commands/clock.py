"""Show or move the project's clock."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _

from apps.common import clock
from apps.common.commands import Command as BaseCommand
from apps.common.errors import BadInput


class Command(BaseCommand):
    help = "Show the project's clock, or move it where CLOCK_MOVABLE allows (demo, tests, digital twin)."
    example = '--to "2026-11-20 08:00"'

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--to", metavar="MOMENT", help="Beijing time, such as 2026-11-20 or '2026-11-20 08:00'.")

    def work(self, **options: Any) -> tuple[Any, str, int]:
        if to := options["to"]:
            try:
                moment = dt.datetime.fromisoformat(to)
            except ValueError as error:
                raise BadInput(_("{text} is not a moment; write 2026-11-20 08:00.").format(text=to)) from error
            try:
                clock.move_to(moment if moment.tzinfo else moment.replace(tzinfo=clock.BEIJING))
            except RuntimeError as error:
                raise BadInput(str(error)) from error
        now = clock.now()
        return (
            {"now": now.astimezone(clock.BEIJING).isoformat(timespec="seconds"), "offset_seconds": round(clock.offset().total_seconds())},
            "",
            0,
        )
