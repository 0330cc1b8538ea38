"""The sums of the end of day say what the pure functions say: on thousands of random loans, and over whole random lives."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
from decimal import Decimal

import pytest
from django.db import connection

from apps.common.money import CENT, allocate, round_money
from apps.loans.domain import DayCount, Frequency, Funder, LoanTerms, Method, Rounding, Transaction, build_schedule, replay
from apps.loans.domain.daycount import year_units
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.transactions import Kind
from apps.loans.models import Loan, LoanRun
from apps.loans.services.running import Thresholds, run_of
from apps.loans.tests.factories import START, a_lender, a_loan, assert_sound, close_through, pay
from apps.organisations.selectors import business_date

pytestmark = pytest.mark.django_db
LONG = bool(os.environ.get("CARLOAN_TEST_LONG"))
ONE_DAY = dt.timedelta(days=1)
THRESHOLDS = Thresholds((7, 60, 90, 180, 270))


def random_terms(dice: random.Random, *, start: dt.date | None = None, most: int = 36) -> LoanTerms:
    """Terms of any method, day count, frequency, rounding, first period, with one to five funders or none."""
    while True:
        method = dice.choice([method for method in Method if method not in (Method.CUSTOM, Method.STEP)])
        begin = start or dt.date(2023, 1, 1) + dt.timedelta(days=dice.randrange(800))
        principal = Decimal(dice.randrange(10_000, 50_000_000)) * CENT
        first_due = begin + dt.timedelta(days=dice.randrange(1, 70))
        cuts = sorted(dice.sample(range(1, 10_000), dice.choice([0, 0, 1, 2, 4])))
        parts = [high - low for low, high in zip([0, *cuts], [*cuts, 10_000], strict=True)]
        names = dice.sample(["own", "bank-a", "bank-b", "bank-c", "trust"], len(parts))
        try:
            return LoanTerms(
                principal=principal,
                annual_rate=Decimal(dice.randrange(2400)) / 10_000,
                installments=dice.randrange(1, most),
                method=method,
                day_count=dice.choice(list(DayCount)),
                start=begin,
                first_due=first_due,
                due_day=31 if (first_due + ONE_DAY).day == 1 and dice.random() < 0.5 else None,
                frequency=dice.choice([Frequency.MONTH, Frequency.MONTH, Frequency.WEEK]),
                every=dice.choice([1, 1, 2, 3]),
                balloon=round_money(principal / 4) if method is Method.BALLOON else Decimal("0.00"),
                rounding=dice.choice(list(Rounding)),
                grace_days=dice.choice([0, 0, 3]),
                compound=dice.random() < 0.3,
                funders=tuple(Funder(name, part) for name, part in zip(names, parts, strict=True)) if cuts else (),
            )
        except BadTerms:
            continue


def on_the_database(sql: str, rows: list[dict[str, object]]) -> list[object]:
    with connection.cursor() as cursor:
        cursor.execute(sql, [json.dumps(rows, default=str)])
        return [row[0] for row in cursor.fetchall()]


def test_interest_to_a_day_in_sql_is_that_of_the_replay():
    dice = random.Random(3)
    rows, wanted, plain = [], [], 0
    for number in range(20_000 if LONG else 2_000):
        terms = random_terms(dice)
        first = build_schedule(terms).rows[0]
        paid = [Transaction(id="p", kind=Kind.REPAYMENT, value_date=first.due_date, amount=first.total)] if number % 3 == 0 else []
        as_of = terms.start + dt.timedelta(days=dice.randrange(400))
        state = replay(terms, paid, as_of)
        loan = Loan(legal_entity_id=None, interest_vat_rate=Decimal("0.06"))
        run = run_of(loan, state, THRESHOLDS, frozenset({"own"}), is_suspended=False)
        if run is None or not run.is_plain:
            continue
        plain += 1
        values = {field.attname: getattr(run, field.attname) for field in LoanRun._meta.concrete_fields}
        last = min(run.ends_on, as_of + dt.timedelta(days=800))
        for day in {as_of, as_of + (last - as_of) / 2, last - ONE_DAY if last > as_of else last, last}:
            rows.append({"run": values, "day": day})
            wanted.append(replay(terms, paid, day).interest_accrued_to(day))
    assert plain > 1_000
    sql = """SELECT loans_accrued(jsonb_populate_record(NULL::loans_loanrun, x->'run'), (x->>'day')::date)
               FROM jsonb_array_elements(%s::jsonb) x"""
    found = on_the_database(sql, rows)
    different = [(row, was, should) for row, was, should in zip(rows, found, wanted, strict=True) if was != should]
    assert different == []


def test_units_parts_and_tax_in_sql_are_those_of_python():
    dice = random.Random(5)
    spans = []
    for _ in range(5_000):
        first = dt.date(2023, 1, 1) + dt.timedelta(days=dice.randrange(1500))
        anchor = dice.choice([first.day, dice.randrange(1, 32)])
        spans.append({"first": first, "last": first + dt.timedelta(days=dice.randrange(800)), "anchor": anchor})
    numbers = {1: DayCount.ACT_365, 2: DayCount.ACT_ACT, 3: DayCount.THIRTY_360}
    for number, day_count in numbers.items():
        sql = f"""SELECT loans_units({number}, (x->>'anchor')::int, (x->>'first')::date, (x->>'last')::date)
                    FROM jsonb_array_elements(%s::jsonb) x"""
        assert on_the_database(sql, spans) == [year_units(day_count, span["first"], span["last"], span["anchor"]) for span in spans]
    amounts = [
        {"amount": Decimal(dice.randrange(-500_000, 50_000_000)) * CENT, "parts": dice.sample(range(1, 9_999), dice.randrange(1, 6))}
        for _ in range(5_000)
    ]
    for amount in amounts[:200]:
        amount["amount"] = Decimal(dice.randrange(5)) * CENT
    sql = """SELECT loans_parts((x->>'amount')::numeric, ARRAY(SELECT jsonb_array_elements_text(x->'parts')::int))
               FROM jsonb_array_elements(%s::jsonb) x"""
    assert on_the_database(sql, amounts) == [allocate(row["amount"], row["parts"]) for row in amounts]
    for rate in ("0.06", "0.13", "0.03"):
        sql = f"SELECT loans_tax((x->>'amount')::numeric, {rate}) FROM jsonb_array_elements(%s::jsonb) x"
        wanted = [round_money(row["amount"] * Decimal(rate) / (1 + Decimal(rate))) for row in amounts]
        assert on_the_database(sql, amounts) == wanted


@pytest.mark.parametrize("seed", range(40 if LONG else 4))
def test_whole_lives_by_sums_are_those_of_the_replay(seed):
    """Loans of all kinds, paid on time, late, in part, in advance or never: after every stretch all that is stored equals the replay.

    Every other lender begins two months after its loans: its days are those on which loans become late for good.
    """
    dice = random.Random(seed)
    is_later = bool(seed % 2)
    day = START + 60 * ONE_DAY if is_later else START
    entity = a_lender(first_day=day)
    loans = []
    for _ in range(50):
        loans.append(a_loan(entity, random_terms(dice, start=START, most=12)))
    habits = {loan.id: dice.choice(["on time", "late", "part", "advance", "never"]) for loan in loans}
    for _stretch in range(6 if LONG else 3):
        for _ in range(20):
            close_through(entity, day)
            day += ONE_DAY
            _pay_some(dice, loans, habits, day)
        assert business_date(entity.id) == day
        with connection.cursor() as cursor:
            cursor.execute(
                "ANALYZE loans_loan, loans_loanrun, loans_loanbalance, loans_instalment, loans_loanamount"
            )  # a test is one transaction: nobody else looks after the statistics
        assert_sound(entity)
    assert LoanRun.objects.filter(is_plain=True).count() > 20
    assert LoanRun.objects.filter(is_suspended=True).exists() or not (is_later or LONG)


def _pay_some(dice, loans, habits, day):
    """What the borrowers pay on a day by their habits."""
    from apps.loans.models import Instalment

    for loan in loans:
        habit = habits[loan.id]
        due_on = day - dt.timedelta(days=9) if habit == "late" else day
        row = Instalment.objects.filter(loan=loan, due_date=due_on).exclude(status="paid").first()
        if habit == "never" or row is None or Loan.objects.get(id=loan.id).state not in ("active", "overdue"):
            continue
        amount = row.principal + row.interest
        if habit == "part":
            amount = round_money(amount * Decimal(dice.randrange(1, 9)) / 10) or CENT
        elif habit == "advance":
            amount += Decimal(dice.randrange(1, 50_000)) * CENT
        if amount:
            pay(loan, str(amount), day, f"{loan.id}/{day}"[:64])
