"""`manage.py statement`: a loan over a period, for its customer or for one of its funders; day by day; a month of a whole lender."""

from __future__ import annotations

import calendar
import datetime as dt
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from apps.common.commands import BAD_INPUT, CHECK_FAILED
from apps.common.commands import Command as BaseCommand
from apps.common.errors import CarloanError
from apps.loans import selectors
from apps.loans.management.json_input import calendar_day
from apps.loans.management.statement_json import day_json, party_json, statement_json
from apps.loans.models import Loan
from apps.organisations.selectors import business_date, entity_by_code

_ONE_DAY = dt.timedelta(days=1)


class Command(BaseCommand):
    help = (
        "What a loan owed, what moved and what it owes, line by line; --party: a funder's part; --daily: the interest of every day. "
        "With --entity and --month one statement for each loan of the lender; exit 1 when one of them could not be made."
    )
    example = "--loan LN20261120000482 --from 2026-11-01 --to 2026-11-30 --format json"

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--loan", metavar="NUMBER", help="Number of the loan.")
        parser.add_argument("--from", dest="first", metavar="D", help="First day, as 2026-11-01; the first day of the loan when left out.")
        parser.add_argument("--to", dest="last", metavar="D", help="Last day; the last day that was closed or began when left out.")
        parser.add_argument("--party", metavar="REF", help="A funder: its sub-ledger. `own` is the lender itself.")
        parser.add_argument("--daily", action="store_true", help="Interest, penalty and compound interest of every day, by party.")
        parser.add_argument("--entity", metavar="CODE", help="A legal entity, with --month.")
        parser.add_argument("--month", metavar="YYYY-MM", help="A month: the statements of all loans of --entity.")

    def work(self, **options: Any) -> tuple[Any, str, int]:
        if bool(options["loan"]) == bool(options["entity"]):
            raise CommandError(_("Give either --loan, or --entity with --month. See --help."), returncode=BAD_INPUT)
        if options["entity"]:
            return self._month(options)
        if options["month"]:
            raise CommandError(_("--month goes with --entity; for one loan give --from and --to."), returncode=BAD_INPUT)
        loan = selectors.loan_by_number(options["loan"])
        first = calendar_day("--from", options["first"]) if options["first"] else loan.opened_on
        today = max(business_date(loan.legal_entity_id), loan.opened_on, loan.balance.as_of)
        last = calendar_day("--to", options["last"]) if options["last"] else today
        if options["daily"]:
            if options["party"]:
                raise CommandError(_("--daily shows all parties; leave --party out."), returncode=BAD_INPUT)
            days = [day_json(row) for row in selectors.interest_history(loan.id, first, last)]
            return {"number": loan.number, "days": days}, _("%(count)s days") % {"count": len(days)}, 0
        answer = _statement(loan, first, last, options["party"])
        return answer, _("%(count)s lines") % {"count": len(answer["transactions"])}, 0

    def _month(self, options: dict[str, Any]) -> tuple[Any, str, int]:
        if not options["month"] or options["first"] or options["last"] or options["daily"]:
            raise CommandError(_("--entity takes --month, and neither --from, --to nor --daily."), returncode=BAD_INPUT)
        first = calendar_day("--month", f"{options['month']}-01")
        last = first.replace(day=calendar.monthrange(first.year, first.month)[1])
        entity = entity_by_code(options["entity"])
        answers = list(_statements(entity.id, first, min(last, business_date(entity.id)), options["party"]))
        failed = sum("error" in answer for answer in answers)
        closing = _("%(count)s statements, %(failed)s failed") % {"count": len(answers) - failed, "failed": failed}
        return answers, closing, CHECK_FAILED if failed else 0

    def table(self, answer: Any) -> None:
        if isinstance(answer, list):
            rows = [{"number": one["number"], "closing": one.get("closing", one.get("error"))} for one in answer]
            super().table(rows)
            return
        lists = ("transactions", "days")
        super().table({key: value for key, value in answer.items() if key not in lists})
        super().table([_flat(row) for name in lists for row in answer.get(name, [])])


def _statement(loan: Loan, first: dt.date, last: dt.date, party: str | None) -> dict[str, Any]:
    told = selectors.statement_for(loan, first, last)
    if party:
        return party_json(told, selectors.party_statement(told, party), selectors.fees_between_parties(told))
    return statement_json(told)


def _statements(entity_id: Any, first: dt.date, last: dt.date, party: str | None) -> Iterator[dict[str, Any]]:
    if last < first:
        raise selectors.PeriodReversed(first=first, last=last)
    for loan in selectors.loans_of_month(entity_id, first, last):
        try:
            yield _statement(loan, first, last, party)
        except selectors.PartyUnknown:
            continue
        except (CarloanError, ValueError, ArithmeticError) as error:
            yield {"number": loan.number, "error": error.detail if isinstance(error, CarloanError) else str(error)}


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its maps as text, so that it fits a column."""
    return {key: _text(value) for key, value in row.items() if key not in ("id", "reversed_by")}


def _text(value: Any) -> Any:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(part)}" for name, part in value.items())
    return "" if value is None else value
