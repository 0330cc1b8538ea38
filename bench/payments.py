"""Measures of deeds on loans: repayments by four processes on the portfolio's normal day, a debit file on its peak day, loans opened."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from statistics import quantiles
from typing import Any, Final
from uuid import UUID

from bench.measures import Measure

PROCESSES: Final = 4
SECONDS: Final = 6.0
_RESULTS: Final = 10_000
_SINGLY: Final = 4_000
ZERO: Final = Decimal(0)
# What a repayment writes, without asking what it should say: a transaction, four projections, an entry's lines, an event.
_BARE: Final = (
    "SELECT id FROM loans_loan WHERE id = %(loan)s FOR UPDATE",
    "UPDATE loans_loanbalance SET as_of = as_of WHERE loan_id = %(loan)s",
    "UPDATE loans_loanrun SET as_of = as_of WHERE loan_id = %(loan)s",
    "UPDATE loans_loanamount SET booked = booked WHERE loan_id = %(loan)s",
    "UPDATE loans_instalment SET status = status WHERE loan_id = %(loan)s AND no = 1",
    """INSERT INTO loans_loantransaction
              (id, created_at, kind, value_date, business_date, amount, source, reference, params, reason, actor, loan_id)
       VALUES (gen_random_uuid(), now(), 'repayment', %(day)s, %(day)s, 1, 'debit', %(ref)s, '{}', '', 'bench', %(loan)s)""",
)


def repayment_post() -> Measure:
    """Repayments a second through the service: lock, allocate, journal, audit, outbox; the reference are the bare writes."""
    from bench.end_of_day import open_normal_day

    portfolio = open_normal_day()
    day, due = _due(portfolio.entity_id)
    told = f"repayments of an instalment on its day, {portfolio.loans} loans"
    return _one_by_one("repayment_post", due[len(due) // 4 :][:_SINGLY], day, told)


def repayment_replayed() -> Measure:
    """The same with an odd amount, a yuan more than due: what is not paid exactly goes through the pure replay of the loan."""
    from bench.end_of_day import open_normal_day

    portfolio = open_normal_day()
    day, due = _due(portfolio.entity_id)
    odd = [(loan, amount + 1) for loan, amount in due[: _SINGLY // 4]]
    return _one_by_one("repayment_replayed", odd, day, f"repayments of a yuan more than the instalment, {portfolio.loans} loans")


def repayment_batch() -> Measure:
    """Results of a bank's debit file a second, each booked on its loan; of a hundred, 97 pay exactly what falls due, 3 what is late."""
    from bench.end_of_day import open_peak_day

    portfolio = open_peak_day()
    results, loans, day = _debit_file(portfolio.entity_id)
    bare = _together(_write_bare, [([(loan, ZERO) for loan in loans[:400]], day)])
    rate = _together(_record_results, [(results, day)])
    conditions = f"one process, {len(results)} results, 3 % of them of late loans, {portfolio.loans} loans"
    return Measure("repayment_batch", round(rate[0], 1), "1/s", round(bare[0], 1), round(rate[0] / bare[0], 3), conditions)


def pay_what_is_due(portfolio: Any) -> None:
    """Let 97 of 100 loans that fall due on the open day, and have not paid yet, pay."""
    from apps.common.actors import Actor
    from apps.common.clock import beijing
    from apps.loans.services import Payment, record_on_time

    day, due = _due(portfolio.entity_id)
    for start in range(0, len(due), 1_000):
        payments = [Payment(loan, amount, day, "debit", f"debit/{day}") for loan, amount in due[start : start + 1_000]]
        record_on_time(payments, actor=Actor.system("bench"), now=beijing(day, 10))


def _due(entity_id: UUID) -> tuple[dt.date, list[tuple[UUID, Decimal]]]:
    """The open day, and 97 of 100 loans with an instalment due on it, with what they owe."""
    from apps.loans.models import LoanBalance
    from apps.organisations.selectors import business_date

    day = business_date(entity_id)
    due = LoanBalance.objects.filter(loan__legal_entity_id=entity_id, next_due_date=day).order_by("loan_id")
    owed = due.values_list("loan_id", "interest", "principal_due")
    return day, [(loan, interest + principal) for loan, interest, principal in owed if loan.int % 100 < 97]


def loan_opening() -> Measure:
    """Loans opened a second through the service, with the disbursement's entry; the reference are bare inserts of as many rows."""
    from bench.end_of_day import the_portfolio

    portfolio = the_portfolio()
    rate = _together(_open_for, [(portfolio.entity_id, SECONDS)] * PROCESSES)
    bare = _together(_insert_for, [(portfolio.entity_id, SECONDS / 2)] * PROCESSES)
    conditions = f"{PROCESSES} processes, 36 instalments, {portfolio.loans} loans there"
    return Measure("loan_opening", round(rate[0], 1), "1/s", round(bare[0], 1), round(rate[0] / bare[0], 3), conditions)


def _one_by_one(name: str, paying: Sequence[tuple[UUID, Decimal]], day: dt.date, told: str) -> Measure:
    """Repayments a second by all processes, each on its own; the reference are bare writes."""
    bare, _p95 = _together(_write_bare, [(paying[number::PROCESSES][:400], day) for number in range(PROCESSES)])
    rate, p95 = _together(_repay, [(paying[number::PROCESSES], day) for number in range(PROCESSES)])
    conditions = f"{PROCESSES} processes, {len(paying)} {told}, p95 {p95:.1f} ms"
    return Measure(name, round(rate, 1), "1/s", round(bare, 1), round(rate / bare, 3), conditions)


