"""Classes, watch, marks: the stories of docs/rules/classes.md to the 分, and laws over random lives."""

from __future__ import annotations

import datetime as dt
import os
import random
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import connection

from apps.common.clock import beijing
from apps.common.models import new_id
from apps.common.money import CENT
from apps.ledger import selectors as ledger
from apps.loans import audit, eod, selectors, services
from apps.loans.domain import Kind, Transaction, build_schedule, replay
from apps.loans.domain.classes import CLASSES, ClassRules, marked_loans, standing_of, worst
from apps.loans.domain.daycount import month_day
from apps.loans.models import Loan, LoanBalance, LoanRun
from apps.loans.services.marks import turning_marks
from apps.loans.services.projection import policy_on
from apps.loans.tests.factories import START, SYSTEM, TERMS, a_lender, a_loan, assert_sound, books, close_through, pay
from apps.organisations.models import Parameter
from apps.organisations.selectors import business_date

D = Decimal
LONG = bool(os.environ.get("CARLOAN_TEST_LONG"))
ONE_DAY = dt.timedelta(days=1)
RULES = ClassRules(
    technical_days=7,
    substandard_above_dpd=90,
    doubtful_above_dpd=270,
    loss_above_dpd=360,
    non_accrual_above_dpd=90,
    watch_months=6,
    watch_instalments=2,
    restructured_at_least="special_mention",
    restructured_watch_months=12,
    marks_from="substandard",
    marked_at_least="special_mention",
)
ROWS = build_schedule(TERMS).rows


def paid(no: int, on: dt.date, *, count: int = 1) -> Transaction:
    amount = sum((row.total for row in ROWS[no - 1 : no - 1 + count]), start=D(0)) + D("5000.00") * (on > ROWS[no - 1].due_date)
    return Transaction(id=f"p{no}", kind=Kind.REPAYMENT, value_date=on, amount=amount)


def on_time(*numbers: int) -> list[Transaction]:
    return [paid(no, ROWS[no - 1].due_date) for no in numbers]


def standing(history: list[Transaction], on: dt.date):
    return standing_of(replay(TERMS, history, on), RULES)


def test_a_loan_paid_up_after_ninety_days_keeps_its_class_for_six_months():
    up = dt.date(2025, 5, 22)
    history = [Transaction(id="up", kind=Kind.REPAYMENT, value_date=up, amount=D("24000.00")), *on_time(5, 6, 7, 8, 9, 10, 11)]
    late = standing([], up)
    assert (late.own_class, late.suspended, late.watched, late.improves_on) == ("substandard", True, True, None)
    cured = standing(history, up)
    assert (cured.own_class, cured.suspended, cured.watched, cured.improves_on) == ("substandard", False, True, dt.date(2025, 11, 22))
    assert standing(history, dt.date(2025, 11, 21)).own_class == "substandard"
    after = standing(history, dt.date(2025, 11, 22))
    assert (after.own_class, after.watched, after.improves_on) == ("normal", False, None)


def test_the_watch_begins_again_after_more_than_a_technical_delay():
    up = dt.date(2025, 5, 22)
    cured = [Transaction(id="up", kind=Kind.REPAYMENT, value_date=up, amount=D("24000.00"))]
    technical = [*cured, paid(5, dt.date(2025, 6, 27)), *on_time(6, 7, 8, 9, 10, 11)]
    assert standing(technical, dt.date(2025, 7, 1)).improves_on == dt.date(2025, 11, 22), "seven days"
    disturbed = [*cured, paid(5, dt.date(2025, 6, 28)), *on_time(6, 7, 8, 9, 10, 11)]
    assert standing(disturbed, dt.date(2025, 7, 1)).improves_on == dt.date(2025, 12, 28), "eight days"
    assert standing(cured, dt.date(2025, 7, 1)).improves_on is None, "still unpaid"


def test_few_instalments_make_the_watch_longer():
    quarterly = replace(TERMS, every=3, installments=8)
    up = dt.date(2025, 5, 22)
    history = [Transaction(id="up", kind=Kind.REPAYMENT, value_date=up, amount=D("36000.00"))]
    found = standing_of(replay(quarterly, history, up), replace(RULES, watch_instalments=3))
    assert found.improves_on == dt.date(2026, 2, 21), "three instalments after May: August, November, February"


def test_interest_stays_suspended_until_all_that_is_overdue_is_paid():
    part = [Transaction(id="p", kind=Kind.REPAYMENT, value_date=dt.date(2025, 5, 25), amount=D("5900.00"))]
    found = replay(TERMS, part, dt.date(2025, 5, 25))
    assert found.dpd == 66
    assert standing_of(found, RULES).suspended
    assert not standing(
        [*part, *[Transaction(id="q", kind=Kind.REPAYMENT, value_date=dt.date(2025, 5, 26), amount=D("20000.00"))]], dt.date(2025, 5, 26)
    ).suspended


