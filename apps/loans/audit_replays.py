"""The part of the audit that replays every loan and compares all that is stored of it with what the replay says."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from apps.common.money import ZERO
from apps.ledger.domain import Check
from apps.loans.domain.errors import BadTerms
from apps.loans.models import Instalment, Loan, LoanAmount, LoanBalance, LoanRun, LoanTransaction
from apps.loans.services.projection import Policy, Projection, policy_on, project, row_values
from apps.loans.services.sums import summed_of
from apps.loans.services.targets import MONEY_IN, Key

_CHUNK: Final = 500
_CHECKS: Final = {
    "balance": "balances = replay",
    "instalments": "instalments = replay",
    "run": "what runs by itself = replay",
    "booked": "booked amounts = replayed amounts",
    "state": "state = replay",
    "money": "money received = money booked",
}
# Where a run was written down, and how soon it is looked at again, may differ from a fresh one: earlier is never wrong.
_RUN_FIELDS: Final = [item.attname for item in LoanRun._meta.concrete_fields if item.name not in ("as_of", "accrued", "next_event_on")]


@dataclass(slots=True)
class _Stored:
    """All that is stored of one loan; `booked` holds on `booked_on`, sums of the end of day included."""

    loan: Loan
    balance: LoanBalance
    run: LoanRun | None
    booked_on: dt.date
    booked: dict[Key, Decimal]
    instalments: list[Instalment] = field(default_factory=list)
    transactions: list[LoanTransaction] = field(default_factory=list)


def projections_are_replays(entity: UUID) -> list[Check]:
    """Every loan of an entity replayed: one check for each kind of row, naming the first loan that differs."""
    wrong: dict[str, list[str]] = {name: [] for name in _CHECKS}
    policies: dict[dt.date, Policy] = {}
    total = 0

    def on(stored: _Stored, day: dt.date) -> Projection:
        if day not in policies:
            policies[day] = policy_on(entity, day)
        return project(stored.loan, stored.transactions, day, policies[day], is_marked=stored.balance.is_marked)

    for stored in _files(entity):
        total += 1
        try:
            projection = on(stored, stored.balance.as_of)
            later = projection if stored.booked_on == stored.balance.as_of else on(stored, stored.booked_on)
        except (BadTerms, ArithmeticError) as problem:
            wrong["state"].append(f"loan {stored.loan.number}: {problem}")
            continue
        for name, difference in _differences(stored, projection, later):
            wrong[name].append(f"loan {stored.loan.number}{difference}")
    return [
        Check(_CHECKS[name], not found, {"loans": total, "wrong": len(found)}, found[0] if found else "") for name, found in wrong.items()
    ]


def _differences(stored: _Stored, projection: Projection, later: Projection) -> Iterator[tuple[str, str]]:
    """The first difference of each kind."""
    names = [item.attname for item in LoanBalance._meta.concrete_fields]
    if difference := _first_difference(stored.balance, {name: getattr(projection.balance, name) for name in names}):
        yield "balance", difference
    if (stored.run is None) != (projection.run is None):
        yield "run", ": stands among the running loans wrongly" if stored.run else ": is missing among the running loans"
    elif stored.run is not None and projection.run is not None:
        wanted = {name: getattr(projection.run, name) for name in _RUN_FIELDS}
        replayed = projection.run.next_event_on
        if replayed is not None and (stored.run.next_event_on is None or stored.run.next_event_on > replayed):
            wanted["next_event_on"] = replayed
        if difference := _first_difference(stored.run, wanted):
            yield "run", difference
    for key in sorted({*stored.booked, *later.targets}):
        booked, replayed_amount = stored.booked.get(key, ZERO), later.targets.get(key, ZERO)
        if booked != replayed_amount:
            yield "booked", f" {'.'.join(key[:2])}: booked {booked}, replayed {replayed_amount}"
            break
    rows = row_values(projection.state)
    for row, values in zip(stored.instalments, rows, strict=False):
        if difference := _first_difference(row, values):
            yield "instalments", f" no. {values['no']}{difference}"
            break
    if len(stored.instalments) != len(rows):
        yield "instalments", f": stored {len(stored.instalments)} rows, replayed {len(rows)}"
    if stored.loan.state != projection.state.status.value:
        yield "state", f": stored {stored.loan.state}, replayed {projection.state.status.value}"
    received = _received(stored.transactions) + later.state.capitalised - _received_elsewhere(stored.loan)
    in_books = sum((amount for key, amount in stored.booked.items() if key[0] == "repayment"), start=ZERO)
    if received != in_books:
        yield "money", f": received {received}, booked {in_books}"


def _first_difference(row: Any, wanted: dict[str, Any]) -> str:
    for name, value in wanted.items():
        if getattr(row, name) != value:
            return f" {name}: stored {getattr(row, name)}, replayed {value}"
    return ""


def _received(transactions: list[LoanTransaction]) -> Decimal:
    """Money that came and was not taken back by its channel."""
    reversed_ids = {row.reverses_id for row in transactions if row.kind == "reversal"}
    standing = [row for row in transactions if row.id not in reversed_ids]
    came = sum((row.amount or ZERO for row in standing if row.kind in MONEY_IN), start=ZERO)
    return came - sum((row.amount or ZERO for row in standing if row.kind == "chargeback"), start=ZERO)


def _received_elsewhere(loan: Loan) -> Decimal:
    """Money of a loan taken over that the former system had booked; a loan that never was has none."""
    opening = {} if loan.state == Loan.State.CANCELLED else loan.opening_amounts
    return sum((amount for key, amount in opening.items() if key[0] == "repayment"), start=ZERO)


def _files(entity: UUID) -> Iterator[_Stored]:
    """Every loan with all that is stored of it, a bounded number at a time."""
    ids = list(Loan.objects.filter(legal_entity_id=entity).order_by("number").values_list("id", flat=True))
    for start in range(0, len(ids), _CHUNK):
        loans = list(Loan.objects.filter(id__in=ids[start : start + _CHUNK]).order_by("number"))
        balances = {row.loan_id: row for row in LoanBalance.objects.filter(loan__in=loans)}
        runs = {row.loan_id: row for row in LoanRun.objects.filter(loan__in=loans)}
        summed = summed_of(entity, [loan.id for loan in loans])
        transactions: dict[UUID, list[LoanTransaction]] = defaultdict(list)
        for transaction in LoanTransaction.objects.filter(loan__in=loans).order_by("value_date", "id"):
            transactions[transaction.loan_id].append(transaction)
        amounts: dict[UUID, dict[Key, Decimal]] = defaultdict(dict)
        for amount in LoanAmount.objects.filter(loan__in=loans).exclude(booked=0):
            amounts[amount.loan_id][amount.event, amount.component, amount.party_ref] = amount.booked
        instalments: dict[UUID, list[Instalment]] = defaultdict(list)
        for instalment in Instalment.objects.filter(loan__in=loans).order_by("no"):
            instalments[instalment.loan_id].append(instalment)
        for loan in loans:
            since, booked, balance, run = summed.get(loan.id), amounts[loan.id], balances[loan.id], runs.get(loan.id)
            booked_on = max(balance.as_of, run.as_of) if run else balance.as_of
            if since is not None:
                booked_on = max(booked_on, since.to)
                for key, moved in since.amounts.items():
                    booked[key] = booked.get(key, ZERO) + moved
            yield _Stored(loan, balance, run, booked_on, booked, instalments[loan.id], transactions[loan.id])
