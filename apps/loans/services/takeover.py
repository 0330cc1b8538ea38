"""Running loans of another system taken over from a spreadsheet with their balances: all lines or none, and reconciled.

Rules and a worked example: docs/rules/take-over.md.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext as _

from apps.common.actors import Actor
from apps.common.models import new_id
from apps.common.money import ZERO, parse_money
from apps.common.numbers import next_number
from apps.common.outbox import publish
from apps.loans import events
from apps.loans.bridge import terms_to_json
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.floating import next_reset
from apps.loans.domain.parsing import parse_date, parse_further_terms, parse_terms
from apps.loans.domain.terms import Component, LoanTerms
from apps.loans.models import Loan, LoanTransaction, TakenOverLoan
from apps.loans.services.projection import Policy, Projection, policy_on, project
from apps.loans.services.servicing import LoanFile
from apps.loans.services.sheet import Line, SheetRefused, place, read_lines
from apps.loans.services.targets import OWN_REF, Key, opening_of
from apps.organisations.selectors import parameter
from apps.organisations.services import hold_business_date

Kind = LoanTransaction.Kind

BALANCES: Final = ("principal", "interest", "penalty", "compound", "fee", "credit")
_TERMS: Final = ("principal", "annual_rate", "installments", "method", "day_count", "start", "first_due")
_MORE_TERMS: Final = (
    "due_day",
    "frequency",
    "every",
    "balloon",
    "penalty_uplift",
    "rate_cap",
    "grace_days",
    "compound",
    "prepay_fee_rate",
    "funders",
)
REQUIRED: Final = ("external_number", "borrower_ref", *_TERMS, "principal_balance", "interest_balance")
OPTIONAL: Final = (
    *("product_code", *_MORE_TERMS, "terms", "paid", "paid_on"),
    *(f"{name}_balance" for name in BALANCES[2:]),
)
_DAYS: Final = ("start", "first_due", "paid_on")
_FLAGS: Final = {"true": True, "false": False, "1": True, "0": False}
_LATE: Final = ("penalty", "compound")


@dataclass(frozen=True, slots=True)
class TakeOverRow:
    """A line of the file: the plan of what is left from `start` on, up to which day all was paid, money paid since, and the balances."""

    no: int
    digest: str
    external_number: str
    borrower_ref: UUID
    product_code: str
    terms: LoanTerms
    paid: Decimal
    paid_on: dt.date | None
    balances: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class TakenOver:
    """One line of the report; `interest_difference` is what the file's interest exceeds the plan's by, in yuan."""

    external_number: str
    number: str
    is_new: bool
    interest_difference: Decimal


@dataclass(frozen=True, slots=True)
class Reconciled:
    """A component over all lines: the file's sum, what came into the books, what stands off balance; `control` where one was given."""

    file: Decimal
    books: Decimal
    off_balance: Decimal
    control: Decimal | None

    @property
    def difference(self) -> Decimal:
        """Nought when every yuan of the file is in the books."""
        return self.file - self.books - self.off_balance


@dataclass(frozen=True, slots=True)
class TakeOverReport:
    """What a file brought, or would bring."""

    taken_over_on: dt.date
    lines: int
    new: int
    preview: bool
    totals: dict[str, Reconciled]
    loans: tuple[TakenOver, ...]


@dataclass(slots=True)
class _Run:
    """What all lines of one file share."""

    legal_entity_id: UUID
    file_name: str
    tolerance: Decimal
    actor: Actor
    now: dt.datetime
    today: dt.date
    policy: Policy
    interest_vat_rate: Decimal
    fee_vat_rate: Decimal
    problems: dict[str, list[str]] = field(default_factory=dict)

    def refuse(self, no: int, column: str, why: str) -> None:
        self.problems.setdefault(place(no, column), []).append(why)


