"""Late and partial payments kept as a diary, day by day and in exact fractions, from the words of docs/rules alone."""

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from apps.common.money import CENT, ZERO
from apps.loans.domain import (
    AllocationOrder,
    Component,
    FirstInterest,
    GraceInterest,
    Kind,
    LoanStatus,
    LoanTerms,
    ScheduleRow,
    Transaction,
    build_schedule,
    replay,
)
from apps.loans.tests.test_domain_oracle import rounded
from apps.loans.tests.test_laws import CHEAP, loan_terms

ONE_DAY = timedelta(days=1)
LATE_BASIS = {"act/360": 360, "30/360": 360}


@dataclass
class Page:
    """What the diary knows of one instalment."""

    row: ScheduleRow
    paid: dict[Component, Fraction] = field(default_factory=lambda: dict.fromkeys(Component, Fraction(0)))
    principal_days: Fraction = Fraction(0)
    interest_days: Fraction = Fraction(0)
    cleared_on: date | None = None

    def unpaid(self, component: Component) -> Fraction:
        return Fraction(self.row.principal if component is Component.PRINCIPAL else self.row.interest) - self.paid[component]


class Diary:
    def __init__(self, terms: LoanTerms) -> None:
        self.terms = terms
        self.pages = [Page(row) for row in build_schedule(terms).rows]
        self.credit = Fraction(0)
        self.late_rate = min(Fraction(terms.annual_rate) * Fraction(3, 2), Fraction(24, 100)) / LATE_BASIS.get(terms.day_count, 365)

    def live(self, payments: list[Transaction], last: date) -> None:
        today = self.terms.start
        while today <= last:
            for page in self.pages:
                if page.row.due_date == today:
                    self._note_cleared(page, today)
                    self.credit = self.pay(self.credit, today)
            for payment in sorted(payments, key=lambda item: item.id):
                if payment.value_date == today:
                    self.credit += self.pay(Fraction(payment.amount or 0), today)
            if today < last:
                for page in self.due(today):
                    page.principal_days += page.unpaid(Component.PRINCIPAL)
                    page.interest_days += page.unpaid(Component.INTEREST)
            today += ONE_DAY

    def due(self, today: date) -> list[Page]:
        return [page for page in self.pages if page.row.due_date <= today]

    def owed(self, page: Page, component: Component, today: date) -> Fraction:
        if component in (Component.PRINCIPAL, Component.INTEREST):
            return page.unpaid(component)
        beyond_grace = ((page.cleared_on or today) - page.row.due_date).days > self.terms.grace_days
        if component is Component.FEE or not beyond_grace or (component is Component.COMPOUND and not self.terms.compound):
            return Fraction(0)
        days = page.principal_days if component is Component.PENALTY else page.interest_days
        return rounded(self.terms, days * self.late_rate) - page.paid[component]

    def pay(self, amount: Fraction, today: date) -> Fraction:
        """Pay what is due; the rest comes back."""
        due, parts = self.due(today), self.terms.waterfall
        if self.terms.allocation is AllocationOrder.BY_INSTALMENT:
            order = [(page, component) for page in due for component in parts]
        else:
            order = [(page, component) for component in parts for page in due]
        for page, component in order:
            part = min(self.owed(page, component, today), amount)
            page.paid[component] += part
            amount -= part
            self._note_cleared(page, today)
        return amount

    def _note_cleared(self, page: Page, today: date) -> None:
        if page.cleared_on is None and not page.unpaid(Component.PRINCIPAL) and not page.unpaid(Component.INTEREST):
            page.cleared_on = today


@st.composite
def payment_stories(draw: st.DrawFn) -> tuple[LoanTerms, list[Transaction], date]:
    terms = draw(loan_terms(most=5))
    plain = FirstInterest.BLENDED
    terms = replace(
        terms, every=1, interest_grace=0, grace_interest=GraceInterest.NEXT, first_interest=plain, fees=(), tranches=(), allocation_rules=()
    )
    rows = build_schedule(terms).rows
    span = (rows[-1].due_date - terms.start).days + 40
    payments = []
    for no in range(draw(st.integers(0, 6))):
        row = draw(st.sampled_from(rows))
        near = (row.due_date - terms.start).days + draw(st.sampled_from([-3, 0, 0, 1, 5, 20]))
        amount = max((row.total / draw(st.sampled_from([1, 1, 2, 3]))).quantize(CENT), CENT) + draw(
            st.sampled_from([ZERO, CENT, CENT * 777])
        )
        when = terms.start + timedelta(days=min(max(near, 0), span))
        payments.append(Transaction(id=f"t{no}", kind=Kind.REPAYMENT, value_date=when, amount=amount))
    return terms, payments, terms.start + timedelta(days=draw(st.integers(0, span)))


@CHEAP
@given(payment_stories())
def test_every_balance_agrees_with_the_diary(story: tuple[LoanTerms, list[Transaction], date]) -> None:
    terms, payments, as_of = story
    diary = Diary(terms)
    diary.live([item for item in payments if item.value_date <= as_of], as_of)

    state = replay(terms, payments, as_of)

    due = diary.due(as_of)
    for component in Component:
        expected = sum((diary.owed(page, component, as_of) for page in due), start=Fraction(0))
        if component is Component.PRINCIPAL:
            expected += sum(Fraction(page.row.principal) for page in diary.pages if page not in due)
        assert Fraction(state.outstanding[component]) == expected, component
    assert Fraction(state.credit) == diary.credit
    open_dates = [page.row.due_date for page in due if any(diary.owed(page, component, as_of) for component in Component)]
    dpd = (as_of - min(open_dates)).days if open_dates else 0
    assert state.dpd == dpd
    if state.status is not LoanStatus.SETTLED:
        assert (state.status is LoanStatus.OVERDUE) is (dpd > terms.grace_days)
