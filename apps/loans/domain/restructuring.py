"""New terms for a running loan: number of instalments, due day, pauses of interest, the plan started anew.

Rules: docs/rules/amortisation.md. Handlers answer as those of `changes` do.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from apps.common.money import ZERO
from apps.loans.domain.allocation import pass_settled
from apps.loans.domain.changes import Replan, replan, replan_from, take_rate
from apps.loans.domain.daycount import BASIS
from apps.loans.domain.duedates import Span, make_period, periods
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.errors import said as _
from apps.loans.domain.installments import Installment, changed
from apps.loans.domain.position import Position, blank_installment
from apps.loans.domain.terms import Frequency, Method
from apps.loans.domain.transactions import Kind, Pauses, Transaction

_BY_SHARES = (Method.CUSTOM, Method.STEP)
_NOTHING_LEFT = _("no instalment is left to change")


def change_term(position: Position, transaction: Transaction) -> str | None:
    """A new total number of instalments, from the running one on; an extension may only lengthen the loan."""
    terms, total, day = position.terms, transaction.installments or 0, transaction.value_date
    terms.check_span(total)
    index = position.open_index(day)
    if index >= len(position.rows):
        return _NOTHING_LEFT
    if terms.method is Method.BULLET:
        return _move_maturity(position, transaction, total)
    if total <= index:
        return _("%(index)s instalments are already over", index=index)
    if transaction.kind is Kind.EXTENSION and total <= len(position.rows):
        return _("an extension must lengthen the loan beyond %(rows)s instalments", rows=len(position.rows))
    if (remark := _take_shares(position, transaction, index, total)) is not None:
        return remark
    balance = position.rest(index)
    take_rate(position, transaction)
    _set_count(position, total)
    replan_from(position, day, index, balance, Replan.ANEW)
    return None


def _move_maturity(position: Position, transaction: Transaction, total: int) -> str | None:
    """The one row of a bullet loan falls due when its instalment number `total` would."""
    row, day, days = position.rows[0], transaction.value_date, position.due_days
    end = days.end_of(total)
    if end <= day:
        return _("instalment %(total)s would have been due on %(end)s", total=total, end=end)
    if transaction.kind is Kind.EXTENSION and end <= row.end:
        return _("an extension must lengthen the loan beyond %(end)s", end=row.end)
    take_rate(position, transaction)
    _move_rows(position, 0, day, [end], Replan.ANEW)
    return None


def change_due_day(position: Position, transaction: Transaction) -> str | None:
    """A new due day from the running instalment on: in the month in which it was due, if that is still to come."""
    if position.terms.frequency is not Frequency.MONTH:
        raise BadTerms("due_day", _("only monthly instalments have a due day"))
    day = transaction.value_date
    index = position.open_index(day)
    if index >= len(position.rows):
        return _NOTHING_LEFT
    known = position.due_days.number_of(position.rows[index].end)
    position.due_days = position.due_days.moved(position.rows[index].end, transaction.due_day or 1, day)
    ends = [position.due_days.end_of(known + offset) for offset in range(len(position.rows) - index)]
    _move_rows(position, index, day, ends, Replan.SAME_PRINCIPAL)
    return None


def pause_interest(position: Position, transaction: Transaction) -> str | None:
    """No interest from the value date until `until`; the plan takes the shorter periods at once, penalty goes on.

    A pause of delinquency stops the count of days past due instead, and nothing else.
    """
    day = transaction.value_date
    if transaction.pauses is Pauses.DELINQUENCY:
        position.delinquency_pauses = _merged([*position.delinquency_pauses, (day, transaction.until or day)])
        return None
    index = position.open_index(day)
    if index >= len(position.rows):
        return _NOTHING_LEFT
    position.pauses = _merged([*position.pauses, (day, transaction.until or day)])
    _move_rows(position, index, day, [row.end for row in position.rows[index:]], Replan.SAME_PRINCIPAL)
    return None


def re_amortise(position: Position, transaction: Transaction) -> str | None:
    """Plan what is not yet due anew by the method, over the instalments there are or a new number; overdue parts stay due."""
    if transaction.installments is not None:
        return change_term(position, transaction)
    index = position.open_index(transaction.value_date)
    if index >= len(position.rows):
        return _NOTHING_LEFT
    replan_from(position, transaction.value_date, index, position.rest(index), Replan.ANEW)
    return None


def re_age(position: Position, transaction: Transaction) -> str | None:
    """Overdue principal and interest join the rest, which is planned anew: nothing is past due any more.

    The interest is paid with the next instalment and bears none; penalty and fees run so far stay owed, past due from
    that instalment's due date. `installments` is the new total number, needed when the last due date is over.
    """
    terms, day = position.terms, transaction.value_date
    if terms.method is Method.BULLET:
        raise BadTerms("kind", _("a bullet loan has no plan to start anew: extend it before it falls due"))
    if position.written_off_on or position.terminated_on:
        return _("the whole claim has fallen due")
    index = position.open_index(day)
    total = transaction.installments or len(position.rows)
    if total <= index:
        return _("%(index)s instalments are over: name a larger total number", index=index)
    terms.check_span(total)
    position.pull_in(index)
    late = position.rows[:index]
    principal = sum((row.unpaid_principal for row in late), start=ZERO)
    interest = sum((row.unpaid_interest for row in late), start=ZERO)
    if not principal and not interest:
        return _("nothing is overdue")
    if (remark := _take_shares(position, transaction, index, total)) is not None:
        return remark
    balance = position.rest(index) + principal
    take_rate(position, transaction)
    if index >= len(position.rows):
        position.due_days = position.due_days.resumed(index + 1, day)
    _set_count(position, total, opened_on=day)
    next_due = position.rows[index].due_date
    position.rows[:index] = [_aged(position, row, day, next_due) for row in position.rows[:index]]
    pass_settled(position, day)
    running = position.rows[index]
    done = running.units_to(day, terms)
    carried = running.run_numerator(done) + interest * BASIS[terms.day_count]
    replan(position, index, running=carried, balance=balance, units_done=done, how=Replan.ANEW)
    return None


def _aged(position: Position, row: Installment, day: date, next_due: date) -> Installment:
    """A due row that asks for no more principal and interest than was paid; its penalty stands still."""
    if row.cleared_on is not None:
        return changed(row, owed_again_since=next_due, stays_late=row.is_late(day, position.terms))
    was_late = row.is_late(day, position.terms)
    stood = row.with_late_run(day, position.penalty_rate)
    return changed(
        stood,
        principal=stood.principal - stood.unpaid_principal,
        interest=stood.interest - stood.unpaid_interest,
        cleared_on=day,
        owed_again_since=next_due,
        stays_late=was_late,
        penalty_run=stood.penalty_run if was_late else Decimal(0),
        compound_run=stood.compound_run if was_late else Decimal(0),
    )


def _take_shares(position: Position, transaction: Transaction, index: int, total: int) -> str | None:
    """Plans by shares need new ones when their number of rows changes: one for each row still to come."""
    if position.terms.method not in _BY_SHARES:
        if transaction.shares:
            raise BadTerms("shares", _("do not go with method %(method)s", method=position.terms.method))
        return None
    if not transaction.shares:
        if total != len(position.rows):
            raise BadTerms(
                "shares", _("%(kind)s %(id)s needs the shares of the instalments still to come", kind=transaction.kind, id=transaction.id)
            )
        return None
    if len(transaction.shares) != total - index:
        return _(
            "%(to_come)s instalments are still to come, but %(shares)s shares are given",
            to_come=total - index,
            shares=len(transaction.shares),
        )
    position.shares = (*position.shares[:index], *transaction.shares)
    return None


def _set_count(position: Position, total: int, *, opened_on: date | None = None) -> None:
    """Cut the plan to `total` rows, or add blank ones; the caller plans their principal."""
    known = position.rows[:total]
    start = known[-1].end if known and (opened_on is None or known[-1].end > opened_on) else opened_on
    more = periods(
        position.terms,
        count=total,
        opened_on=start or position.terms.start,
        after=len(position.rows),
        is_working_day=position.is_working_day,
        days=position.due_days,
        pauses=position.pauses,
    )
    # Rows that go leave their principal to the rest: the sum is restored by `replan`.
    position.balance -= position.rest(total)
    position.rows = known + [blank_installment(period) for period in more]


def _move_rows(position: Position, index: int, day: date, ends: Sequence[date], how: Replan) -> None:
    """Give the rows from `index` on new ends, due dates and pauses, and plan them anew; interest run so far stays."""
    terms, balance = position.terms, position.rest(index)
    first = position.rows[index]
    running = first.run_numerator(first.units_to(day, terms))
    start = first.start
    for offset, end in enumerate(ends):
        row = position.rows[index + offset]
        period = make_period(terms, row.no, start, end, position.due_days, position.pauses, position.is_working_day)
        position.rows[index + offset] = changed(
            row,
            start=start,
            end=end,
            due_date=period.due_date,
            late_since=period.due_date,
            units=period.units,
            anchor=period.anchor,
            pauses=period.pauses,
        )
        start = end
    done = position.rows[index].units_to(day, terms)
    replan(position, index, running=running, balance=balance, units_done=done, how=how)


def _merged(spans: Sequence[Span]) -> tuple[Span, ...]:
    """The same days as spans that do not overlap."""
    answer: list[Span] = []
    for first, until in sorted(spans):
        if answer and first <= answer[-1][1]:
            answer[-1] = (answer[-1][0], max(until, answer[-1][1]))
        else:
            answer.append((first, until))
    return tuple(answer)