@pytest.mark.parametrize("dpd", [7, 8])
def test_a_loan_extended_in_difficulty_is_special_mention_for_a_year(dpd):
    on = ROWS[0].due_date + dt.timedelta(days=dpd)
    history = [
        Transaction(id="x", kind=Kind.EXTENSION, value_date=on, installments=30),
        Transaction(id="p", kind=Kind.REPAYMENT, value_date=on, amount=D("5700.00")),
    ]
    found = standing(history, on)
    assert found.own_class == ("normal" if dpd == 7 else "special_mention")
    assert found.improves_on == (None if dpd == 7 else dt.date(2026, 3, 20)), "a year from the next due date"


def test_a_loan_aged_anew_keeps_the_class_it_had():
    on = dt.date(2025, 6, 1)
    found = standing([Transaction(id="r", kind=Kind.RE_AGE, value_date=on)], on)
    assert found.own_class == "substandard"
    assert found.improves_on == dt.date(2025, 12, 1)


def test_a_written_off_loan_is_a_loss_and_a_settled_one_is_nothing():
    on = dt.date(2025, 6, 1)
    off = [Transaction(id="w", kind=Kind.WRITE_OFF, value_date=on)]
    assert standing(off, on).own_class == "loss"
    all_of_it = replay(TERMS, off, on).payoff.total
    settled = standing([*off, Transaction(id="v", kind=Kind.RECOVERY, value_date=on, amount=all_of_it)], on)
    assert (settled.own_class, settled.watched) == ("normal", False)


def _by_the_day(history: list[Transaction], last: dt.date, rules: ClassRules) -> tuple[str, bool]:
    """The same rules told day by day: an oracle that knows nothing of lapses."""
    watches: list[list[object]] = []  # class kept, first day paid up or None, worst DPD of the present delay
    suspended, peak = False, 0
    day = TERMS.start
    while True:
        before = replay(TERMS, [item for item in history if item.value_date < day], day).dpd
        state = replay(TERMS, [item for item in history if item.value_date <= day], day)
        watches = [watch for watch in watches if watch[1] is None or day < _ends(state, watch[1], rules)]
        peak = max(peak, before) if before else peak
        if before > rules.technical_days:
            for watch in watches:
                watch[1] = None
        kept = rules.class_of(before)
        if CLASSES.index(kept) >= 2:
            if not any(watch[2] == "now" for watch in watches):
                watches.append([kept, None, "now"])
            for watch in watches:
                if watch[2] == "now":
                    watch[0] = worst(watch[0], kept)
        suspended = suspended or before > rules.non_accrual_above_dpd
        if not state.dpd:
            suspended, peak = False, 0
            for watch in watches:
                if watch[1] is None:
                    watch[1] = day
                watch[2] = "then"
        if day == last:
            if state.status.value not in ("active", "overdue", "terminated"):
                return "normal", False
            return worst(rules.class_of(state.dpd), *(watch[0] for watch in watches)), suspended
        day += ONE_DAY


def _ends(state, since, rules):
    by_months = month_day(since.year, since.month + rules.watch_months, since.day)
    later = [row.installment.due_date for row in state.rows if row.installment.due_date > since][: rules.watch_instalments]
    return max([by_months, *(day + ONE_DAY for day in later)])


@pytest.mark.parametrize("seed", range(60 if LONG else 3))
def test_a_standing_is_what_the_days_one_by_one_say(seed):
    dice = random.Random(seed)
    rules = replace(
        RULES,
        technical_days=4,
        substandard_above_dpd=20,
        doubtful_above_dpd=40,
        loss_above_dpd=70,
        non_accrual_above_dpd=20,
        watch_months=2,
    )
    history, day = [], ROWS[0].due_date
    while day < dt.date(2025, 12, 1):
        amount = D(dice.choice([2000, 5600, 5700, 11500, 23000]))
        history.append(Transaction(id=f"{day}", kind=Kind.REPAYMENT, value_date=day, amount=amount))
        day += dt.timedelta(days=dice.choice([3, 8, 20, 30, 30, 31, 45]))
    for _ in range(8):
        on = dt.date(2025, 2, 20) + dt.timedelta(days=dice.randrange(300))
        known = [item for item in history if item.value_date <= on]
        found = standing_of(replay(TERMS, known, on), rules)
        assert (found.own_class, found.suspended) == _by_the_day(known, on, rules), on


