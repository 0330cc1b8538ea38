from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from apps.common import clock
from apps.common.actors import Actor
from apps.common.audit import recorded_as
from apps.common.commands import Command as BaseCommand
from apps.flows import services
from apps.organisations.selectors import entities, entity_by_code


class Command(BaseCommand):
    help = "Publish the shipped business flows for legal entities that have none."
    example = "--entity CL --format json"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--entity", metavar="CODE", help="One legal entity; without it all.")

    def work(self, **options: Any) -> tuple[Any, str, int]:
        wanted = [entity_by_code(options["entity"])] if options["entity"] else entities()
        actor = Actor.system("install_flows")
        with recorded_as(actor):
            rows = [
                {"entity": entity.code, "flow": version.code, "version": version.version, "state": version.state}
                for entity in wanted
                for version in services.install_shipped_flows(legal_entity_id=entity.id, actor=actor, now=clock.now())
            ]
        return rows, f"{len(rows)} flows published", 0
