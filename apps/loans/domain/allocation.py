"""What is owed on a day, and the order in which money pays it. Rules: docs/rules/waterfall.md."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from apps.common.money import ZERO
from apps.loans.domain.fees import FeeTime
from apps.loans.domain.installments import Installment, changed
from apps.loans.domain.position import Lapse, Lot, Position, Purse
from apps.loans.domain.terms import COMPONENTS, AllocationOrder, Bucket, Component

_LATE_RUNS_ON = (Component.PRINCIPAL, Component.INTEREST)


def owed(position: Position, index: int, component: Component, day: date) -> Decimal:
    """What row `index` owes of a component on `day`, in yuan; of a row not yet due, only fees charged in it."""
    row = position.rows[index]
    if component is Component.FEE:
        return row.unsettled(component, row.fee)
    if index >= position.due_count:
        return ZERO
    return row.unsettled(component, _charged(position, row, component, day))


def _charged(position: Position, row: Installment, component: Component, day: date) -> Decimal:
    if component is Component.PRINCIPAL:
        return row.principal
    if component is Component.INTEREST:
        return row.asked_interest
    if component is Component.PENALTY:
        return row.penalty_to(day, position.penalty_rate, position.terms)
    return row.compound_to(day, position.penalty_rate, position.terms)


def payable(position: Position, day: date) -> Iterator[tuple[int, Component]]:
    """Every (row, component) money may go to, in the order of the product's waterfall, oldest due date first."""
    first = position.first_open
    indexes = [index for index, row in enumerate(position.rows[first:], start=first) if index < position.due_count or row.fee]
    if position.rule is not None:
        order, rows = position.rule.order, position.rows
        return (
            (index, component)
            for bucket, component in order
            if bucket is not Bucket.ADVANCE
            for index in indexes
            if (rows[index].due_date < day) is (bucket is Bucket.OVERDUE)
        )
    if position.terms.allocation is AllocationOrder.BY_INSTALMENT:
        return ((index, component) for index in indexes for component in position.terms.waterfall)
    return ((index, component) for component in position.terms.waterfall for index in indexes)


def owed_by_component(position: Position, day: date) -> dict[Component, Decimal]:
    """All that is due and unpaid on `day`, penalty included."""
    totals = dict.fromkeys(COMPONENTS, ZERO)
    for index, component in payable(position, day):
        totals[component] += owed(position, index, component, day)
    return totals


def pay_due(position: Position, day: date, purse: Purse) -> None:
    """Pay what is due on `day` out of `purse`, never what is not yet due; what is over stays in the purse."""
    left = purse.total
    for index, component in payable(position, day):
        if left <= 0:
            break
        amount = min(owed(position, index, component, day), left)
        if amount > 0:
            left -= amount
            settle(position, index, component, amount, day)
            for lot in purse.draw(amount):
                position.allocate(day, lot, position.rows[index].no, component)
    pass_settled(position, day)


def waive_due(
    position: Position, day: date, transaction_id: str, limits: dict[Component, Decimal | None], amount: Decimal | None
) -> Decimal:
    """Waive what is due of the components in `limits`, each up to its limit, all up to `amount`; returns what was."""
    waived = ZERO
    for index, component in payable(position, day):
        if component not in limits:
            continue
        part = owed(position, index, component, day)
        if (limit := limits[component]) is not None:
            part = min(part, limit)
        if amount is not None:
            part = min(part, amount - waived)
        if part <= 0:
            continue
        settle(position, index, component, part, day, waive=True)
        position.allocate(day, Lot(transaction_id, part), position.rows[index].no, component)
        waived += part
        if limit is not None:
            limits[component] = limit - part
    pass_settled(position, day)
    return waived


def pass_settled(position: Position, day: date) -> None:
    """Move `first_open` past due rows of which nothing is left: nothing but a new fee can open them again."""
    while position.first_open < position.due_count:
        index = position.first_open
        if position.rows[index].cleared_on is None or any(owed(position, index, part, day) for part in COMPONENTS):
            return
        position.first_open += 1


def settle(position: Position, index: int, component: Component, amount: Decimal, day: date, *, waive: bool = False) -> None:
    """Count part of a row's component as paid or waived on `day`."""
    row = position.rows[index]
    if component in _LATE_RUNS_ON:
        row = row.with_late_run(day, position.penalty_rate).settle(component, amount, waive=waive).cleared(day)
    else:
        row = row.settle(component, amount, waive=waive)
    position.rows[index] = row


def fall_due(position: Position, day: date) -> None:
    """Let every row with a due date up to `day` fall due, in turn, and fees with them; credit pays it on its due day."""
    while position.due_count < len(position.rows) and position.rows[position.due_count].due_date <= day:
        index = position.due_count
        row = position.rows[index]
        if position.terms.fees:
            _charge_late_fees(position, row.due_date)
        position.let_fall_due()
        if position.terms.fees:
            position.charge_fees(FeeTime.INSTALMENT, index)
        if position.credit.total > 0:
            late = past_due(position, row.due_date)
            pay_due(position, row.due_date, position.credit)
            note_lateness(position, row.due_date, late)
    if position.terms.fees:
        _charge_late_fees(position, day)


def past_due(position: Position, day: date) -> int:
    """Days since the due date of the oldest unpaid instalment, one of which anything but a fee is left; 0 when none is."""
    worst = 0
    for index in range(position.first_open, position.due_count):
        days = position.days_late(position.rows[index], day)
        if days > worst and (position.rows[index].cleared_on is None or _owes_besides_fees(position, index, day)):
            worst = days
    return worst


def _owes_besides_fees(position: Position, index: int, day: date) -> bool:
    return any(owed(position, index, part, day) for part in COMPONENTS if part is not Component.FEE)


def note_lateness(position: Position, day: date, late: int) -> None:
    """Remember that the loan was `late` days past due before what happened on `day`, and whether that ended it."""
    lapses = position.lapses
    is_open = bool(lapses) and lapses[-1].until is None
    if late and is_open:
        lapses[-1] = replace(lapses[-1], worst=max(lapses[-1].worst, late))
    elif late:
        lapses.append(Lapse(since=day - timedelta(days=late), until=None, worst=late))
    if (late or is_open) and not past_due(position, day):
        lapses[-1] = replace(lapses[-1], until=day)


def _charge_late_fees(position: Position, day: date) -> None:
    """Charge, once each, the fees of rows that by `day` are unpaid for longer than the days of grace."""
    if position.written_off_on is not None:
        return
    for index in range(position.first_open, position.due_count):
        row = position.rows[index]
        if row.cleared_on is None and not row.late_fee_charged and position.days_late(row, day) > position.terms.grace_days:
            position.rows[index] = changed(row, late_fee_charged=True)
            position.charge_fees(FeeTime.OVERDUE, index)