@transaction.atomic
def take_over_loans(
    *,
    legal_entity_id: UUID,
    file_name: str,
    content: bytes,
    actor: Actor,
    now: dt.datetime,
    control: Mapping[str, Decimal] | None = None,
    tolerance: Decimal = ZERO,
    preview: bool = False,
) -> TakeOverReport:
    """Take over the loans of a CSV or XLSX file as they stand when the open business day begins; with `preview` nothing is kept.

    `control` are the totals the file should have, by `lines` and component; `tolerance` is how much a loan's interest may differ from
    its plan's, in yuan. A line taken over before changes nothing. Raises `SheetRefused`, which names every line and column.
    """
    actor.require("loans.open")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"take_over/{legal_entity_id}"])
    today = hold_business_date(legal_entity_id)
    run = _Run(
        legal_entity_id=legal_entity_id,
        file_name=file_name[:200],
        tolerance=tolerance,
        actor=actor,
        now=now,
        today=today,
        policy=policy_on(legal_entity_id, today),
        interest_vat_rate=parameter("vat.loan_interest", on=today, legal_entity_id=legal_entity_id),
        fee_vat_rate=parameter("vat.fees", on=today, legal_entity_id=legal_entity_id),
    )
    rows = _rows(run, read_lines(content, required=REQUIRED, optional=OPTIONAL, days=_DAYS))
    _check_control(rows, control or {})
    numbers = [row.external_number for row in rows]
    standing = {
        item.external_number: item
        for item in TakenOverLoan.objects.filter(legal_entity_id=legal_entity_id, external_number__in=numbers).select_related("loan")
    }
    known = set(standing)
    for row in rows:
        if row.external_number not in known:
            if (made := _take_over(run, row)) is not None:
                standing[row.external_number] = made
        elif standing[row.external_number].digest != row.digest:
            run.refuse(row.no, "external_number", _("was taken over with other contents."))
    if run.problems:
        raise SheetRefused(fields=run.problems)
    report = _report(run, rows, standing, known, control or {}, preview)
    if preview:
        transaction.set_rollback(True)
    return report


def _rows(run: _Run, lines: Sequence[Line]) -> list[TakeOverRow]:
    """The lines as rows. Raises `SheetRefused` for all that is wrong with them."""
    rows, seen = [], set()
    for line in lines:
        if line.cells["external_number"] in seen:
            run.refuse(line.no, "external_number", _("is there twice."))
        seen.add(line.cells["external_number"])
        try:
            rows.append(_row(line, run.today))
        except BadTerms as wrong:
            run.refuse(line.no, wrong.field, wrong.why(_))
    if run.problems:
        raise SheetRefused(fields=run.problems)
    return rows


def _row(line: Line, today: dt.date) -> TakeOverRow:
    cells = line.cells
    terms = _terms(cells)
    if terms.start >= today:
        raise BadTerms("start", _("must be before the day of the take-over, %(day)s.") % {"day": today})
    paid = _money("paid", cells.get("paid", "0"))
    paid_on = parse_date("paid_on", cells["paid_on"]) if "paid_on" in cells else None
    if bool(paid) != (paid_on is not None):
        raise BadTerms("paid_on", _("goes with an amount paid, and an amount paid with its day."))
    if paid_on is not None and not terms.start <= paid_on <= today:
        raise BadTerms("paid_on", _("must lie between start and the day of the take-over."))
    try:
        borrower_ref = UUID(cells["borrower_ref"])
    except ValueError:
        raise BadTerms("borrower_ref", _("is no customer's id.")) from None
    for name, most in (("external_number", 64), ("product_code", 32)):
        if len(cells.get(name, "")) > most:
            raise BadTerms(name, _("has more than %(most)s characters.") % {"most": most})
    text = "\n".join(f"{name}={value}" for name, value in sorted(cells.items()))
    return TakeOverRow(
        no=line.no,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        external_number=cells["external_number"],
        borrower_ref=borrower_ref,
        product_code=cells.get("product_code", ""),
        terms=terms,
        paid=paid,
        paid_on=paid_on,
        balances={name: _money(f"{name}_balance", cells.get(f"{name}_balance", "0")) for name in BALANCES},
    )


def _terms(cells: Mapping[str, str]) -> LoanTerms:
    values: dict[str, Any] = {name: cells[name] for name in (*_TERMS, *_MORE_TERMS) if name in cells}
    if "compound" in values:
        if values["compound"].lower() not in _FLAGS:
            raise BadTerms("compound", _("is either true or false."))
        values["compound"] = _FLAGS[values["compound"].lower()]
    if "funders" in values:
        values["funders"] = [_funder(item) for item in values["funders"].split(";")]
    if "terms" in cells:
        values |= _further(cells["terms"])
    return parse_terms(values)


