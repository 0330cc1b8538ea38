"""The public JSON of the core: plain dictionaries in and out, money as strings with two decimals."""

from collections.abc import Mapping
from typing import Any

from apps.loans.domain.parsing import parse_quote_request
from apps.loans.domain.quote import Quote, make_quote


def quote_from_json(request: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a quote request (rates in percent).

    Raises `BadTerms` on bad input and `RateAboveCap`, with both numbers, when the all-in rate is above the cap.
    """
    return quote_to_json(make_quote(parse_quote_request(request)))


def quote_to_json(quote: Quote) -> dict[str, Any]:
    """The public shape of a quote."""
    return {
        "installment": f"{quote.installment:.2f}",
        "total_interest": f"{quote.total_interest:.2f}",
        "fees": f"{quote.fees:.2f}",
        "total_cost": f"{quote.total_cost:.2f}",
        "apr_irr": str(quote.apr_irr),
        "effective_rate": str(quote.effective_rate),
        "schedule": [
            {
                "no": row.no,
                "due_date": row.due_date.isoformat(),
                "days": row.days,
                "principal": str(row.principal),
                "interest": str(row.interest),
                "total": str(row.total),
                "balance": str(row.balance),
            }
            for row in quote.schedule.rows
        ],
    }
