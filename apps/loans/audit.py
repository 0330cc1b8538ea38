"""Checks that `audit_books` runs on loans: projection = replay, booked = what belongs in the books, sub-ledger = general ledger."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import connection

from apps.common.money import ZERO
from apps.ledger import selectors as ledger
from apps.ledger.domain import Check
from apps.loans.domain.errors import BadTerms
from apps.loans.models import LIVE, Instalment, Loan, LoanAmount, LoanBalance, LoanTransaction
from apps.loans.services.projection import Policy, Projection, policy_on, project, row_values

_CHUNK: Final = 500
_MONEY_IN: Final = ("repayment", "prepayment", "early_settlement")

# Account → what the loans' own running totals say it holds: (sign, event, components) of the lender's share.
_SUB_LEDGER: Final[dict[str, tuple[str, tuple[tuple[int, str, tuple[str, ...]], ...]]]] = {
    "1303": (
        "principal",
        (
            (1, "disbursement", ("principal",)),
            (1, "adjustment", ("principal",)),
            (-1, "repayment", ("principal",)),
            (-1, "write_off", ("principal",)),
            (1, "recovery", ("principal",)),
        ),
    ),
    "130302": ("overdue principal", ((1, "reclassification", ("overdue",)),)),
    "130303": ("non-accrual principal", ((1, "reclassification", ("non_accrual",)),)),
    "113201": (
        "accrued interest",
        (
            (1, "accrual", ("interest", "interest_vat")),
            (-1, "repayment", ("interest",)),
            (-1, "waiver", ("interest", "interest_vat")),
        ),
    ),
    "113202": (
        "penalty",
        ((1, "penalty", ("penalty", "penalty_vat")), (-1, "repayment", ("penalty",)), (-1, "waiver", ("penalty", "penalty_vat"))),
    ),
    "113203": (
        "compound interest",
        ((1, "penalty", ("compound", "compound_vat")), (-1, "repayment", ("compound",)), (-1, "waiver", ("compound", "compound_vat"))),
    ),
    "122101": (
        "fees",
        (
            (1, "fee", ("fee", "fee_vat")),
            (-1, "repayment", ("fee",)),
            (-1, "waiver", ("fee", "fee_vat")),
            (-1, "write_off", ("fee",)),
            (1, "recovery", ("fee",)),
        ),
    ),
    "1304": (
        "loss provision",
        ((1, "provision", ("principal",)), (-1, "write_off", ("principal", "fee")), (1, "recovery", ("principal", "fee"))),
    ),
    "224102": ("customers' credit", ((1, "repayment", ("credit",)), (-1, "refund", ("credit",)))),
    "601101": ("interest income", ((1, "accrual", ("interest",)), (-1, "waiver", ("interest",)))),
    "601102": ("penalty income", ((1, "penalty", ("penalty",)), (-1, "waiver", ("penalty",)))),
    "601103": ("compound interest income", ((1, "penalty", ("compound",)), (-1, "waiver", ("compound",)))),
    "6021": ("fee income", ((1, "fee", ("fee",)), (-1, "waiver", ("fee",)))),
    "222101": (
        "output tax",
        (
            (1, "accrual", ("interest_vat",)),
            (1, "penalty", ("penalty_vat", "compound_vat")),
            (1, "fee", ("fee_vat",)),
            (-1, "waiver", ("interest_vat", "penalty_vat", "compound_vat", "fee_vat")),
        ),
    ),
    "6702": ("provision expense", ((1, "provision", ("principal",)), (-1, "adjustment", ("principal",)))),
    "9002": ("interest off balance", ((1, "non_accrual", ("interest", "penalty", "compound")),)),
    "9003": ("claims written off", ((1, "write_off", ("principal", "fee")), (-1, "recovery", ("principal", "fee")))),
}


def checks(legal_entity_id: UUID) -> list[Check]:
    """Every check of a legal entity's loans."""
    found = [
        *_sub_ledger_is_general_ledger(legal_entity_id),
        _principal_adds_up(legal_entity_id),
        _everything_is_booked(legal_entity_id),
        _accrued_through_the_last_close(legal_entity_id),
    ]
    return found + _projections_are_replays(legal_entity_id)


def _query(sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments)
        return cursor.fetchall()


