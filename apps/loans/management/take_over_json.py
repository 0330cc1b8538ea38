"""The report of a take-over in the shape of its command."""

from __future__ import annotations

from typing import Any

from apps.loans.services import TakeOverReport


def report_json(report: TakeOverReport) -> dict[str, Any]:
    """Amounts as text with two decimals."""
    return {
        "taken_over_on": report.taken_over_on.isoformat(),
        "lines": report.lines,
        "new": report.new,
        "dry_run": report.preview,
        "totals": {
            name: {
                "file": f"{total.file:.2f}",
                "books": f"{total.books:.2f}",
                "off_balance": f"{total.off_balance:.2f}",
                "difference": f"{total.difference:.2f}",
                "control": "" if total.control is None else f"{total.control:.2f}",
            }
            for name, total in report.totals.items()
        },
        "loans": [
            {
                "external_number": loan.external_number,
                "number": loan.number,
                "new": loan.is_new,
                "interest_difference": f"{loan.interest_difference:.2f}",
            }
            for loan in report.loans
        ],
    }
