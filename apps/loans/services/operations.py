"""Counter operations 柜面: what each asks for, and the permission ladder of its approval. What each does: `deeds` and its neighbours."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from apps.common.errors import BadInput, NotFound
from apps.common.money import MAX_MONEY, ZERO, parse_money
from apps.loans.domain.terms import MAX_INSTALLMENTS
from apps.loans.models import Loan
from apps.loans.services import branch_deeds, claim_deeds, deeds, goodwill_deeds, lease_deeds, owner_deeds, tranche_deeds, undoing
from apps.loans.services.deeds import Deed, Order

_LONGEST_TEXT: Final = 200
_PERCENT: Final = re.compile(r"\d{1,3}(\.\d{1,6})?", re.ASCII)
_BETWEEN_SHARES: Final = re.compile(r"[\s,，]+")
LARGE: Final = "loans.approve_large"


class OperationUnknown(NotFound):
    """There is no counter operation of this name."""

    code = "loan_operation_unknown"
    title = _("There is no such operation.")


@dataclass(frozen=True)
class Field:
    """One thing that an operation asks for.

    `kind`: `money`, `signed` (money that may be below zero), `date`, `whole`, `percent`, `choice`, `transaction`, `branch` (its code),
    `text`, `shares` (of the instalments still to come, `0.5, 0.3, 0.2`) or `flag`.
    """

    name: str
    label: str | Promise
    kind: str
    required: bool = True
    choices: tuple[tuple[str, str | Promise], ...] = ()


@dataclass(frozen=True)
class Operation:
    """A counter operation; `matrix` asks a higher permission of the checker from given amounts on.

    `beside` tells what money the deed will move besides the amounts asked for; it counts in the approval.
    """

    name: str
    title: str | Promise
    fields: tuple[Field, ...]
    deed: Deed
    whole_claim: bool = False
    matrix: tuple[tuple[Decimal, str], ...] = ((Decimal(50_000), LARGE),)
    beside: Callable[[Loan, Mapping[str, Any], Order], Decimal] | None = None

    @property
    def kind(self) -> str:
        """Its name among the approvals."""
        return f"loans.{self.name}"

    def amount(self, data: Mapping[str, Any], claim: Decimal) -> Decimal | None:
        """What the approval is measured by: the claim for operations on the whole loan, else the money asked for."""
        if self.whole_claim:
            return claim
        amounts = [abs(data[field.name]) for field in self.fields if field.kind in ("money", "signed") and data.get(field.name)]
        return sum(amounts, start=ZERO) if amounts else None


def _component_fields(kind: str, names: Mapping[str, str | Promise]) -> tuple[Field, ...]:
    return tuple(Field(name, label, kind, required=False) for name, label in names.items())


FORGIVABLE: Final = {
    "penalty": _("Penalty interest"),
    "compound": _("Compound interest"),
    "fee": pgettext_lazy("of a loan", "Fees"),
    "interest": _("Interest"),
}
CORRECTED: Final = {**FORGIVABLE, "principal": _("Principal")}
_AMOUNT: Final = Field("amount", _("Amount"), "money")
_TARGET: Final = Field("transaction", _("Transaction"), "transaction")
_CHARGED_BACK: Final = Field("transaction", _("Payment charged back"), "transaction")
_INSTALLMENTS: Final = Field("installments", _("Instalments in all"), "whole")
_NEW_INSTALLMENTS: Final = Field("installments", _("Instalments in all, if they change"), "whole", required=False)
_SHARES: Final = Field("shares", _("Shares of the instalments still to come, for a plan by shares"), "shares", required=False)
_RATE: Final = Field("annual_rate", _("Annual rate in percent"), "percent")
_NEW_RATE: Final = Field("annual_rate", _("New annual rate in percent, if it changes"), "percent", required=False)
_PAYER: Final = Field("payer", _("Who pays"), "text")
_NOTE: Final = Field("note", _("Note"), "text", required=False)
_IN: Final = (("cash", _("cash at the counter")), ("suspense", _("bank transfer that waits in suspense")))
_MEANS: Final = Field("means", _("How the money came"), "choice", choices=_IN)
_OUT: Final = (("cash", _("cash at the counter")), ("suspense", _("bank transfer, from suspense")))
_PAID_BY: Final = Field("means", _("How it is paid out"), "choice", choices=_OUT)
_MODES: Final = (("reduce", _("smaller instalments")), ("shorten", _("fewer instalments")))
_WAYS: Final = (
    ("from_suspense", _("from suspense to this loan")),
    ("to_suspense", _("from this loan's credit to suspense")),
    ("to_loan", _("from this loan's credit to another loan")),
)
_METHODS: Final = (
    ("equal_installment", _("equal instalments")),
    ("equal_principal", _("equal principal")),
    ("interest_first", _("interest first")),
)
_PRICE: Final = Field("price", _("Price"), "money")
_SERVICE_RATE: Final = Field("service_rate", _("Servicing fee, percent of what comes in"), "percent", required=False)
_NEW_LOAN: Final = (
    Field("installments", _("Instalments of the new loan"), "whole"),
    _RATE,
    Field("method", _("Method"), "choice", choices=_METHODS),
    Field("first_due", _("First due date"), "date"),
)
_UNEARNED: Final = Field(
    "unearned",
    _("Rest when the loan ends early"),
    "choice",
    choices=(("earned", _("is earned at once")), ("returned", _("goes back to the payer"))),
)
_BUY_DOWN_WAY: Final = Field(
    "way", _("From and to"), "choice", choices=(("received", _("from the payer")), ("paid_back", _("back to the payer")))
)
_EVERY_TIME: Final = ((ZERO, LARGE),)

_TABLE: Final = (
    Operation("repayment", _("Repayment at the counter"), (_AMOUNT, _MEANS), deeds.repay),
    Operation("prepayment", _("Part prepayment"), (_AMOUNT, _MEANS, Field("mode", _("Effect"), "choice", choices=_MODES)), deeds.prepay),
    Operation("early_settlement", _("Early repayment in full"), (_AMOUNT, _MEANS), deeds.settle),
    Operation("compensation", _("Compensation by a guarantor or dealer"), (_AMOUNT, _MEANS, _PAYER, _NOTE), claim_deeds.compensate),
    Operation(
        "claim_recovery",
        _("Payer of a compensation got money back"),
        (Field("transaction", _("Compensation"), "transaction"), _AMOUNT, _NOTE),
        claim_deeds.recover_claim,
    ),
    Operation(
        "waiver",
        pgettext_lazy("operation", "Waiver"),
        _component_fields("money", FORGIVABLE),
        deeds.waive,
        matrix=((Decimal(1000), LARGE),),
    ),
    Operation(
        "adjustment",
        pgettext_lazy("operation", "Adjustment"),
        _component_fields("signed", CORRECTED),
        deeds.adjust,
        matrix=((Decimal(1000), LARGE),),
    ),
    Operation("fee", _("Charge a fee"), (_AMOUNT, _NOTE), deeds.charge),
    Operation(
        "internal_transfer",
        _("Internal transfer"),
        (
            Field("way", _("From and to"), "choice", choices=_WAYS),
            _AMOUNT,
            Field("to_loan", _("Number of the other loan"), "text", required=False),
        ),
        deeds.transfer,
    ),
    Operation("refund", _("Refund of credit"), (_AMOUNT, _PAID_BY), deeds.refund),
    Operation("chargeback", _("Chargeback"), (_AMOUNT, _CHARGED_BACK), undoing.charge_back),
    Operation("clearing", _("Loan clearing"), (_AMOUNT, _MEANS), deeds.clear, whole_claim=True),
    Operation("cancel_repayment", _("Cancel a repayment"), (_TARGET,), undoing.cancel_repayment),
    Operation("cancel_disbursement", _("Cancel the disbursement"), (_TARGET,), undoing.cancel_disbursement, whole_claim=True),
    Operation("cancel_change", _("Undo a change"), (_TARGET,), undoing.cancel_change, whole_claim=True),
    Operation("extension", _("Extension"), (_INSTALLMENTS, _NEW_RATE, _SHARES), deeds.extend, whole_claim=True),
    Operation("term_change", _("Change of term"), (_INSTALLMENTS, _NEW_RATE, _SHARES), deeds.change_term, whole_claim=True),
    Operation("rate_reset", _("Change of rate"), (_RATE,), deeds.reset_rate, whole_claim=True),
    Operation("due_day_change", _("Change of due day"), (Field("due_day", _("New due day"), "whole"),), deeds.change_due_day),
    Operation("re_amortise", _("Re-amortisation"), (_NEW_INSTALLMENTS, _SHARES), deeds.re_amortise, whole_claim=True),
    Operation("re_age", _("Re-ageing"), (_NEW_INSTALLMENTS, _SHARES), deeds.re_age, whole_claim=True),
    Operation(
        "interest_pause", _("Interest pause"), (Field("until", _("Interest runs again from"), "date"),), deeds.pause, whole_claim=True
    ),
    Operation(
        "delinquency_pause",
        _("Pause of the days past due"),
        (Field("until", _("Days count again from"), "date"),),
        tranche_deeds.pause_delinquency,
        whole_claim=True,
    ),
    Operation("tranche", _("Further tranche paid out"), (_AMOUNT, _PAID_BY), tranche_deeds.pay_tranche),
    Operation(
        "refinance",
        _("Refinance by a new loan"),
        _NEW_LOAN,
        deeds.refinance,
        whole_claim=True,
    ),
    Operation("termination", _("Early recall"), (_NOTE,), deeds.terminate, whole_claim=True),
    Operation(
        "write_off",
        pgettext_lazy("operation", "Write-off"),
        (Field("fraud", _("Lost by fraud"), "flag", required=False), _NOTE),
        deeds.write_off,
        whole_claim=True,
        matrix=_EVERY_TIME,
    ),
    Operation("recovery", _("Recovery after write-off"), (_AMOUNT, _MEANS, _NOTE), deeds.recover),
    Operation(
        "sale",
        _("Sale to another owner"),
        (Field("owner", _("New owner"), "text"), _PRICE, _SERVICE_RATE, _NOTE),
        owner_deeds.sell,
        whole_claim=True,
        matrix=_EVERY_TIME,
    ),
    Operation("buy_back", _("Buy-back"), (_PRICE, _NOTE), owner_deeds.buy_back, whole_claim=True, matrix=_EVERY_TIME),
    Operation("goodwill", _("Goodwill credit"), (_AMOUNT,), goodwill_deeds.grant, matrix=((Decimal(1000), LARGE),)),
    Operation(
        "merchant_refund",
        _("Refund by a merchant"),
        (_AMOUNT, _MEANS, _PAYER),
        goodwill_deeds.take_merchant_refund,
        matrix=((Decimal(1000), LARGE),),
        beside=goodwill_deeds.interest_given_back,
    ),
    Operation("buy_down", _("Buy-down of interest"), (_AMOUNT, _PAYER, _UNEARNED), goodwill_deeds.buy_down),
    Operation("buy_down_money", _("Money of a buy-down"), (_AMOUNT, _BUY_DOWN_WAY, _MEANS), goodwill_deeds.move_buy_down),
    Operation(
        "capitalised_income", _("Income added to the principal"), (_AMOUNT, _NOTE), goodwill_deeds.capitalise_income, whole_claim=True
    ),
    Operation("branch_transfer", _("Transfer to another branch"), (Field("branch", _("New branch"), "branch"), _NOTE), branch_deeds.move),
    Operation("lease_deposit", _("Deposit of a lease"), (_AMOUNT, _MEANS), lease_deeds.take_deposit),
    Operation("lease_offset", _("Offset of the deposit"), (_AMOUNT,), lease_deeds.offset_deposit),
    Operation("lease_refund", _("Refund of the deposit"), (_AMOUNT, _PAID_BY), lease_deeds.refund_deposit),
    Operation(
        "lease_purchase",
        _("Purchase of the leased car"),
        (_MEANS, Field("registration", _("Registration of the transfer"), "text", required=False)),
        lease_deeds.purchase,
        matrix=_EVERY_TIME,
    ),
    Operation(
        "lease_return",
        _("Return of the leased car"),
        (
            Field("condition", _("Condition of the car"), "text"),
            Field("car_value", _("Value of the car"), "money", required=False),
            Field("damages", _("Damages and excess use"), "money", required=False),
        ),
        lease_deeds.give_back,
        whole_claim=True,
        matrix=_EVERY_TIME,
    ),
    Operation("lease_renewal", _("Renewal of the lease"), _NEW_LOAN, lease_deeds.renew, whole_claim=True),
)
OPERATIONS: Final[dict[str, Operation]] = {operation.name: operation for operation in _TABLE}
VALUE_DATE: Final = Field("value_date", _("Value date"), "date")


def operation_named(name: str) -> Operation:
    """The operation of a name. Raises `OperationUnknown`."""
    try:
        return OPERATIONS[name]
    except KeyError:
        raise OperationUnknown(operation=name) from None


def parsed(operation: Operation, sent: Mapping[str, Any]) -> dict[str, Any]:
    """What was sent, by the operation's fields and the value date; what was left out is missing. Raises `BadInput` naming fields."""
    values: dict[str, Any] = {}
    wrong: dict[str, list[str]] = {}
    fields = (VALUE_DATE, *operation.fields)
    if unknown := set(sent) - {field.name for field in fields}:
        wrong[min(unknown)] = [gettext("This is not asked for here.")]
    for field in fields:
        raw = sent.get(field.name)
        text = "" if raw is None or raw is False else str(raw).strip()
        if not text:
            if field.required:
                wrong[field.name] = [gettext("Please fill this in.")]
            continue
        try:
            values[field.name] = _PARSERS[field.kind](field, text)
        except (ValueError, InvalidOperation):
            wrong[field.name] = [str(_HINTS[field.kind])]
    if wrong:
        raise BadInput(fields=wrong)
    return values


