"""`manage.py open_books`: the shipped accounts and posting rules, for lenders that have not got all of them yet."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.utils.translation import gettext as _

from apps.common import clock
from apps.common.actors import Actor
from apps.common.commands import Command as BaseCommand
from apps.ledger import services
from apps.organisations.selectors import entities, entity_by_code


class Command(BaseCommand):
    help = "Add accounts and posting rules that this version ships and a lender's books lack. Safe to repeat; run it after an update."
    example = "--entity CL01"

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--entity", help="Code of the legal entity; all of them without it.")

    def work(self, **options: Any) -> tuple[Any, str, int]:
        chosen = [entity_by_code(options["entity"])] if options["entity"] else list(entities())
        for entity in chosen:
            services.open_books(legal_entity_id=entity.id, actor=Actor.system("open_books"), now=clock.now())
        return [{"entity": entity.code} for entity in chosen], _("The books are complete"), 0
