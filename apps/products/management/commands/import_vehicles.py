from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from apps.common import clock
from apps.common.actors import Actor
from apps.common.commands import BAD_INPUT
from apps.common.commands import Command as BaseCommand
from apps.products.services import import_vehicles
from apps.products.services.catalogue import SHIPPED_VEHICLES, CatalogueFileInvalid


class Command(BaseCommand):
    help = "Import the vehicle catalogue from a CSV file, all or nothing; without a file the catalogue that ships with the project."
    example = "import_vehicles --preview vehicles.csv"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, default=SHIPPED_VEHICLES, help="CSV in UTF-8")
        parser.add_argument("--preview", action="store_true", help="Check and count, keep nothing.")

    def work(self, **options: Any) -> tuple[Any, str, int]:
        file, preview = options["file"], options["preview"]
        try:
            content = file.read_bytes()
        except OSError as error:
            raise CommandError(f"Cannot read {file}: {error.strerror}.", returncode=BAD_INPUT) from error
        try:
            report = import_vehicles(content=content, actor=Actor.system("import_vehicles"), now=clock.now(), preview=preview)
        except CatalogueFileInvalid as error:
            for row, messages in error.fields.items():
                self.stderr.write(f"{row}: {' '.join(messages)}")
            raise CommandError(error.detail, returncode=BAD_INPUT) from error
        answer = {"added": report.added, "changed": report.changed, "unchanged": report.unchanged, "preview": report.preview}
        return answer, f"{report.added + report.changed + report.unchanged} vehicles {'checked' if preview else 'imported'}", 0