def _sub_ledger_is_general_ledger(entity: UUID) -> Iterator[Check]:
    rows = _query(
        """SELECT a.event, a.component, a.party_ref <> '', sum(a.booked)
             FROM loans_loanamount a JOIN loans_loan l ON l.id = a.loan_id
            WHERE l.legal_entity_id = %s GROUP BY 1, 2, 3""",
        entity,
    )
    booked = {(event, component, is_partner): amount for event, component, is_partner, amount in rows}
    for code, (name, parts) in _SUB_LEDGER.items():
        sub = sum((sign * booked.get((event, part, False), ZERO) for sign, event, names in parts for part in names), start=ZERO)
        yield _compare(f"sub-ledger = general ledger: {name}", code, sub, ledger.balance(code, entity))
    partner = booked.get(("disbursement", "principal", True), ZERO) - booked.get(("repayment", "principal", True), ZERO)
    yield _compare("sub-ledger = general ledger: partners' principal", "9004", partner, ledger.balance("9004", entity))
    # Funders' own money stands on 224101, too: only what loans have posted there is compared.
    collected = sum((amount for (event, _c, is_partner), amount in booked.items() if is_partner and event == "repayment"), start=ZERO)
    owed = collected - booked.get(("disbursement", "principal", True), ZERO)
    general = ledger.moved_by("224101", entity, ["disbursement", "repayment"])
    yield _compare("sub-ledger = general ledger: partners' money", "224101", owed, general)
    earned = sum((amount for (event, _c, is_partner), amount in booked.items() if is_partner and event in _EARNING), start=ZERO)
    paid = sum((amount for (event, part, p), amount in booked.items() if p and event == "repayment" and part != "principal"), start=ZERO)
    yield _compare("sub-ledger = general ledger: partners' interest", "9005", earned - paid, ledger.balance("9005", entity))


_EARNING: Final = ("accrual", "penalty", "fee")


def _compare(name: str, code: str, sub: Decimal, general: Decimal) -> Check:
    difference = sub - general
    offender = f"account {code}: loans {sub}, books {general}, difference {difference}" if difference else ""
    return Check(name, not difference, {"account": code, "loans": str(sub), "books": str(general)}, offender)


def _principal_adds_up(entity: UUID) -> Check:
    rows = _query(
        """SELECT l.number, coalesce(sum(a.booked) FILTER (WHERE a.event = 'disbursement'), 0),
                  coalesce(sum(a.booked) FILTER (WHERE a.event = 'repayment'), 0), b.principal
             FROM loans_loan l JOIN loans_loanbalance b ON b.loan_id = l.id
             LEFT JOIN loans_loanamount a ON a.loan_id = l.id AND a.component = 'principal' AND a.event IN ('disbursement', 'repayment')
            WHERE l.legal_entity_id = %s GROUP BY l.id, b.loan_id ORDER BY l.number""",
        entity,
    )
    wrong = [row for row in rows if row[1] != row[2] + row[3]]
    sums = [sum((row[index] for row in rows), start=ZERO) for index in (1, 2, 3)]
    first = "loan {}: disbursed {}, repaid {}, outstanding {}".format(*wrong[0]) if wrong else ""
    figures = {"disbursed": str(sums[0]), "repaid": str(sums[1]), "outstanding": str(sums[2]), "loans": len(rows)}
    return Check("principal repaid + outstanding = disbursed", not wrong, figures, first)


def _everything_is_booked(entity: UUID) -> Check:
    rows = _query(
        """SELECT l.number, a.event, a.component, a.target, a.booked
             FROM loans_loanamount a JOIN loans_loan l ON l.id = a.loan_id
            WHERE l.legal_entity_id = %s AND a.target <> a.booked ORDER BY l.number, a.id""",
        entity,
    )
    first = "loan {} {} {}: {} belongs in the books, {} is".format(*rows[0]) if rows else ""
    return Check("what belongs in the books is in them", not rows, {"missing": len(rows)}, first)


def _accrued_through_the_last_close(entity: UUID) -> Check:
    closed = ledger.closed_through(entity)
    name = "books closed on D hold accrual to D + 1"
    if closed is None:
        return Check(name, True, {"closed_through": ""})
    behind = LoanBalance.objects.filter(loan__legal_entity_id=entity, loan__state__in=LIVE, as_of__lte=closed).order_by("loan__number")
    row = behind.values_list("loan__number", "as_of").first()
    first = f"loan {row[0]} stands on {row[1]}, the books are closed through {closed}" if row else ""
    accrued_to = closed + dt.timedelta(days=1)
    return Check(name, row is None, {"accrued_to": str(accrued_to), "loans_behind": behind.count()}, first)


