"""`manage.py reconcile`: our payments against the bank's statement of a day."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

from django.core.management.base import CommandError, CommandParser

from apps.common import clock
from apps.common.actors import Actor
from apps.common.audit import recorded_as
from apps.common.commands import BAD_INPUT, CHECK_FAILED
from apps.common.commands import Command as BaseCommand
from apps.common.gateways import GatewayError
from apps.organisations import selectors as organisations
from apps.reconciliation import services

ACTOR = Actor.system("reconcile")


class Command(BaseCommand):
    help = "Fetch the bank's statement of a day, match it, and move matched money from clearing to the bank. Exit 1 with differences."
    example = "--date 2026-11-20 --format json"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--date", type=dt.date.fromisoformat, help="Day in Beijing, YYYY-MM-DD; yesterday unless given.")
        parser.add_argument("--entity", help="Code of one legal entity; all unless given.")

    def work(self, **options: Any) -> tuple[Any, str, int]:
        now = clock.now()
        day = options["date"] or services.day_before(now)
        entities = [organisations.entity_by_code(options["entity"])] if options["entity"] else organisations.entities()
        rows = []
        with recorded_as(ACTOR, reason="reconcile"):
            for entity in entities:
                try:
                    outcome = services.reconcile(legal_entity_id=entity.id, day=day, actor=ACTOR, now=now)
                except GatewayError as error:
                    raise CommandError(f"The bank gave no statement of {day}: {error}", returncode=BAD_INPUT) from error
                rows.append({"entity": entity.code, **dataclasses.asdict(outcome)})
        differing = sum(row["differences"] for row in rows)
        matched = sum(row["matched"] for row in rows)
        return rows, f"{day}: {matched} matched, {differing} differences", CHECK_FAILED if differing else 0
