"""The public JSON of the core: plain dictionaries in and out, money as strings with two decimals."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from apps.loans.domain.duedates import IsWorkingDay
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.errors import said as _
from apps.loans.domain.fees import FeeBasis, FeeRule
from apps.loans.domain.installments import Amounts
from apps.loans.domain.parsing import parse_date, parse_quote_request, parse_terms, parse_transactions
from apps.loans.domain.quote import Quote, make_quote
from apps.loans.domain.replay import replay
from apps.loans.domain.state import LoanState, RowState, TransactionState
from apps.loans.domain.terms import COMPONENTS, AllocationRule, Floating, LoanTerms, Rounding


def quote_from_json(request: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a quote request (rates in percent).

    Raises `BadTerms` on bad input and `RateAboveCap`, with both numbers, when the all-in rate is above the cap.
    """
    return quote_to_json(make_quote(parse_quote_request(request)))


def quote_to_json(quote: Quote) -> dict[str, Any]:
    """The public shape of a quote."""
    answer: dict[str, Any] = {
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
    for name, amounts in (("fee", quote.schedule.fees), ("capitalised", quote.schedule.capitalised)):
        for row, amount in zip(answer["schedule"], amounts, strict=False):
            if amount:
                row[name] = str(amount)
    return answer


def replay_from_json(loan: Mapping[str, Any], as_of: date | str, *, is_working_day: IsWorkingDay | None = None) -> dict[str, Any]:
    """Replay {"id", "terms", "transactions"} to the end of its history up to `as_of`; raises `BadTerms`."""
    if not isinstance(loan, Mapping):
        raise BadTerms("loan", _("must be an object with id, terms and transactions"))
    if unknown := set(loan) - {"id", "terms", "transactions"}:
        raise BadTerms(str(min(unknown, key=str)), _("is not known here"))
    if "terms" not in loan:
        raise BadTerms("terms", _("is required"))
    terms = parse_terms(loan["terms"])
    transactions = parse_transactions(loan.get("transactions", []))
    state = replay(terms, transactions, parse_date("as_of", as_of), is_working_day=is_working_day)
    return {"id": loan.get("id")} | state_to_json(state)


def terms_to_json(terms: LoanTerms) -> dict[str, Any]:
    """Terms in the public shape (rates in percent), so that `parse_terms` makes the same ones of it."""
    answer: dict[str, Any] = {}
    for item in fields(terms):
        value = getattr(terms, item.name)
        if item.name in _PERCENT_KEYS:
            answer[item.name] = plain_number(value * 100)
        elif item.name in _MONEY_KEYS:
            answer[item.name] = _money(value)
        elif item.name in _WRITERS:
            answer[item.name] = _WRITERS[item.name](value)
        elif isinstance(value, date):
            answer[item.name] = value.isoformat()
        elif isinstance(value, StrEnum):
            answer[item.name] = value.name.lower() if isinstance(value, Rounding) else value.value
        else:
            answer[item.name] = plain_number(value) if isinstance(value, Decimal) else value
    return answer


def plain_number(number: Decimal) -> str:
    """A number without exponent or trailing zeros."""
    return format(number.normalize(), "f")


def _fee(rule: FeeRule) -> dict[str, str]:
    is_flat = rule.of is FeeBasis.FLAT
    size = ("amount", _money(rule.value)) if is_flat else ("percent", plain_number(rule.value * 100))
    limits = {"min": _money(rule.minimum), "max": _money(rule.maximum)}
    return {"name": rule.name, "when": rule.when.value, "of": rule.of.value, **dict([size]), **limits}


def _rule(rule: AllocationRule) -> dict[str, Any]:
    order = [f"{bucket}.{component}" for bucket, component in rule.order]
    facts = {"order": order, "kinds": sorted(rule.kinds), "min_dpd": rule.min_dpd}
    return facts | {"classes": sorted(rule.classes), "advance": rule.advance.value}


def _floating(floating: Floating | None) -> dict[str, Any] | None:
    if floating is None:
        return None
    return {"index": floating.index, "spread_bp": floating.spread_bp, "repricing": floating.repricing.value}


_PERCENT_KEYS = frozenset({"annual_rate", "rate_cap"})
_MONEY_KEYS = frozenset({"principal", "fee_upfront", "balloon", "prepay_fee_floor"})
_WRITERS: dict[str, Callable[[Any], Any]] = {
    "shares": lambda shares: [plain_number(share) for share in shares],
    "waterfall": lambda components: [component.value for component in components],
    "funders": lambda funders: [{"party_ref": funder.party_ref, "parts": funder.parts} for funder in funders],
    "fees": lambda rules: [_fee(rule) for rule in rules],
    "allocation_rules": lambda rules: [_rule(rule) for rule in rules],
    "tranches": lambda tranches: [{"on": tranche.on.isoformat(), "amount": _money(tranche.amount)} for tranche in tranches],
    "floating": _floating,
    "class_bounds": asdict,
}


def state_to_json(state: LoanState) -> dict[str, Any]:
    """The public shape of a loan on a day, without its id."""
    return {
        "status": state.status.value,
        "as_of": state.as_of.isoformat(),
        "dpd": state.dpd,
        "outstanding": _amounts(state.outstanding),
        "accrued_interest": _money(state.accrued_interest),
        "payoff": _money(state.payoff.total),
        "credit": _money(state.credit),
        "schedule": [_row(row) for row in state.rows],
        "transactions": [_transaction(told) for told in state.transactions],
    }


def _row(row: RowState) -> dict[str, Any]:
    installment = row.installment
    return {
        "no": installment.no,
        "due_date": installment.due_date.isoformat(),
        "principal": _money(installment.principal),
        "interest": _money(installment.asked_interest),
        **({"capitalised": _money(installment.capitalised)} if installment.capitalised else {}),
        "fee": _money(installment.fee),
        "penalty": _money(row.penalty),
        "paid": _amounts(installment.paid),
        "status": row.status.value,
    }


def _transaction(told: TransactionState) -> dict[str, Any]:
    transaction = told.transaction
    return {
        "id": transaction.id,
        "kind": transaction.kind.value,
        "value_date": transaction.value_date.isoformat(),
        "amount": None if transaction.amount is None else _money(transaction.amount),
        "allocated": _amounts(told.allocated),
        "reversed_by": told.reversed_by,
    }


def _amounts(amounts: Amounts) -> dict[str, str]:
    return {component.value: _money(amounts[component]) for component in COMPONENTS}


def _money(amount: Decimal) -> str:
    return f"{amount:.2f}"