def _projections_are_replays(entity: UUID) -> list[Check]:
    """Replays every loan and compares all that is stored of it."""
    wrong: dict[str, list[str]] = {"balance": [], "instalments": [], "booked": [], "state": [], "money": []}
    total = 0
    policies: dict[dt.date, Policy] = {}
    for loan, balance, transactions, amounts, instalments in _files(entity):
        total += 1
        if balance.as_of not in policies:
            policies[balance.as_of] = policy_on(entity, balance.as_of)
        try:
            projection = project(loan, transactions, balance.as_of, policies[balance.as_of], balance)
        except (BadTerms, ArithmeticError) as problem:
            wrong["state"].append(f"loan {loan.number}: {problem}")
            continue
        _compare_one(projection, balance, amounts, instalments, wrong)
        received = sum((row.amount or ZERO for row in _standing(transactions)), start=ZERO)
        booked = sum((amount for key, amount in amounts.items() if key[0] == "repayment"), start=ZERO)
        if received != booked:
            wrong["money"].append(f"loan {loan.number}: received {received}, booked {booked}")
    names = {
        "balance": "balances = replay",
        "instalments": "instalments = replay",
        "booked": "booked amounts = replayed amounts",
        "state": "state = replay",
        "money": "money received = money booked",
    }
    return [Check(names[key], not found, {"loans": total, "wrong": len(found)}, found[0] if found else "") for key, found in wrong.items()]


def _standing(transactions: list[LoanTransaction]) -> Iterator[LoanTransaction]:
    reversed_ids = {row.reverses_id for row in transactions}
    return (row for row in transactions if row.kind in _MONEY_IN and row.id not in reversed_ids)


def _compare_one(
    projection: Projection,
    balance: LoanBalance,
    amounts: dict[tuple[str, str, str], Decimal],
    instalments: list[Instalment],
    wrong: dict[str, list[str]],
) -> None:
    loan = projection.loan
    for field in LoanBalance._meta.concrete_fields:
        stored, replayed = getattr(balance, field.attname), getattr(projection.balance, field.attname)
        if stored != replayed:
            wrong["balance"].append(f"loan {loan.number} {field.name}: stored {stored}, replayed {replayed}")
            break
    for key in sorted({*amounts, *projection.targets}):
        stored, replayed = amounts.get(key, ZERO), projection.targets.get(key, ZERO)
        if stored != replayed:
            wrong["booked"].append(f"loan {loan.number} {'.'.join(key[:2])}: booked {stored}, replayed {replayed}")
            break
    rows = row_values(projection.state)
    for stored_row, wanted in zip(instalments, rows, strict=False):
        name = next((name for name, value in wanted.items() if getattr(stored_row, name) != value), None)
        if name:
            wrong["instalments"].append(
                f"loan {loan.number} no. {wanted['no']} {name}: stored {getattr(stored_row, name)}, replayed {wanted[name]}"
            )
            break
    if len(instalments) != len(rows):
        wrong["instalments"].append(f"loan {loan.number}: stored {len(instalments)} rows, replayed {len(rows)}")
    if loan.state != projection.state.status.value:
        wrong["state"].append(f"loan {loan.number}: stored {loan.state}, replayed {projection.state.status.value}")


def _files(
    entity: UUID,
) -> Iterator[tuple[Loan, LoanBalance, list[LoanTransaction], dict[tuple[str, str, str], Decimal], list[Instalment]]]:
    """Every loan with all that is stored of it, a bounded number at a time."""
    ids = list(Loan.objects.filter(legal_entity_id=entity).order_by("number").values_list("id", flat=True))
    for start in range(0, len(ids), _CHUNK):
        loans = list(Loan.objects.filter(id__in=ids[start : start + _CHUNK]).order_by("number"))
        balances = {row.loan_id: row for row in LoanBalance.objects.filter(loan__in=loans)}
        transactions: dict[UUID, list[LoanTransaction]] = defaultdict(list)
        for transaction in LoanTransaction.objects.filter(loan__in=loans).order_by("value_date", "id"):
            transactions[transaction.loan_id].append(transaction)
        amounts: dict[UUID, dict[tuple[str, str, str], Decimal]] = defaultdict(dict)
        for amount in LoanAmount.objects.filter(loan__in=loans).exclude(booked=0):
            amounts[amount.loan_id][amount.event, amount.component, amount.party_ref] = amount.booked
        instalments: dict[UUID, list[Instalment]] = defaultdict(list)
        for instalment in Instalment.objects.filter(loan__in=loans).order_by("no"):
            instalments[instalment.loan_id].append(instalment)
        for loan in loans:
            yield loan, balances[loan.id], transactions[loan.id], amounts[loan.id], instalments[loan.id]
