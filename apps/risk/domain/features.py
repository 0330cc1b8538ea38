"""Features from stored inputs as of a day: pure sums, so that a decision can be computed again years later.

`inputs` holds plain JSON values: `as_of` (ISO date), `application`, `customer`, `bureau` (the gateway's answer, or None), `signals`
(lists and links, counted by risk when the decision was made) and `parameters`. A feature whose inputs are missing or unreadable is
left out; what that means is the catalogue's and the flow's affair, never this module's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final

from apps.risk.domain.catalogue import MAX_BP, MAX_FEN
from apps.risk.domain.report import Account, Report, UnreadableReport, read_report

ASSUMED_ANNUAL_RATE: Final = Decimal("0.15")  # of the estimate: above every grade's rate, so the estimate is never too low
_MONTH_RANK: Final = {**{str(n): n for n in range(1, 8)}, "#": 1, "B": 8, "D": 8, "Z": 8, "G": 8}
_CLASS_RANK: Final = {"1": 0, "9": 1, "2": 2, "3": 3, "4": 4, "5": 5, "6": 6}
Values = dict[str, int | bool | str]


def compute_features(inputs: Mapping[str, Any]) -> Values:
    """All features that the inputs allow, by name."""
    as_of = _day(inputs.get("as_of"))
    application = _section(inputs, "application")
    customer = _section(inputs, "customer")
    parameters = _section(inputs, "parameters")
    found: dict[str, int | bool | str | None] = {}
    found |= _order_features(application, parameters)
    found |= _person_features(customer, application)
    found |= _bureau_features(inputs.get("bureau"), as_of)
    found |= _mismatch(inputs)
    found |= _burden(found)
    found |= _signals(_section(inputs, "signals"))
    return {name: value for name, value in found.items() if value is not None}


def _order_features(application: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, int | bool | str | None]:
    amount, price = _whole(application, "amount"), _whole(application, "price")
    guide, down = _whole(application, "guide_price"), _whole(application, "down_payment")
    base = None if price is None or guide is None else min(price, guide)
    power = _text(application, "power")
    ltv_max = _section(parameters, "ltv_max_bp")
    return {
        "loan_amount": amount,
        "vehicle_price": price,
        "guide_price": guide,
        "price_to_guide_bp": _share(price, guide),
        "down_payment_bp": _share(down, price),
        "ltv_bp": _share(amount, base),
        "ltv_max_bp": _whole(ltv_max, power) if power else None,
        "term_months": _whole(application, "term"),
        "vehicle_power": power,
        "lease_type": _text(application, "lease_type"),
        "instalment_estimate": _instalment(amount, _whole(application, "term")),
    }


def _person_features(customer: Mapping[str, Any], application: Mapping[str, Any]) -> dict[str, int | bool | str | None]:
    age, term = _whole(customer, "age"), _whole(application, "term")
    return {
        "age": age,
        "age_at_end": None if age is None or term is None else age + -(-term // 12),
        "monthly_income": _whole(customer, "monthly_income"),
        "employment_months": _whole(customer, "employment_months"),
        "contacts_count": _whole(customer, "contacts_count"),
        "registered_days": _whole(customer, "registered_days"),
        "housing": _text(customer, "housing"),
        "identity_verified": _flag(customer, "id_verified"),
        "liveness_verified": _flag(customer, "liveness_verified"),
        "card_verified": _flag(customer, "card_verified"),
    }


def _bureau_features(raw: Any, as_of: dt.date | None) -> dict[str, int | bool | str | None]:
    """Nothing at all without a readable report: absent is not the same as `no_record`."""
    if raw is None or as_of is None:
        return {}
    try:
        report = read_report(raw, as_of=as_of)
    except UnreadableReport:
        return {}
    accounts = report.accounts
    unsecured = [account for account in accounts if account.is_open and account.is_unsecured]
    months = [_month_ranks(account.history) for account in accounts]
    worst = max((_class(account) for account in accounts), key=_CLASS_RANK.__getitem__, default="1")
    return {
        "bureau_status": "no_record" if report.no_record else "report",
        "credit_history_months": max((_months(account.opened_on, as_of) for account in accounts), default=0),
        "open_accounts": sum(account.is_open for account in accounts),
        "unsecured_accounts": len(unsecured),
        "unsecured_balance": _capped(sum(account.balance for account in unsecured)),
        "max_overdue_24m": max((rank for ranks in months for rank in ranks), default=0),
        "overdue_months_24m": sum(rank > 0 for ranks in months for rank in ranks),
        "overdue_m3_24m": sum(rank >= 3 for ranks in months for rank in ranks),
        "current_overdue_amount": _capped(sum(account.overdue_amount for account in accounts)),
        "worst_five_class": int(worst),
        "bad_accounts": sum(_is_bad(account) for account in accounts),
        "monthly_obligations": _capped(sum(_monthly(account) for account in accounts if account.is_open)),
        "card_utilisation_bp": _utilisation(report),
        "queries_loan_1m": report.queries["loan_1m"],
        "queries_card_1m": report.queries["card_1m"],
        "queries_orgs_1m": report.queries["orgs_1m"],
        "judgments": sum(record.kind == "judgment" for record in report.public),
        "enforcements": sum(record.kind == "enforcement" for record in report.public),
        "tax_arrears": sum(record.kind == "tax" for record in report.public),
        "bureau_alert": report.alert,
    }


def _mismatch(inputs: Mapping[str, Any]) -> dict[str, int | bool | str | None]:
    """Whether the report is about the person asked for: compared where the names are in clear, kept as one flag."""
    matches = _flag(_section(inputs, "identity"), "report_matches")
    return {"id_mismatch": None if matches is None else not matches}


def _burden(found: Mapping[str, Any]) -> dict[str, int | bool | str | None]:
    income, obligations = found.get("monthly_income"), found.get("monthly_obligations")
    instalment, unsecured = found.get("instalment_estimate"), found.get("unsecured_balance")
    total = None if obligations is None or instalment is None else obligations + instalment
    return {
        "dti_bp": _share(total, income),
        "multi_lender_debt_bp": _share(unsecured, None if income is None else income * 12),
    }


def _signals(signals: Mapping[str, Any]) -> dict[str, int | bool | str | None]:
    flags = ("blacklisted", "greylisted", "whitelisted", "contact_blacklisted")
    counts = ("device_applicants", "consultant_applications", "contact_shared_applicants")
    found: dict[str, int | bool | str | None] = {name: _flag(signals, name) for name in flags}
    return found | {name: _whole(signals, name) for name in counts}


def _instalment(amount: int | None, term: int | None) -> int | None:
    """Equal instalment at the assumed rate, in 分, rounded up."""
    if amount is None or not term or term > 360:
        return None
    monthly = ASSUMED_ANNUAL_RATE / 12
    payment = amount * monthly / (1 - (1 + monthly) ** -term)
    return int(payment.to_integral_value(ROUND_CEILING))


def _monthly(account: Account) -> int:
    """What an account takes a month: as reported, else (or reported as 0 while something is owed) a share of its balance.

    Cards 10 %, housing 0.6 %, other loans 1/24.
    """
    if account.monthly_payment:
        return account.monthly_payment
    if account.is_card:
        return -(-account.balance // 10)
    if account.business in ("11", "12", "13"):
        return -(-account.balance * 6 // 1000)
    return -(-account.balance // 24)


def _utilisation(report: Report) -> int:
    cards = [account for account in report.accounts if account.is_card and account.is_open]
    limit, used = sum(card.amount for card in cards), sum(card.balance for card in cards)
    if not limit:
        return MAX_BP if used else 0
    return min(used * 10_000 // limit, MAX_BP)


def _class(account: Account) -> str:
    """The five-category class as reported (a card need not have one); an account that is watched is at least special mention."""
    reported = "1" if account.is_card and account.five_class == "9" else account.five_class
    return max(reported, "2" if account.is_watched else "1", key=_CLASS_RANK.__getitem__)


def _is_bad(account: Account) -> bool:
    if account.type == "C1":
        return account.status != "2"
    return account.status in (("5", "8") if account.is_card else ("4", "8"))


def _month_ranks(history: str) -> list[int]:
    return [_MONTH_RANK.get(sign, 0) for sign in history[-24:]]


def _months(since: dt.date, day: dt.date) -> int:
    return max(0, (day.year - since.year) * 12 + day.month - since.month - (day.day < since.day))


def _share(part: int | None, whole: int | None) -> int | None:
    """Basis points, rounded up and capped; a whole of zero is the worst share there is."""
    if part is None or whole is None:
        return None
    return min(-(-part * 10_000 // whole), MAX_BP) if whole > 0 else MAX_BP


def _capped(amount: int) -> int:
    return min(amount, MAX_FEN)


def _section(inputs: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = inputs.get(key)
    return value if isinstance(value, dict) else {}


def _whole(section: Mapping[str, Any], key: str) -> int | None:
    value = section.get(key)
    return value if type(value) is int and 0 <= value <= MAX_FEN else None


def _flag(section: Mapping[str, Any], key: str) -> bool | None:
    value = section.get(key)
    return value if type(value) is bool else None


def _text(section: Mapping[str, Any], key: str) -> str | None:
    value = section.get(key)
    return value if isinstance(value, str) and 0 < len(value) <= 64 else None


def _day(value: Any) -> dt.date | None:
    try:
        return dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        return None