def _further(text: str) -> dict[str, Any]:
    """Further terms as JSON, by the keys of a replay; those that have a column of their own are refused."""
    try:
        terms = json.loads(text)
        parse_further_terms(terms)
    except ValueError as wrong:
        if isinstance(wrong, BadTerms):
            raise BadTerms("terms", wrong.told(_)) from None
        raise BadTerms("terms", _("is no JSON.")) from None
    if twice := set(terms) & set(_MORE_TERMS):
        raise BadTerms("terms", _("%(name)s has a column of its own.") % {"name": min(twice)})
    return dict(terms)


def _funder(text: str) -> dict[str, str]:
    party_ref, colon, parts = text.strip().rpartition(":")
    if not colon:
        raise BadTerms("funders", _("is written as own:3000;bank-a:7000, parts per 10,000."))
    return {"party_ref": party_ref, "parts": parts}


def _money(column: str, text: str) -> Decimal:
    try:
        amount = parse_money(text)
    except ValueError as error:
        raise BadTerms(column, str(error)) from None
    if amount < ZERO:
        raise BadTerms(column, _("must not be negative."))
    return amount


def _check_control(rows: Sequence[TakeOverRow], control: Mapping[str, Decimal]) -> None:
    """Raises `SheetRefused` when the file does not add up to what its sender says."""
    found = {name: sum((row.balances[name] for row in rows), start=ZERO) for name in BALANCES} | {"lines": Decimal(len(rows))}
    problems = {}
    for name, wanted in control.items():
        if name not in found:
            problems[name] = [_("is no total of this file; known are: %(names)s.") % {"names": ", ".join(found)}]
        elif found[name] != wanted:
            problems[name] = [
                _("the control total is %(wanted)s, the file adds up to %(found)s.") % {"wanted": wanted, "found": found[name]}
            ]
    if problems:
        raise SheetRefused(fields=problems)


def _take_over(run: _Run, row: TakeOverRow) -> TakenOverLoan | None:
    """Open the loan of a line and book its balances; None when they do not fit, which is noted with the run."""
    loan = _loan(run, row)
    paid_out = _transaction(run, row, loan, Kind.DISBURSEMENT, row.terms.start, row.terms.principal)
    history = [paid_out]
    if row.paid and row.paid_on:
        history.append(_transaction(run, row, loan, Kind.REPAYMENT, row.paid_on, row.paid))
    if row.balances["fee"]:
        history.append(_transaction(run, row, loan, Kind.FEE, run.today, row.balances["fee"]))
    try:
        projection = project(loan, history, run.today, run.policy)
        found = _balances(projection)
        if corrected := {name: row.balances[name] - found[name] for name in _LATE if row.balances[name] != found[name]}:
            components = {name: f"{amount:.2f}" for name, amount in corrected.items()}
            history.append(_transaction(run, row, loan, Kind.ADJUSTMENT, run.today, None, components=components))
            projection = project(loan, history, run.today, run.policy)
            found = _balances(projection)
    except BadTerms as wrong:
        run.refuse(row.no, wrong.field, wrong.why(_))
        return None
    if not _fits(run, row, projection, found):
        return None
    opening = opening_of(projection.targets)
    if not projection.balance.is_non_accrual:
        key: Key = ("accrual", "interest", OWN_REF)
        opening[key] = opening.get(key, ZERO) + row.balances["interest"] - found["interest"]
    loan.opening = [[*key, f"{amount:.2f}"] for key, amount in opening.items() if amount]
    loan.save(force_insert=True)
    for item in history[1:]:
        item.business_date = run.today
        item.save(force_insert=True)
    file = LoanFile(loan=loan, actor=run.actor, now=run.now, today=run.today, transactions=history[1:])
    file.record(paid_out, narrative=_("Loan %(number)s taken over") % {"number": loan.number})
    return _noted(run, row, loan, file.booked, row.balances["interest"] - found["interest"])


def _loan(run: _Run, row: TakeOverRow) -> Loan:
    return Loan(
        number=next_number("LN", run.today),
        legal_entity_id=run.legal_entity_id,
        borrower_ref=row.borrower_ref,
        application_ref=new_id(),  # no application of ours stands behind it
        product_code=row.product_code,
        terms=terms_to_json(row.terms),
        principal=row.terms.principal,
        opened_on=row.terms.start,
        reprices_on=next_reset(row.terms.floating, row.terms.start, run.today) if row.terms.floating else None,
        interest_vat_rate=run.interest_vat_rate,
        fee_vat_rate=run.fee_vat_rate,
        created_at=run.now,
    )


