"""Plans worked out a second time: in exact fractions, day by day, by rules written here from the words of docs/rules alone."""

import calendar
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor

from hypothesis import given

from apps.loans.domain import DayCount, FirstInterest, Frequency, GraceInterest, LoanTerms, Method, MonthEnd, Rounding, build_schedule
from apps.loans.tests.test_laws import CHEAP, loan_terms

Row = tuple[date, Fraction, Fraction]


def month_on(year: int, month: int, number: int) -> date:
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return date(year, month, min(number, calendar.monthrange(year, month)[1]))


def year_part(day_count: DayCount, first: date, last: date, anchor: int | None) -> Fraction:
    days = [first + timedelta(days=n) for n in range((last - first).days)]
    if day_count is DayCount.ACT_ACT:
        return sum((Fraction(1, 366 if calendar.isleap(day.year) else 365) for day in days), start=Fraction(0))
    if day_count is not DayCount.THIRTY_360:
        return Fraction(len(days), int(day_count.value[-3:]))
    number = first.day
    if anchor and first == month_on(first.year, first.month, anchor):
        number = anchor
    months = 0
    while month_on(first.year, first.month + months + 1, number) <= last:
        months += 1
    odd = (last - month_on(first.year, first.month + months, number)).days
    return Fraction(months, 12) + Fraction(min(odd, 30), 360)


def due_date(terms: LoanTerms, no: int) -> date:
    first, steps = terms.first_due, (no - 1) * terms.every
    if terms.frequency is Frequency.MONTH:
        number = terms.due_day or first.day
        stands_in = terms.month_end is MonthEnd.NEXT_FIRST and first.day < number
        day = month_on(first.year, first.month + steps - stands_in, number)
        return day + timedelta(days=1) if terms.month_end is MonthEnd.NEXT_FIRST and day.day < number else day
    return first + timedelta(days=steps * {Frequency.WEEK: 7, Frequency.DAY: 1}[terms.frequency])


def rounded(terms: LoanTerms, amount: Fraction, step: Fraction = Fraction(1, 100)) -> Fraction:
    if terms.rounding is Rounding.HALF_EVEN:
        return round(amount / step) * step
    return floor(amount / step + Fraction(1, 2)) * step


def level(terms: LoanTerms, parts: list[Fraction], moved: int = 0) -> list[tuple[Fraction, Fraction]]:
    rate, balance, left_over = Fraction(terms.annual_rate), Fraction(terms.principal), Fraction(terms.balloon)
    discounts, discount = [], Fraction(1)
    for part in parts:
        discount /= 1 + rate * part
        discounts.append(discount)
    step = Fraction(terms.multiple)
    before = discounts[terms.principal_grace - 1] if terms.principal_grace else Fraction(1)
    later = [discount / before for discount in discounts[terms.principal_grace :]]
    amount = rounded(terms, (balance - left_over * later[-1]) / sum(later), step) + moved * step
    rows = []
    for no, part in enumerate(parts[:-1]):
        interest = rounded(terms, balance * rate * part)
        principal = min(max(amount - interest, Fraction(0)), balance) if no >= terms.principal_grace else Fraction(0)
        rows.append((principal, interest))
        balance -= principal
    rows.append((balance, rounded(terms, balance * rate * parts[-1])))
    missed = abs(sum(rows[-1]) - left_over - amount)
    if moved or not terms.even_out or missed <= Fraction(len(parts), 2) * step:
        return rows
    others = [(level(terms, parts, by), amount + by * step) for by in (-1, 1)]
    best = min(others, key=lambda other: abs(sum(other[0][-1]) - left_over - other[1]))
    return best[0] if abs(sum(best[0][-1]) - left_over - best[1]) < missed else rows


def by_principal(terms: LoanTerms, parts: list[Fraction]) -> list[tuple[Fraction, Fraction]]:
    rate, whole, count = Fraction(terms.annual_rate), Fraction(terms.principal), len(parts)
    if terms.method in (Method.EQUAL_PRINCIPAL, Method.FLAT):
        late = count - terms.principal_grace
        planned = [Fraction(0)] * terms.principal_grace + [rounded(terms, whole / late, Fraction(terms.multiple))] * late
    elif terms.method in (Method.CUSTOM, Method.STEP):
        planned = [rounded(terms, whole * Fraction(share)) for share in terms.shares]
    else:
        planned = [Fraction(0)] * count
    balance, rows = whole, []
    for index, part in enumerate(parts):
        interest = rounded(terms, (whole if terms.method is Method.FLAT else balance) * rate * part)
        principal = balance if index == count - 1 else min(planned[index], balance)
        rows.append((principal, interest))
        balance -= principal
    return rows


def second_opinion(terms: LoanTerms) -> list[Row]:
    count = 1 if terms.method is Method.BULLET else terms.installments
    anchor = (terms.due_day or terms.first_due.day) if terms.frequency is Frequency.MONTH else None
    dues = [due_date(terms, no) for no in range(1, count + 1)]
    starts = [terms.start, *dues]
    parts = [year_part(terms.day_count, start, due, anchor) for start, due in zip(starts, dues, strict=False)]
    parts = [Fraction(0)] * terms.interest_free + parts[terms.interest_free :]
    plan = level if terms.method in (Method.EQUAL_INSTALLMENT, Method.BALLOON) else by_principal
    return [(due, *row) for due, row in zip(dues, plan(terms, parts), strict=True)]


@CHEAP
@given(loan_terms(most=9))
def test_every_plan_agrees_with_a_second_opinion(terms: LoanTerms) -> None:
    terms = replace(terms, interest_grace=0, grace_interest=GraceInterest.NEXT, first_interest=FirstInterest.BLENDED)
    found = [(row.due_date, row.principal, row.interest) for row in build_schedule(terms).rows]

    assert found == [(due, as_decimal(principal), as_decimal(interest)) for due, principal, interest in second_opinion(terms)]


def as_decimal(amount: Fraction) -> Decimal:
    cents = amount * 100
    assert cents.denominator == 1
    return Decimal(cents.numerator) / 100
