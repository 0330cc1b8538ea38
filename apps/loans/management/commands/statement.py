"""`manage.py statement`: a loan's transactions with where their money went."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.utils.translation import gettext as _

from apps.common.commands import Command as BaseCommand
from apps.loans import selectors


class Command(BaseCommand):
    help = "Every transaction of a loan, in the order in which they count, and what the loan owes now."
    example = "--loan LN20261120000482 --format json"

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--loan", required=True, help="Number of the loan.")

    def work(self, **options: Any) -> tuple[Any, str, int]:
        loan = selectors.loan_by_number(options["loan"])
        brief = selectors.brief_of(loan)
        lines = selectors.statement_of(loan)
        answer = {
            "number": brief.number,
            "state": brief.state,
            "as_of": brief.as_of.isoformat(),
            "principal": f"{brief.principal:.2f}",
            "principal_outstanding": f"{brief.principal_outstanding:.2f}",
            "due_total": f"{brief.due_total:.2f}",
            "credit": f"{brief.credit:.2f}",
            "dpd": brief.dpd,
            "transactions": [_line(line) for line in lines],
        }
        return answer, _("%(count)s transactions") % {"count": len(lines)}, 0

    def table(self, answer: Any) -> None:
        super().table({key: value for key, value in answer.items() if key != "transactions"})
        super().table(
            [
                {**{key: value or "" for key, value in line.items() if key not in ("id", "allocated")}, **line["allocated"]}
                for line in answer["transactions"]
            ]
        )


def _line(line: selectors.StatementLine) -> dict[str, Any]:
    return {
        "id": str(line.id),
        "value_date": line.value_date.isoformat(),
        "kind": line.kind,
        "amount": None if line.amount is None else f"{line.amount:.2f}",
        "allocated": {component: f"{amount:.2f}" for component, amount in line.allocated.items()},
        "booked_on": line.business_date.isoformat(),
        "reference": line.reference,
        "is_reversed": line.is_reversed,
    }