@pytest.mark.django_db
def test_the_books_of_a_loan_under_watch():
    """docs/rules/classes.md: 90 days late, paid up, watched, and back to normal."""
    entity = a_lender()
    loan = a_loan(entity)
    close_through(entity, dt.date(2025, 5, 21))
    assert books(entity)["1304"] == D("30000.00"), "25 % of 120,000.00"
    assert "601101" not in books(entity), "no income beyond ninety days"
    up = dt.date(2025, 5, 22)
    pay(loan, str(selectors.amount_due(loan.id, up).total), up)
    close_through(entity, up)
    assert books(entity)["1304"] == D("25498.77"), "25 % of 101,995.07"
    assert books(entity)["601101"] > 0
    brief = selectors.loan_brief(loan.id)
    assert (brief.asset_class, brief.is_non_accrual, brief.improves_on) == ("substandard", False, dt.date(2025, 11, 22))
    for row in ROWS[4:10]:
        close_through(entity, row.due_date - ONE_DAY)
        pay(loan, str(row.total), row.due_date)
    close_through(entity, dt.date(2025, 11, 20))
    left = ROWS[9].balance
    assert books(entity)["1304"] == (left / 4).quantize(CENT)
    assert selectors.loan_brief(loan.id).asset_class == "substandard"
    close_through(entity, dt.date(2025, 11, 21))
    assert selectors.loan_brief(loan.id).asset_class == "normal"
    assert books(entity)["1304"] == (left / 100).quantize(CENT)
    assert_sound(entity)


@pytest.mark.django_db
def test_one_borrower_s_bad_loan_marks_the_others_until_it_is_paid():
    entity, borrower = a_lender(), new_id()
    bad, good, other = a_loan(entity, borrower_ref=borrower), a_loan(entity, borrower_ref=borrower), a_loan(entity)
    elsewhere = a_loan(a_lender(), borrower_ref=borrower)
    for no in range(4):
        close_through(entity, ROWS[no].due_date - ONE_DAY)
        for loan in (good, other):
            pay(loan, str(ROWS[no].total), ROWS[no].due_date, f"{loan.id}/{no}")
    close_through(entity, dt.date(2025, 5, 20))
    assert {selectors.loan_brief(loan.id).asset_class for loan in (good, other)} == {"normal"}
    assert books(entity)["1304"] == D("2400.00") + 2 * D("1019.95"), "90 days: 2 % of 120,000.00, 1 % of 101,995.07 each"
    close_through(entity, dt.date(2025, 5, 21))
    found = {loan.id: selectors.loan_brief(loan.id) for loan in (bad, good, other, elsewhere)}
    assert [(item.asset_class, item.is_marked) for item in found.values()] == [
        *(("substandard", False), ("special_mention", True), ("normal", False), ("normal", False))
    ]
    assert books(entity)["1304"] == D("30000.00") + D("2039.90") + D("1019.95"), "2 % of 101,995.07 for the marked one"
    assert_sound(entity)
    day = dt.date(2025, 5, 22)
    services.settle_early(
        loan_id=bad.id,
        value_date=day,
        amount=selectors.payoff_quote(loan_id=bad.id, on=day).total,
        reference="out",
        actor=SYSTEM,
        now=beijing(day, 12),
    )
    assert selectors.loan_brief(good.id).asset_class == "special_mention", "until the day is closed"
    close_through(entity, day)
    brief = selectors.loan_brief(good.id)
    assert (brief.asset_class, brief.is_marked) == ("normal", False)
    assert books(entity)["1304"] == 2 * D("1019.95")
    assert_sound(entity)


@pytest.mark.django_db
def test_without_the_parameter_nobody_is_marked():
    entity, borrower = a_lender(), new_id()
    _rule(entity, "classification.marks_borrower_from", "none")
    bad, good = a_loan(entity, borrower_ref=borrower), a_loan(entity, borrower_ref=borrower)
    pay(good, "24000.00", START)
    close_through(entity, dt.date(2025, 5, 21))
    assert [selectors.loan_brief(loan.id).asset_class for loan in (bad, good)] == ["substandard", "normal"]
    _rule(entity, "classification.marks_borrower_from", "substandard", dt.date(2025, 5, 23))
    close_through(entity, dt.date(2025, 5, 22))
    assert selectors.loan_brief(good.id).is_marked
    assert_sound(entity)


@pytest.mark.django_db
def test_a_wrong_mark_is_named_by_the_audit():
    entity = a_lender()
    loan = a_loan(entity)
    close_through(entity, START)
    LoanBalance.objects.filter(loan=loan).update(is_marked=True)
    found = {check.name: check for check in audit.checks(entity.id)}["loans are marked by their borrower's bad loans"]
    assert not found.ok
    assert loan.number in found.first_offender


