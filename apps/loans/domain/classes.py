"""How bad a loan is: its class by days past due, the watch after a cure, what a restructuring and a borrower's other loans make of it.

Rules: docs/rules/classes.md.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from apps.loans.domain.daycount import month_day
from apps.loans.domain.state import LoanState, LoanStatus
from apps.loans.domain.transactions import Kind

NORMAL: Final = "normal"
SPECIAL_MENTION: Final = "special_mention"
SUBSTANDARD: Final = "substandard"
DOUBTFUL: Final = "doubtful"
LOSS: Final = "loss"
# From the best to the worst.
CLASSES: Final = (NORMAL, SPECIAL_MENTION, SUBSTANDARD, DOUBTFUL, LOSS)
_RUNNING: Final = (LoanStatus.ACTIVE, LoanStatus.OVERDUE, LoanStatus.TERMINATED)
_RESTRUCTURING: Final = frozenset(
    {
        *(Kind.RATE_RESET, Kind.EXTENSION, Kind.TERM_CHANGE, Kind.DUE_DAY_CHANGE),
        *(Kind.RE_AMORTISE, Kind.RE_AGE, Kind.INTEREST_PAUSE),
    }
)
_ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRules:
    """The lender's rules of a day.

    A class begins above its days past due; up to `technical_days` a delay is technical. A watch lasts `watch_months` and
    `watch_instalments`, whichever is longer; that of a restructured loan `restructured_watch_months`. A borrower's loan of class
    `marks_from` or worse makes the others at least `marked_at_least`; with `marks_from` empty it does not.
    """

    technical_days: int
    substandard_above_dpd: int
    doubtful_above_dpd: int
    loss_above_dpd: int
    non_accrual_above_dpd: int
    watch_months: int
    watch_instalments: int
    restructured_at_least: str
    restructured_watch_months: int
    marks_from: str
    marked_at_least: str

    def class_of(self, dpd: int) -> str:
        """The class of a loan by its days past due alone."""
        above = (self.technical_days, self.substandard_above_dpd, self.doubtful_above_dpd, self.loss_above_dpd)
        return worst(NORMAL, *(name for name, days in zip(CLASSES[1:], above, strict=True) if dpd > days))

    @property
    def marking(self) -> tuple[str, ...]:
        """Classes that mark a borrower's other loans."""
        return CLASSES[CLASSES.index(self.marks_from) :] if self.marks_from else ()


@dataclass(frozen=True, slots=True)
class Standing:
    """What a loan's own history makes of it on a day.

    `suspended`: its interest is no income. `improves_on` is the day on which a watch ends if it goes on being paid; None without a
    watch, and while an instalment that is unpaid keeps it from ending.
    """

    own_class: str
    suspended: bool
    watched: bool
    improves_on: date | None


def worst(*classes: str) -> str:
    """The worst of some classes."""
    return max(classes, key=CLASSES.index)


def standing_of(state: LoanState, rules: ClassRules) -> Standing:
    """A loan's standing on `state.as_of` by its own days past due, now and before; a written-off one is a loss."""
    if state.status is LoanStatus.WRITTEN_OFF:
        return Standing(LOSS, suspended=True, watched=False, improves_on=None)
    if state.status not in _RUNNING:
        return Standing(NORMAL, suspended=False, watched=False, improves_on=None)
    watches = [
        (kept, end)
        for kept, since, months in _watches(state, rules)
        if (end := _end(state, rules, since, months)) is None or state.as_of < end
    ]
    open_worst = next((lapse.worst for lapse in state.lapses[-1:] if lapse.until is None), 0)
    return Standing(
        own_class=worst(rules.class_of(state.dpd), *(kept for kept, _end in watches)),
        suspended=max(state.dpd, open_worst) > rules.non_accrual_above_dpd,
        watched=bool(watches),
        improves_on=min((end for _kept, end in watches if end is not None), default=None),
    )


def marked_loans(own_classes: Iterable[tuple[str, str, str]], rules: ClassRules) -> set[str]:
    """Of loans as (id, borrower, own class): those of whose borrower another loan marks them."""
    loans = tuple(own_classes)
    bad = [(loan, borrower) for loan, borrower, own_class in loans if own_class in rules.marking]
    causes: dict[str, set[str]] = {}
    for loan, borrower in bad:
        causes.setdefault(borrower, set()).add(loan)
    return {loan for loan, borrower, _own in loans if causes.get(borrower, set()) - {loan}}


def _watches(state: LoanState, rules: ClassRules) -> Iterator[tuple[str, date | None, int]]:
    """Reasons to watch a loan: the class it keeps, the day from which it must be paid in time (None: not yet), and for how many months."""
    for lapse in state.lapses:
        if (was := rules.class_of(lapse.worst)) in CLASSES[CLASSES.index(SUBSTANDARD) :]:
            yield was, lapse.until, rules.watch_months
    for told in state.transactions:
        item = told.transaction
        if item.kind not in _RESTRUCTURING or told.reversed_by is not None or told.remark is not None:
            continue
        # A floating rate follows its index for everybody.
        if told.dpd > rules.technical_days and not (item.kind is Kind.RATE_RESET and state.terms.floating):
            since = _due_after(state, item.value_date, 1) or item.value_date
            yield rules.restructured_at_least, since, rules.restructured_watch_months


def _end(state: LoanState, rules: ClassRules, since: date | None, months: int) -> date | None:
    """The day on which a watch ends that begins anew after every more than technical delay; None while one lasts."""
    for lapse in state.lapses:
        if since is None:
            return None
        too_late = lapse.since + timedelta(days=rules.technical_days + 1)
        disturbs = lapse.worst > rules.technical_days and (lapse.until is None or lapse.until > since)
        if disturbs and too_late < _undisturbed(state, rules, since, months):
            since = lapse.until
    return None if since is None else _undisturbed(state, rules, since, months)


def _undisturbed(state: LoanState, rules: ClassRules, since: date, months: int) -> date:
    """The day after the last day of a watch that begins on `since` with everything paid in time from then on."""
    by_months = month_day(since.year, since.month + months, since.day)
    paid = _due_after(state, since, rules.watch_instalments) if rules.watch_instalments else None
    return by_months if paid is None else max(by_months, paid + _ONE_DAY)


def _due_after(state: LoanState, day: date, count: int) -> date | None:
    """The due date of instalment number `count` of those due after a day, or the last of them; None when there is none."""
    later = [row.installment.due_date for row in state.rows if row.installment.due_date > day]
    return later[: max(count, 1)][-1] if later else None
