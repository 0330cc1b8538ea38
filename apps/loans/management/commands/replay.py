"""`manage.py replay`: loans from their terms and transactions, as of a day."""

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from django.utils.translation import gettext as _

from apps.common.calendar import is_announced_working_day
from apps.common.commands import Command as BaseCommand
from apps.loans.domain import BadTerms, replay_from_json
from apps.loans.management.json_input import calendar_day, read_json, refusal


class Command(BaseCommand):
    help = "Replay one loan, or a list of loans, from a JSON file. Exit 2: bad input, nothing written."
    example = "--file loan.json --as-of 2026-11-20 --format json"
    requires_system_checks: list[str] = []

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--file", required=True, help='JSON: {"id", "terms", "transactions"} or a list; - reads standard input')
        parser.add_argument("--as-of", required=True, help="day, YYYY-MM-DD")

    def work(self, **options: Any) -> tuple[Any, str, int]:
        as_of = calendar_day("--as-of", options["as_of"])
        source = read_json(options["file"])
        if isinstance(source, list):
            return [_replayed(loan, as_of) for loan in source], "", 0
        return _replayed(source, as_of), "", 0

    def table(self, answer: Any) -> None:
        self.stdout.write("\n\n".join(_table(one) for one in (answer if isinstance(answer, list) else [answer])))


def _replayed(loan: Any, as_of: dt.date) -> dict[str, Any]:
    try:
        return replay_from_json(loan, as_of, is_working_day=is_announced_working_day)
    except BadTerms as error:
        name = loan.get("id") if isinstance(loan, dict) else None
        raise refusal(_("loan %(name)s: %(problem)s") % {"name": name, "problem": error.told(_)}) from None


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
