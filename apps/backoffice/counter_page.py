"""The counter 柜面: what its pages show of a loan, of an operation's form, and of what an operation does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.backoffice.loan_page import KINDS
from apps.common.errors import CarloanError
from apps.common.models import ChangeRequest
from apps.loans import selectors as loans
from apps.loans.services import OPERATIONS, VALUE_DATE, Field, Operation
from apps.organisations import selectors as organisations

PREFIX: Final = "loans."
# The operations as the counter offers them, in the groups that its staff think in.
GROUPS: Final = (
    (_("Money in"), ("repayment", "prepayment", "early_settlement", "compensation", "claim_recovery", "recovery", "clearing")),
    (_("Money out and across"), ("refund", "internal_transfer", "chargeback", "tranche")),
    (_("Goodwill and income in advance"), ("goodwill", "merchant_refund", "buy_down", "buy_down_money", "capitalised_income")),
    (_("Corrections"), ("adjustment", "waiver", "fee", "cancel_repayment", "cancel_disbursement", "cancel_change")),
    (
        _("New terms"),
        (
            *("extension", "term_change", "rate_reset", "due_day_change", "interest_pause", "delinquency_pause"),
            *("re_amortise", "re_age", "refinance"),
        ),
    ),
    (
        _("Vehicle lease"),
        ("lease_deposit", "lease_offset", "lease_refund", "lease_purchase", "lease_return", "lease_renewal"),
    ),
    (_("End of the claim"), ("termination", "write_off", "sale", "buy_back")),
    (_("Branch"), ("branch_transfer",)),
)
_PAYOFF_IS_ASKED: Final = ("early_settlement", "clearing")
_TARGETS: Final = {
    "cancel_repayment": ("repayment", "prepayment", "early_settlement", "recovery"),
    "chargeback": ("repayment", "prepayment", "early_settlement", "recovery"),
    "cancel_disbursement": ("disbursement",),
}
_FIGURES: Final = (
    ("status", _("State")),
    ("principal", _("Principal outstanding (yuan)")),
    ("interest", _("Interest due")),
    ("penalty", _("Penalty interest due")),
    ("compound", _("Compound interest due")),
    ("fee", _("Fee due")),
    ("accrued_interest", _("Interest accrued, not yet due")),
    ("credit", pgettext_lazy("of the customer", "credit")),
    ("payoff", _("Payoff")),
    ("installment", _("Instalment")),
    ("annual_rate", _("Annual rate in percent")),
    ("dpd", _("Days past due")),
)
_PLAIN: Final = ("annual_rate", "dpd")


@dataclass(frozen=True)
class Input:
    """A field of a form with what was entered, what may be chosen, and what is wrong with it."""

    name: str
    label: str
    kind: str
    required: bool
    value: str
    options: tuple[tuple[str, str], ...]
    errors: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """A row of two schedules side by side; `changed` when they differ."""

    no: int
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    changed: bool


@dataclass(frozen=True)
class Effect:
    """What an operation does: figures before and after, the schedules, the entries."""

    figures: tuple[tuple[str, str, str, bool], ...]
    rows: tuple[Row, ...]
    others: tuple[Mapping[str, Any], ...]
    journal: tuple[Mapping[str, Any], ...]


def groups() -> list[tuple[str, list[Operation]]]:
    """The operations by group."""
    return [(str(title), [OPERATIONS[name] for name in names]) for title, names in GROUPS]


def inputs(operation: Operation, loan: Any, sent: Mapping[str, Any], *, day: Any, error: CarloanError | None = None) -> list[Input]:
    """The form of an operation; what nobody entered yet is proposed where it follows from the loan."""
    wrong = getattr(error, "fields", {})
    proposed = _proposed(operation, loan, day)
    return [
        Input(
            name=field.name,
            label=str(field.label),
            kind=field.kind,
            required=field.required,
            value=str(sent.get(field.name, "") or proposed.get(field.name, "")),
            options=_options(operation, field, loan),
            errors=tuple(wrong.get(field.name, ())),
        )
        for field in (VALUE_DATE, *operation.fields)
    ]


def _proposed(operation: Operation, loan: Any, day: Any) -> dict[str, str]:
    answer = {"value_date": f"{day:%Y-%m-%d}"}
    if operation.name in _PAYOFF_IS_ASKED and loan.state in ("active", "overdue"):
        answer["amount"] = f"{loans.payoff_quote(loan_id=loan.id, on=day).total:.2f}"
    if operation.name == "refund" and loan.balance.credit > 0:
        answer["amount"] = f"{loan.balance.credit:.2f}"
    return answer


def _options(operation: Operation, field: Field, loan: Any) -> tuple[tuple[str, str], ...]:
    if field.kind == "choice":
        return tuple((value, str(label)) for value, label in field.choices)
    if field.kind == "branch":
        return tuple(
            (each.code, f"{each.code} {each.name}") for each in organisations.branches(loan.legal_entity_id) if each.id != loan.branch_id
        )
    if field.kind != "transaction":
        return ()
    kinds = _TARGETS.get(operation.name)
    shown, rows = [], loans.transactions_of(loan)
    undone = {row.reverses_id for row in rows}
    for row in rows:
        fits = row.kind in kinds if kinds else row.kind not in (*_TARGETS["cancel_repayment"], "disbursement", "reversal")
        if fits and row.id not in undone:
            amount = "" if row.amount is None else f" {row.amount:,.2f}"
            shown.append((str(row.id), f"{row.value_date:%Y-%m-%d} {KINDS.get(row.kind, row.kind)}{amount}"))
    return tuple(shown)


def effect_of(preview: Mapping[str, Any]) -> Effect | None:
    """The preview of a counter operation as its page shows it; None for one of another kind."""
    if "before" not in preview or "journal" not in preview:
        return None
    before, after = preview["before"], preview["after"]
    was, becomes = _flat(before), _flat(after)
    return Effect(
        figures=tuple((str(label), _figure(name, was), _figure(name, becomes), was[name] != becomes[name]) for name, label in _FIGURES),
        rows=tuple(_rows(before["schedule"], after["schedule"])),
        others=tuple(preview.get("others", ())),
        journal=tuple(preview["journal"]),
    )


def _figure(name: str, figures: Mapping[str, str]) -> str:
    """A figure as people read it: the state in words, amounts with separators."""
    if name == "status":
        return str(loans.STATE_NAMES.get(figures[name], figures[name]))
    return figures[name] if name in _PLAIN else f"{Decimal(figures[name]):,.2f}"


def _flat(state: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in {**state, **state["outstanding"]}.items() if not isinstance(value, dict | list)}


def _rows(before: list[Any], after: list[Any]) -> Iterable[Row]:
    was, becomes = ({row["no"]: _summed(row) for row in rows} for rows in (before, after))
    for no in sorted({*was, *becomes}):
        yield Row(no, was.get(no), becomes.get(no), was.get(no) != becomes.get(no))


def _summed(row: Mapping[str, Any]) -> dict[str, Any]:
    extra = Decimal(row["fee"]) + Decimal(row["penalty"])
    total = Decimal(row["principal"]) + Decimal(row["interest"]) + extra
    return {
        "due_date": row["due_date"],
        "principal": Decimal(row["principal"]),
        "interest": Decimal(row["interest"]),
        "extra": extra,
        "total": total,
        "paid": sum(map(Decimal, row["paid"].values()), start=Decimal("0.00")),
        "status": row["status"],
    }


def changes_of(loan: Any, user: Any) -> list[ChangeRequest]:
    """Counter operations proposed for a loan, the newest first."""
    found = ChangeRequest.objects.visible_to(user).filter(
        subject=loan.number, kind__startswith=PREFIX, legal_entity_id=loan.legal_entity_id
    )
    return list(found.order_by("-proposed_at", "-id")[:50])


def content_of(payload: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was entered, by the labels of the form."""
    operation = OPERATIONS[payload["operation"]]
    labels = {field.name: field for field in (VALUE_DATE, *operation.fields)}
    return [(str(labels[name].label), _said(labels[name], value)) for name, value in payload["data"].items() if name in labels]


def _said(field: Field, value: str) -> str:
    return str(dict(field.choices).get(value, value))
