"""`manage.py transfer_result`: the result of a closed year goes to equity."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.utils.translation import gettext as _

from apps.common import clock
from apps.common.actors import Actor
from apps.common.commands import Command as BaseCommand
from apps.ledger import services
from apps.organisations.selectors import entity_by_code


class Command(BaseCommand):
    help = "Transfer income and expenses of a closed year to account 4103, on the first open day. Safe to repeat. Exit 2 for bad input."
    example = "--entity CL01 --year 2025"

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--entity", required=True, help="Code of the legal entity.")
        parser.add_argument("--year", required=True, type=int, help="The year that has ended in the books.")

    def work(self, **options: Any) -> tuple[Any, str, int]:
        entity = entity_by_code(options["entity"])
        entry = services.transfer_result(
            legal_entity_id=entity.id, year=options["year"], actor=Actor.system("transfer_result"), now=clock.now()
        )
        return {"entity": entity.code, "year": options["year"], "entry": entry}, _("The result is in equity"), 0