@pytest.mark.django_db
def test_a_killed_step_of_marks_goes_on():
    entity, borrower = a_lender(), new_id()
    _rule(entity, "classification.substandard_above_dpd", 2)
    loans = [a_loan(entity, borrower_ref=borrower) for _ in range(3)]
    for loan in loans[1:]:
        pay(loan, "24000.00", START, f"{loan.id}")
    close_through(entity, dt.date(2025, 2, 23))
    assert sorted(LoanBalance.objects.values_list("is_marked", flat=True)) == [False, True, True]
    assert turning_marks(entity.id, business_date(entity.id)) == []
    nothing = eod.marks(
        entity_id=entity.id,
        day=dt.date(2025, 2, 23),
        partition={"first": str(min(loan.id for loan in loans)), "last": str(max(loan.id for loan in loans))},
        now=beijing(dt.date(2025, 2, 24), 1),
    )
    assert nothing.done == 0


@pytest.mark.django_db
def test_marks_in_sql_are_those_of_the_pure_function():
    entity, dice = a_lender(), random.Random(8)
    borrowers = [new_id() for _ in range(60)]
    loans = [a_loan(entity, borrower_ref=dice.choice(borrowers)) for _ in range(120)]
    rules = policy_on(entity.id, START).classes
    for _ in range(20):
        for loan in loans:
            name = dice.choice(["normal"] * 6 + list(CLASSES[1:]))
            LoanBalance.objects.filter(loan=loan).update(own_class=name, is_marked=dice.random() < 0.3)
        rows = [(str(row.loan_id), str(row.loan.borrower_ref), row.own_class, row.is_marked) for row in _balances(entity)]
        wanted = marked_loans([row[:3] for row in rows], rules)
        turning = {str(item) for item in turning_marks(entity.id, START)}
        assert {loan for loan, _borrower, _own, is_marked in rows if is_marked != (loan in turning)} == wanted


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(6 if LONG else 1))
def test_random_lives_under_short_rules_are_those_of_the_replay(seed):
    """Classes come and go within weeks, borrowers have three loans each: after every stretch all that is stored equals the replay."""
    dice = random.Random(seed)
    entity = a_lender()
    for code, value in (
        ("technical_overdue_days_max", 2),
        ("substandard_above_dpd", 5),
        ("doubtful_above_dpd", 12),
        ("watch_months_min", 1),
    ):
        _rule(entity, f"classification.{code}", value)
    _rule(entity, "accrual.non_accrual_above_dpd", 5)
    weekly = replace(TERMS, frequency=type(TERMS.frequency).WEEK, installments=40)
    borrowers = [new_id() for _ in range(8)]
    loans = [a_loan(entity, weekly, borrower_ref=dice.choice(borrowers)) for _ in range(15)]
    day, seen = dt.date(2025, 2, 15), set()
    close_through(entity, day - ONE_DAY)
    for _stretch in range(4):
        for _ in range(20):
            for loan in loans:
                due = selectors.amount_due(loan.id, day).total
                if due and dice.random() < 0.25 and Loan.objects.get(id=loan.id).state in ("active", "overdue"):
                    pay(loan, str(due if dice.random() < 0.8 else (due / 2).quantize(CENT)), day, f"{loan.id}/{day}"[:64])
            close_through(entity, day)
            day += ONE_DAY
            rows = LoanBalance.objects.filter(loan__legal_entity=entity)
            seen |= set(rows.values_list("own_class", "is_marked", "is_watched", "is_non_accrual"))
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE loans_loan, loans_loanrun, loans_loanbalance, loans_instalment, loans_loanamount")
        assert_sound(entity)
    assert ("normal", True, False, False) in seen, "marked by another"
    assert ("substandard", True, True, False) in seen, "watched, and accruing again"
    assert LoanRun.objects.filter(is_plain=True).count() == 15
    assert ledger.balance("1304", entity.id) > 0


def _balances(entity):
    return LoanBalance.objects.filter(loan__legal_entity=entity).select_related("loan")


def _rule(entity, code, value, on=dt.date(2000, 1, 1)):
    """A rule of the lender's own from a day on."""
    kind = "text" if isinstance(value, str) else "integer"
    Parameter.objects.filter(code=code, legal_entity=entity, effective_to=None).update(effective_to=on - ONE_DAY)
    Parameter.objects.create(code=code, kind=kind, value=value, legal_entity=entity, effective_from=on, source="house", certainty="S")