def _debit_file(entity_id: UUID) -> tuple[list[tuple[str, Decimal]], list[UUID], dt.date]:
    """Debits that the end of day ordered for today, taken as sent to the bank: numbers and amounts, their loans, the day."""
    from apps.disbursement.models import RepaymentOrder
    from apps.organisations.selectors import business_date

    day = business_date(entity_id)
    orders = RepaymentOrder.objects.filter(legal_entity_id=entity_id, business_date=day, state="created").order_by("id")
    orders.update(state="processing")
    sent = RepaymentOrder.objects.filter(legal_entity_id=entity_id, business_date=day, state="processing").order_by("id")
    facts = ("order_no", "amount", "loan_ref")
    due = list(sent.filter(due_date=day).values_list(*facts)[:_RESULTS])
    late = list(sent.filter(due_date__lt=day).values_list(*facts)[: len(due) * 3 // 97])
    return [(number, amount) for number, amount, _loan in due + late], [loan for *_rest, loan in due + late], day


def _record_results(results: Sequence[tuple[str, Decimal]], day: dt.date) -> list[float]:
    from apps.common.clock import beijing
    from apps.disbursement.services import record_debit_results
    from apps.disbursement.services.notices import BankResult

    told = [BankResult(order_no, "succeeded", amount, f"B{order_no}") for order_no, amount in results]
    return [0.0] * record_debit_results(results=told, now=beijing(day, 10)).count("apply")


def _together(deed: Callable[..., list[float]], arguments: Sequence[tuple[Any, ...]]) -> tuple[float, float]:
    """Deeds a second by all processes together, and the 95th percentile of one in ms."""
    from django.db import connection

    connection.close()
    with multiprocessing.get_context("spawn").Pool(len(arguments)) as pool:
        pool.map(_warm_up, range(len(arguments)))
        started = time.monotonic()
        each = pool.starmap(deed, arguments)
        seconds = time.monotonic() - started
    times = [one for part in each for one in part]
    return len(times) / seconds, quantiles(times, n=20)[-1] * 1000


def _warm_up(_number: int) -> None:
    import django

    django.setup()
    time.sleep(0.5)


def _timed(deed: Callable[[], object], times: list[float]) -> None:
    started = time.perf_counter()
    deed()
    times.append(time.perf_counter() - started)


def _repay(loans: Sequence[tuple[UUID, Decimal]], day: dt.date) -> list[float]:
    from apps.common.actors import Actor
    from apps.common.clock import beijing
    from apps.loans.services import record_repayment

    times: list[float] = []
    facts: dict[str, Any] = {"value_date": day, "source": "debit", "actor": Actor.system("bench"), "now": beijing(day, 10)}
    for loan_id, amount in loans:
        _timed(lambda: record_repayment(loan_id=loan_id, amount=amount, reference=f"debit/{day}", **facts), times)
    return times


def _write_bare(loans: Sequence[tuple[UUID, Decimal]], day: dt.date) -> list[float]:
    from django.db import connection, transaction

    times: list[float] = []

    def write(loan_id: UUID) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in _BARE:
                cursor.execute(statement, {"loan": loan_id, "day": day, "ref": f"bare/{day}"})
            transaction.set_rollback(True)

    for loan_id, _amount in loans:
        _timed(lambda: write(loan_id), times)
    return times


def _open_for(entity_id: UUID, seconds: float) -> list[float]:
    from apps.common.actors import Actor
    from apps.common.clock import beijing
    from apps.common.models import new_id
    from apps.loans.domain import parse_terms
    from apps.loans.services import open_loan
    from apps.organisations.selectors import business_date

    day = business_date(entity_id)
    first_due = dt.date(day.year + day.month // 12, day.month % 12 + 1, min(day.day, 28))
    terms = parse_terms(
        {
            "principal": "120000.00",
            "annual_rate": "10.8",
            "installments": 36,
            "method": "equal_installment",
            "day_count": "30/360",
            "start": day.isoformat(),
            "first_due": first_due.isoformat(),
        }
    )
    times: list[float] = []
    facts: dict[str, Any] = {"legal_entity_id": entity_id, "terms": terms, "value_date": day, "actor": Actor.system("bench")}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ids: dict[str, Any] = {"borrower_ref": new_id(), "application_ref": new_id(), "reference": new_id().hex}
        _timed(lambda: open_loan(**facts, **ids, now=beijing(day, 10)), times)
    return times


def _insert_for(entity_id: UUID, seconds: float) -> list[float]:
    """The 36 instalments of a loan inserted bare, rolled back."""
    from django.db import connection, transaction

    from apps.loans.models import Instalment, LoanRun

    loan_id = LoanRun.objects.filter(legal_entity_id=entity_id).values_list("loan_id", flat=True).first()
    columns = ", ".join(field.attname for field in Instalment._meta.concrete_fields if field.attname not in ("id", "no"))
    statement = f"INSERT INTO loans_instalment (no, {columns}) SELECT no + 1000, {columns} FROM loans_instalment WHERE loan_id = %s"
    times: list[float] = []

    def write() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, [loan_id])
            transaction.set_rollback(True)

    until = time.monotonic() + seconds
    while time.monotonic() < until:
        _timed(write, times)
    return times
