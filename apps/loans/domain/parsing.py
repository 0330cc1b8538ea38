"""From the public JSON shape to terms and transactions; every refusal names its field.

Numbers come as strings, integers or `Decimal`; binary floats are refused, because 0.1 is not one of them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from apps.common.money import parse_money
from apps.loans.domain.daycount import DayCount
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.errors import said as _
from apps.loans.domain.fees import FeeBasis, FeeRule, FeeTime
from apps.loans.domain.terms import (
    Advance,
    AllocationOrder,
    AllocationRule,
    AssetClass,
    Bucket,
    ClassBounds,
    Component,
    FirstInterest,
    Floating,
    Frequency,
    Funder,
    GraceInterest,
    LoanTerms,
    Method,
    MonthEnd,
    Repricing,
    Rounding,
    Tranche,
)
from apps.loans.domain.transactions import Kind, Pauses, PrepaymentMode, Transaction, Unearned

_PLAIN = re.compile(r"\d{1,20}(\.\d{1,20})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MAX_TRANSACTIONS = 10_000

_REQUIRED = ("principal", "annual_rate", "installments", "method", "day_count", "start", "first_due")
_Word = TypeVar("_Word", bound=StrEnum)


def parse_date(field: str, value: Any) -> date:
    """A calendar day written as 2025-01-31; raises `BadTerms`."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise BadTerms(field, _("%(value)s is not a day written as YYYY-MM-DD", value=repr(value)))


def _number(field: str, value: Any) -> Decimal:
    if isinstance(value, Decimal) or (isinstance(value, int) and not isinstance(value, bool)):
        value = format(Decimal(value), "f")
    if isinstance(value, str) and _PLAIN.fullmatch(value.strip()):
        return Decimal(value.strip())
    if isinstance(value, float):
        raise BadTerms(field, _("%(value)s is a binary float: write the number as a string", value=repr(value)))
    raise BadTerms(field, _("%(value)s is not a plain number of 0 or more", value=repr(value)))


def _money(field: str, value: Any) -> Decimal:
    number = _number(field, value)
    plain = format(number, "f")
    try:
        return parse_money(plain)
    except ValueError:
        raise BadTerms(field, _("%(value)s is no amount of at most 10 billion with at most 2 decimals", value=plain)) from None


def _percent(field: str, value: Any) -> Decimal:
    return _number(field, value) / 100


def _whole(field: str, value: Any) -> int:
    number = _number(field, value)
    if number != int(number):
        raise BadTerms(field, _("%(value)s is not a whole number", value=repr(value)))
    return int(number)