def _transaction(
    run: _Run, row: TakeOverRow, loan: Loan, kind: LoanTransaction.Kind, value_date: dt.date, amount: Decimal | None, **params: Any
) -> LoanTransaction:
    return LoanTransaction(
        loan=loan,
        kind=kind,
        amount=amount,
        value_date=value_date,
        reference=f"take-over/{kind}",
        params=params,
        reason=_("Taken over: contract %(number)s") % {"number": row.external_number},
        actor=str(run.actor)[:80],
        created_at=run.now,
    )


def _balances(projection: Projection) -> dict[str, Decimal]:
    outstanding, state = projection.state.outstanding, projection.state
    found = {component.value: outstanding[component] for component in Component}
    return found | {"interest": found["interest"] + state.accrued_interest, "credit": state.credit}


def _fits(run: _Run, row: TakeOverRow, projection: Projection, found: Mapping[str, Decimal]) -> bool:
    """Whether plan and payments lead to the balances of the file."""
    before = len(run.problems)
    if projection.state.status.value not in ("active", "overdue"):
        run.refuse(row.no, "principal_balance", _("nothing is left to be paid."))
    for name in BALANCES:
        limit = run.tolerance if name == "interest" else ZERO
        if abs(row.balances[name] - found[name]) > limit:
            why = _("the file says %(file)s, its plan and payments leave %(found)s.")
            run.refuse(row.no, f"{name}_balance", why % {"file": row.balances[name], "found": found[name]})
    return len(run.problems) == before


def _noted(run: _Run, row: TakeOverRow, loan: Loan, booked: Mapping[Key, Decimal], interest_difference: Decimal) -> TakenOverLoan:
    brought = dict.fromkeys((*BALANCES, *(f"{name}_off_balance" for name in ("interest", *_LATE)), "provision"), ZERO)
    brought["interest_difference"] = interest_difference
    for (event, component, _party), amount in booked.items():
        if event == "take_over":
            brought[component] += amount
        elif event == "non_accrual":
            brought[f"{component}_off_balance"] += amount
    made: TakenOverLoan = TakenOverLoan.objects.create(
        legal_entity_id=run.legal_entity_id,
        loan=loan,
        external_number=row.external_number,
        taken_over_on=run.today,
        file_name=run.file_name,
        line_no=row.no,
        digest=row.digest,
        balances={name: f"{amount:.2f}" for name, amount in row.balances.items()},
        booked={name: f"{amount:.2f}" for name, amount in brought.items()},
        actor=str(run.actor)[:80],
        created_at=run.now,
    )
    publish(
        events.LoanTakenOver(
            loan_id=loan.id,
            number=loan.number,
            legal_entity_id=run.legal_entity_id,
            borrower_ref=row.borrower_ref,
            external_number=row.external_number,
            taken_over_on=run.today,
        )
    )
    return made


def _report(
    run: _Run,
    rows: Sequence[TakeOverRow],
    standing: Mapping[str, TakenOverLoan],
    known: set[str],
    control: Mapping[str, Decimal],
    preview: bool,
) -> TakeOverReport:
    taken = [standing[row.external_number] for row in rows]
    off_balance = {name: _sum(taken, f"{name}_off_balance") for name in BALANCES}
    totals = {
        name: Reconciled(
            file=sum((row.balances[name] for row in rows), start=ZERO),
            books=_sum(taken, name),
            off_balance=off_balance[name],
            control=control.get(name),
        )
        for name in BALANCES
    }
    loans = []
    for item in taken:
        differs = Decimal(item.booked["interest_difference"])
        loans.append(TakenOver(item.external_number, item.loan.number, item.external_number not in known, differs))
    return TakeOverReport(
        taken_over_on=run.today, lines=len(rows), new=len(rows) - len(known), preview=preview, totals=totals, loans=tuple(loans)
    )


def _sum(taken: Sequence[TakenOverLoan], name: str) -> Decimal:
    return sum((Decimal(item.booked.get(name, "0")) for item in taken), start=ZERO)
