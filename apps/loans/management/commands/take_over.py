"""`manage.py take_over`: running loans of another system, from a spreadsheet with their balances."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from apps.common import clock
from apps.common.actors import Actor
from apps.common.commands import BAD_INPUT
from apps.common.commands import Command as BaseCommand
from apps.common.money import parse_money
from apps.loans.services import SheetRefused, report_json, take_over_loans
from apps.organisations.selectors import entity_by_code


class Command(BaseCommand):
    help = (
        "Take over running loans from a CSV or XLSX file as they stand when the open business day begins: all lines or none. "
        "Lines taken over before are left as they are. Columns and rules: docs/rules/take-over.md."
    )
    example = "--entity CL01 --file loans.xlsx --control lines=2 --control principal=184321.07 --dry-run --format json"

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--entity", required=True, metavar="CODE", help="The legal entity that takes the loans over.")
        parser.add_argument("--file", required=True, type=Path, help="CSV in UTF-8 or XLSX; the first line names the columns.")
        parser.add_argument("--dry-run", action="store_true", help="Check, count and reconcile; keep nothing.")
        parser.add_argument(
            "--control", action="append", default=[], metavar="NAME=TOTAL", help="What a balance, or `lines`, must add up to; repeatable."
        )
        parser.add_argument(
            "--tolerance", default="0", metavar="YUAN", help="How much the interest of a loan may differ from what its plan says."
        )

    def work(self, **options: Any) -> tuple[Any, str, int]:
        file: Path = options["file"]
        try:
            content = file.read_bytes()
        except OSError as error:
            raise CommandError(_("Cannot read %(file)s: %(why)s.") % {"file": file, "why": error.strerror}, returncode=BAD_INPUT) from error
        try:
            control = {name: parse_money(total) for name, _sign, total in (item.partition("=") for item in options["control"])}
            tolerance = parse_money(options["tolerance"])
        except ValueError as error:
            raise CommandError(f"{error}. See --help.", returncode=BAD_INPUT) from error
        try:
            report = take_over_loans(
                legal_entity_id=entity_by_code(options["entity"]).id,
                file_name=file.name,
                content=content,
                control=control,
                tolerance=tolerance,
                preview=options["dry_run"],
                actor=Actor.system("take_over"),
                now=clock.now(),
            )
        except SheetRefused as refused:
            for where, messages in refused.fields.items():
                self.stderr.write(f"{where}: {' '.join(messages)}")
            raise CommandError(refused.detail, returncode=BAD_INPUT) from refused
        words = _("%(count)s loans could be taken over") if report.preview else _("%(count)s loans taken over")
        return report_json(report), words % {"count": report.new}, 0

    def table(self, answer: Any) -> None:
        super().table({key: value for key, value in answer.items() if key not in ("totals", "loans")})
        super().table([{"component": name} | row for name, row in answer["totals"].items()])
        super().table(answer["loans"])