def _flag(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadTerms(field, _("%(value)s is neither true nor false", value=repr(value)))
    return value


def _text(field: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > 200:
        raise BadTerms(field, _("must be a text of at most 200 characters"))
    return value


def _word(words: type[_Word]) -> Callable[[str, Any], _Word]:
    known = {word.value.lower(): word for word in words}

    def parse(field: str, value: Any) -> _Word:
        word = known.get(value) if isinstance(value, str) else None
        if word is None:
            raise BadTerms(field, _("%(value)s is not one of %(names)s", value=repr(value), names=", ".join(known)))
        return word

    return parse


_ROUNDINGS = {"half_up": Rounding.HALF_UP, "half_even": Rounding.HALF_EVEN}


def _rounding(field: str, value: Any) -> Rounding:
    if not isinstance(value, str) or value not in _ROUNDINGS:
        raise BadTerms(field, _("%(value)s is not one of %(names)s", value=repr(value), names=", ".join(_ROUNDINGS)))
    return _ROUNDINGS[value]


def _list(field: str, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise BadTerms(field, _("must be a list"))
    return list(value)


def _shares(field: str, value: Any) -> tuple[Decimal, ...]:
    items = value.split(",") if isinstance(value, str) else _list(field, value)
    return tuple(_number(field, item) for item in items)


def _waterfall(field: str, value: Any) -> tuple[Component, ...]:
    return tuple(_word(Component)(field, item) for item in _list(field, value))


def _parts(field: str, value: Any, required: set[str], optional: set[str]) -> Mapping[str, Any]:
    """An object with all of the required keys and none but the optional ones besides."""
    if not isinstance(value, Mapping) or not required <= set(value) <= required | optional:
        raise BadTerms(
            field,
            _(
                "each must have %(names)s; may have %(names_2)s",
                names=", ".join(sorted(required)),
                names_2=", ".join(sorted(optional) or ["no more"]),
            ),
        )
    return value


def _funders(field: str, value: Any) -> tuple[Funder, ...]:
    funders = []
    for item in _list(field, value):
        item = _parts(field, item, {"party_ref", "parts"}, set())
        funders.append(Funder(_text(field, item["party_ref"]), _whole(field, item["parts"])))
    return tuple(funders)


def _basis_points(field: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadTerms(field, _("%(value)s is not a whole number of basis points", value=repr(value)))
    return value


def _floating(field: str, value: Any) -> Floating:
    value = _parts(field, value, {"index", "spread_bp", "repricing"}, set())
    repricing = _word(Repricing)(field, value["repricing"])
    return Floating(_text(field, value["index"]), _basis_points(field, value["spread_bp"]), repricing)


def _fees(field: str, value: Any) -> tuple[FeeRule, ...]:
    fees = []
    for item in _list(field, value):
        part = _parts(field, item, {"name", "when", "of"}, {"amount", "percent", "min", "max"})
        basis = _word(FeeBasis)(field, part["of"])
        key, read = ("amount", _money) if basis is FeeBasis.FLAT else ("percent", _percent)
        if {"amount", "percent"} & set(part) != {key}:
            raise BadTerms(field, _("a fee of %(basis)s has %(key)s", basis=basis, key=key))
        limits = {name: _money(field, part[short]) for name, short in (("minimum", "min"), ("maximum", "max")) if short in part}
        when = _word(FeeTime)(field, part["when"])
        fees.append(FeeRule(name=_text(field, part["name"]), when=when, of=basis, value=read(field, part[key]), **limits))
    return tuple(fees)


def _allocation_rules(field: str, value: Any) -> tuple[AllocationRule, ...]:
    """Each {"order": ["overdue.fee", …], "kinds", "min_dpd", "classes", "advance"}; the first that fits a transaction counts."""
    rules = []
    for item in _list(field, value):
        part = _parts(field, item, {"order"}, {"kinds", "min_dpd", "classes", "advance"})
        order = []
        for place in _list(field, part["order"]):
            bucket, _dot, component = _text(field, place).partition(".")
            order.append((_word(Bucket)(field, bucket), _word(Component)(field, component)))
        kinds = frozenset(_word(Kind)(field, kind).value for kind in _list(field, part.get("kinds", [])))
        classes = frozenset(_word(AssetClass)(field, name) for name in _list(field, part.get("classes", [])))
        advance = _word(Advance)(field, part.get("advance", Advance.NEXT.value))
        rules.append(AllocationRule(tuple(order), kinds, _whole(field, part.get("min_dpd", 0)), classes, advance))
    return tuple(rules)


def _class_bounds(field: str, value: Any) -> ClassBounds:
    bounds = _parts(field, value, set(), {item.name for item in fields(ClassBounds)})
    return ClassBounds(**{name: _whole(field, bound) for name, bound in bounds.items()})


def _tranches(field: str, value: Any) -> tuple[Tranche, ...]:
    parts = [_parts(field, item, {"on", "amount"}, set()) for item in _list(field, value)]
    return tuple(Tranche(parse_date(field, part["on"]), _money(field, part["amount"])) for part in parts)


_QUOTE_KEYS: dict[str, Callable[[str, Any], Any]] = {
    "principal": _money,
    "annual_rate": _percent,
    "installments": _whole,
    "method": _word(Method),
    "day_count": _word(DayCount),
    "start": parse_date,
    "first_due": parse_date,
    "due_day": _whole,
    "frequency": _word(Frequency),
    "every": _whole,
    "fee_upfront": _money,
    "balloon": _money,
    "shares": _shares,
    "multiple": _money,
    "rounding": _rounding,
    "even_out": _flag,
    "rate_cap": _percent,
    "month_end": _word(MonthEnd),
    "first_interest": _word(FirstInterest),
    "principal_grace": _whole,
    "interest_grace": _whole,
    "grace_interest": _word(GraceInterest),
    "interest_free": _whole,
    "fees": _fees,
    "tranches": _tranches,
}

_TERMS_KEYS: dict[str, Callable[[str, Any], Any]] = _QUOTE_KEYS | {
    "floating": _floating,
    "move_to_working_day": _flag,
    "penalty_uplift": _number,
    "grace_days": _whole,
    "compound": _flag,
    "prepay_fee_rate": _number,
    "prepay_fee_floor": _money,
    "prepay_fee_free_after": _whole,
    "waterfall": _waterfall,
    "allocation": _word(AllocationOrder),
    "allocation_rules": _allocation_rules,
    "class_bounds": _class_bounds,
    "funders": _funders,
    "borrower_ref": _text,
    "party_ref": _text,
    "collateral_ref": _text,
    "branch_ref": _text,
}

# What may be added to terms of which others set the amounts, the rate, the days and the parties: a product's plans, a line of a file.
_FURTHER = (
    *("multiple", "rounding", "even_out", "month_end", "move_to_working_day", "first_interest", "principal_grace", "interest_grace"),
    *("grace_interest", "interest_free", "fees", "floating", "compound", "prepay_fee_floor"),
    *("waterfall", "allocation", "allocation_rules", "class_bounds"),
)


def _parsed(source: Any, parsers: Mapping[str, Callable[[str, Any], Any]], ignored: frozenset[str]) -> dict[str, Any]:
    """Known keys parsed, absent and null ones left to their defaults, unknown ones refused: a typo must not pass."""
    if not isinstance(source, Mapping):
        raise BadTerms("request", _("must be an object with named values"))
    answer: dict[str, Any] = {}
    for field, value in source.items():
        if field in ignored:
            continue
        if field not in parsers:
            raise BadTerms(str(field), _("is not known here"))
        if value is not None:
            answer[field] = parsers[field](field, value)
    return answer


def _terms(values: dict[str, Any]) -> LoanTerms:
    for field in _REQUIRED:
        if field not in values:
            raise BadTerms(field, _("is required"))
    return LoanTerms(**values)


def parse_quote_request(source: Any) -> LoanTerms:
    """Terms from the keys of a quote (rates in percent); raises `BadTerms`."""
    return _terms(_parsed(source, _QUOTE_KEYS, frozenset({"id"})))


def parse_terms(source: Any) -> LoanTerms:
    """Terms of a loan from JSON: the quote keys and the servicing ones; raises `BadTerms`."""
    return _terms(_parsed(source, _TERMS_KEYS, frozenset({"id"})))


def parse_further_terms(source: Any) -> dict[str, Any]:
    """Further terms by their names in `LoanTerms`, from JSON; one that is set elsewhere is refused. Raises `BadTerms`."""
    if isinstance(source, Mapping):
        for field in source:
            if field in _TERMS_KEYS and field not in _FURTHER:
                raise BadTerms(field, _("is set by the plan itself"))
    return _parsed(source, {name: _TERMS_KEYS[name] for name in _FURTHER}, frozenset())


def _booked_at(field: str, value: Any) -> None:
    if isinstance(value, datetime):
        return
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise BadTerms(field, _("%(value)s is not a time written as ISO 8601", value=repr(value))) from None


def _id(field: str, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(field, value)


def _signed_money(field: str, value: Any) -> Decimal:
    plain = format(value, "f") if isinstance(value, Decimal | int) and not isinstance(value, bool) else value
    if isinstance(plain, str) and plain.strip().startswith("-"):
        return -_money(field, plain.strip()[1:])
    return _money(field, value)


def _components(field: str, value: Any) -> dict[Component, Decimal | None]:
    """Either {"penalty": "20.31"} or ["penalty", "interest"]; a listed one takes what the amount allows."""
    component = _word(Component)
    if isinstance(value, Mapping):
        return {component(field, name): _signed_money(field, amount) for name, amount in value.items()}
    return {component(field, name): None for name in _list(field, value)}


def _corrected(amount: Decimal, components: Mapping[Component, Decimal | None] | None) -> dict[Component, Decimal | None]:
    """An adjustment by `amount` instead of an amount for each component: of the one that is listed."""
    if components is None or len(components) != 1 or None not in components.values():
        raise BadTerms("amount", _("of an adjustment goes with one listed component; or give components their amounts"))
    return dict.fromkeys(components, amount)


_TRANSACTION_KEYS: dict[str, Callable[[str, Any], Any]] = {
    "id": _id,
    "kind": _word(Kind),
    "value_date": parse_date,
    "booked_at": _booked_at,
    "amount": _signed_money,
    "reverses": _id,
    "mode": _word(PrepaymentMode),
    "annual_rate": _percent,
    "installments": _whole,
    "due_day": _whole,
    "components": _components,
    "source": _text,
    "until": parse_date,
    "owner_ref": _text,
    "service_rate": _percent,
    "shares": _shares,
    "pauses": _word(Pauses),
    "fraud": _flag,
    "unearned": _word(Unearned),
}


def parse_transaction(source: Any) -> Transaction:
    """One transaction from JSON; raises `BadTerms`."""
    values = _parsed(source, _TRANSACTION_KEYS, frozenset())
    values.pop("booked_at", None)
    if values.get("kind") is Kind.ADJUSTMENT and values.get("amount") is not None:
        values["components"] = _corrected(values.pop("amount"), values.get("components"))
    for field in ("id", "kind", "value_date"):
        if field not in values:
            raise BadTerms(field, _("is required in a transaction"))
    return Transaction(**values)


def parse_transactions(source: Any) -> list[Transaction]:
    """A list of transactions from JSON, in any order; raises `BadTerms`."""
    items = _list("transactions", source)
    if len(items) > _MAX_TRANSACTIONS:
        raise BadTerms("transactions", _("at most %(max_transactions)s", max_transactions=_MAX_TRANSACTIONS))
    return [parse_transaction(item) for item in items]
