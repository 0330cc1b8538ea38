"""`manage.py quote`: the plan and cost of a loan, from options or from a file of requests."""

import json
from argparse import ArgumentParser
from typing import Any

from django.utils.translation import gettext as _

from apps.common.commands import BAD_INPUT, CHECK_FAILED
from apps.common.commands import Command as BaseCommand
from apps.loans.domain import BadTerms, RateAboveCap, quote_from_json
from apps.loans.management.json_input import read_json, refusal

_OPTIONS = (
    ("--principal", "amount lent, in yuan"),
    ("--annual-rate", "percent a year, e.g. 10.8"),
    ("--installments", "number of instalments"),
    ("--method", "equal_installment, equal_principal, interest_first, flat, bullet, balloon, custom or step"),
    ("--day-count", "act/365, act/360, act/364, act/act or 30/360"),
    ("--start", "day the money is paid out, YYYY-MM-DD"),
    ("--first-due", "first due date, YYYY-MM-DD"),
    ("--due-day", "due day of the month; default the day of --first-due"),
    ("--frequency", "month, week or day; default month"),
    ("--every", "months, weeks or days between instalments; default 1"),
    ("--fee-upfront", "fee paid when the loan is paid out, in yuan"),
    ("--balloon", "amount that falls with the last row of a balloon loan, in yuan"),
    ("--shares", "parts of principal for custom and step, e.g. 0.5,0.3,0.2"),
    ("--multiple", "round the instalment to multiples of this many yuan; default 0.01"),
    ("--rounding", "half_up (default) or half_even"),
    ("--rate-cap", "highest all-in annual rate allowed, in percent; default 24"),
)


class Command(BaseCommand):
    help = "Quote a loan: instalments, total cost and disclosed annual rates. Exit 1: refused, or one of a file's failed; 2: bad input."
    example = (
        "--principal 120000 --annual-rate 10.8 --installments 36 --method equal_installment --day-count act/365 "
        "--start 2026-11-20 --first-due 2026-12-20"
    )
    requires_system_checks: list[str] = []

    def arguments(self, parser: ArgumentParser) -> None:
        for option, text in _OPTIONS:
            parser.add_argument(option, help=text)
        parser.add_argument("--even-out", action="store_true", help="move the instalment one step to even the last row")
        parser.add_argument("--file", help="JSON list of requests, each with an id; - reads standard input")

    def work(self, **options: Any) -> tuple[Any, str, int]:
        names = [option[2:].replace("-", "_") for option, _text in _OPTIONS]
        request = {name: options[name] for name in names if options[name] is not None}
        if options["file"] is not None:
            if request or options["even_out"]:
                raise refusal(_("Give either --file or the terms of one loan, not both."))
            return self._quote_file(options["file"])
        try:
            return quote_from_json(request | {"even_out": options["even_out"]}), "", 0
        except BadTerms as error:
            raise refusal(error.told(_), code=CHECK_FAILED if isinstance(error, RateAboveCap) else BAD_INPUT) from None

    def _quote_file(self, name: str) -> tuple[Any, str, int]:
        requests = read_json(name)
        if not isinstance(requests, list):
            raise refusal(f"{name}: " + _("The file must hold a list of requests."))
        answers = [_answer(request) for request in requests]
        failed = sum("error" in answer for answer in answers)
        closing = _("%(failed)s of %(all)s requests failed") % {"failed": failed, "all": len(answers)} if failed else ""
        return answers, closing, CHECK_FAILED if failed else 0

    def table(self, answer: Any) -> None:
        if isinstance(answer, dict):
            self.stdout.write(_table(answer))
        else:
            self.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2))


def _answer(request: Any) -> dict[str, Any]:
    identity = {"id": request.get("id")} if isinstance(request, dict) else {"id": None}
    try:
        return identity | quote_from_json(request)
    except BadTerms as error:
        return identity | {"error": error.told(_)}


def _table(answer: dict[str, Any]) -> str:
    columns = ("no", "due_date", "days", "principal", "interest", "total", "balance")
    lines = ["".join(f"{name:>15}" for name in columns)]
    lines += ["".join(f"{row[name]:>15}" for name in columns) for row in answer["schedule"]]
    lines += [
        "",
        f"installment {answer['installment']}, interest {answer['total_interest']}, fees {answer['fees']}, "
        f"total cost {answer['total_cost']}",
        f"annual rate (IRR x periods) {answer['apr_irr']} %, compounded {answer['effective_rate']} %",
    ]
    return "\n".join(lines)
