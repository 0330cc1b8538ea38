"""`manage.py replay`: loans from their terms and transactions, as of a day."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.loans.domain import BadTerms, replay_from_json
from apps.loans.management.json_input import read_json


class Command(BaseCommand):
    help = "Replay one loan, or a list of loans, from a JSON file. Exit 2: bad input, nothing written."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--file", type=Path, required=True, help='JSON: {"id", "terms", "transactions"} or a list')
        parser.add_argument("--as-of", required=True, help="day, YYYY-MM-DD")
        parser.add_argument("--format", choices=("table", "json"), default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        source = read_json(options["file"])
        loans = source if isinstance(source, list) else [source]
        answers = [_replayed(loan, options["as_of"]) for loan in loans]
        if options["format"] == "json":
            self.stdout.write(json.dumps(answers if isinstance(source, list) else answers[0], indent=2))
        else:
            self.stdout.write("\n\n".join(_table(answer) for answer in answers))


def _replayed(loan: Any, as_of: str) -> dict[str, Any]:
    try:
        return replay_from_json(loan, as_of)
    except BadTerms as error:
        name = loan.get("id") if isinstance(loan, dict) else None
        raise CommandError(f"loan {name}: {error}", returncode=2) from None


def _table(answer: dict[str, Any]) -> str:
    owed = ", ".join(f"{component} {amount}" for component, amount in answer["outstanding"].items())
    columns = ("no", "due_date", "principal", "interest", "fee", "penalty", "status")
    lines = [
        f"loan {answer['id']} on {answer['as_of']}: {answer['status']}, {answer['dpd']} days past due",
        f"outstanding: {owed}",
        f"accrued interest {answer['accrued_interest']}, credit {answer['credit']}, payoff {answer['payoff']}",
        "".join(f"{name:>15}" for name in columns),
    ]
    lines += ["".join(f"{row[name]:>15}" for name in columns) for row in answer["schedule"]]
    return "\n".join(lines)