def as_json(values: Mapping[str, Any]) -> dict[str, str]:
    """Parsed values as they are kept in a proposal; `parsed` reads them again."""
    return {name: value.isoformat() if isinstance(value, dt.date) else str(value) for name, value in values.items()}


def _money(_field: Field, text: str) -> Decimal:
    amount = parse_money(text)
    if not amount:
        raise ValueError("an amount is above zero")
    return amount


def _signed(_field: Field, text: str) -> Decimal:
    amount = parse_money(text.removeprefix("-"))
    if not ZERO < amount <= MAX_MONEY:
        raise ValueError("an amount is not zero")
    return -amount if text.startswith("-") else amount


def _whole(_field: Field, text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 4:
        raise ValueError("not a whole number")
    return int(text)


def _percent(_field: Field, text: str) -> Decimal:
    if not _PERCENT.fullmatch(text):
        raise ValueError("not a rate")
    return Decimal(text)


def _choice(field: Field, text: str) -> str:
    if text not in dict(field.choices):
        raise ValueError("not a choice")
    return text


def _text(_field: Field, text: str) -> str:
    if len(text) > _LONGEST_TEXT:
        raise ValueError("too long")
    return text


def _shares(_field: Field, text: str) -> str:
    shares = [Decimal(share) for share in _BETWEEN_SHARES.split(text)]
    if len(shares) > MAX_INSTALLMENTS or not all(ZERO <= share <= 1 for share in shares) or sum(shares) != 1:
        raise ValueError("shares add up to one")
    return ",".join(str(share) for share in shares)


_PARSERS: Final = {
    "money": _money,
    "signed": _signed,
    "date": lambda _field, text: dt.date.fromisoformat(text),
    "whole": _whole,
    "percent": _percent,
    "choice": _choice,
    "transaction": lambda _field, text: UUID(text),
    "branch": _text,
    "text": _text,
    "shares": _shares,
    "flag": lambda _field, text: "yes" if text.lower() in ("yes", "on", "true", "1") else "",
}
_HINTS: Final = {
    "money": _("Enter an amount in yuan above zero, such as 1234.50."),
    "signed": _("Enter an amount in yuan, such as 12.50 or -12.50."),
    "date": _("Enter a day, such as 2025-01-31."),
    "whole": _("Enter a whole number."),
    "percent": _("Enter a rate in percent, such as 10.8."),
    "choice": _("Choose one of the list."),
    "transaction": _("Choose a transaction of this loan."),
    "branch": _("Choose a branch of the loan's legal entity."),
    "text": _("At most 200 characters."),
    "shares": _("Enter one share for each instalment still to come; together they are 1, such as 0.5, 0.3, 0.2."),
    "flag": _("Choose yes or no."),
}
