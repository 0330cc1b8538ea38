from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from apps.common import clock
from apps.common.actors import Actor
from apps.common.audit import recorded_as
from apps.common.commands import Command as BaseCommand
from apps.organisations import services


class Command(BaseCommand):
    help = "Add the shipped rules of the market to the dated parameters; values that staff have set stay as they are."
    example = "--format json"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only say how many there are in the file.")

    def work(self, **options: Any) -> tuple[Any, str, int]:
        shipped = len(services.shipped_parameters())
        if options["dry_run"]:
            return {"shipped": shipped, "added": 0}, f"{shipped} parameters read, none written", 0
        actor = Actor.system("install_parameters")
        with recorded_as(actor):
            added = services.install_parameters(actor=actor, now=clock.now())
        return {"shipped": shipped, "added": added}, f"{added} of {shipped} parameters added", 0
