"""How a balance is paid off over periods: one function for the first plan and for every later change of it.

The running period of a loan may be partly over: then `units[0]` is what is left of its fraction and `carried` is
the interest already run in it and still to be paid with the row, as an exact numerator (yuan x rate x units, to be
divided by the day count's basis). Rules with worked examples: docs/rules/amortisation.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from apps.common.money import CENT, ZERO, round_money
from apps.loans.domain.daycount import BASIS
from apps.loans.domain.terms import LoanTerms, Method

_NOTHING = Decimal(0)
_ONE = Decimal(1)
_LEVEL = (Method.EQUAL_INSTALLMENT, Method.BALLOON)


@dataclass(frozen=True, slots=True)
class Debt:
    """What is to be paid off: the balance, its rate, and the time it has left.

    `flat_base` is the amount a flat loan bears interest on (its original principal); other methods ignore it.
    `weights` are the shares of custom and step plans that are still to come. In the first `principal_grace` rows no
    principal is asked; the interest of the first `interest_grace` rows is asked with the row after them.
    Interest of the first `capitalising` rows becomes principal as each ends. That of the first row's `extra_units` comes on top of
    its level instalment, or becomes principal with `extra_capitalised`.
    """

    balance: Decimal
    rate: Decimal
    units: Sequence[int]
    carried: Decimal = _NOTHING
    balloon: Decimal = ZERO
    flat_base: Decimal = ZERO
    weights: Sequence[Decimal] = ()
    principal_grace: int = 0
    interest_grace: int = 0
    extra_units: int = 0
    capitalising: int = 0
    extra_capitalised: bool = False


@dataclass(frozen=True, slots=True)
class Amortisation:
    """Rows of (principal, interest); `installment` is the level amount, or the total of the first row.

    The first `deferring` rows leave their interest to the next one. `capitalised` is what of the interest of the first rows
    becomes principal as each ends: it is not asked for, and later rows pay it off.
    """

    installment: Decimal
    rows: tuple[tuple[Decimal, Decimal], ...]
    deferring: int = 0
    capitalised: tuple[Decimal, ...] = ()


def amortise(terms: LoanTerms, debt: Debt) -> Amortisation:
    """Pay `debt` off over all its periods by the method of `terms`; the last row takes what is left."""
    if debt.capitalising:
        return after_capitalising(terms, debt, lambda rest: amortise(terms, rest))
    if debt.extra_capitalised and debt.extra_units and len(debt.units) > 1:
        return _with_first_capitalised(terms, debt)
    if terms.method in _LEVEL:
        installment = _level_installment(terms, debt)
        rows = _level_rows(terms, debt, installment)
        if terms.even_out:
            installment, rows = _evened_out(terms, debt, installment, rows)
        return Amortisation(installment, tuple(rows), debt.interest_grace)
    return keep_principals(terms, debt, _planned_principals(terms, debt))


def after_capitalising(terms: LoanTerms, debt: Debt, plan: Callable[[Debt], Amortisation]) -> Amortisation:
    """Rows that ask for nothing while their interest becomes principal, and those by which `plan` pays off what it has grown to."""
    basis, count = BASIS[terms.day_count], debt.capitalising
    balance, carried = debt.balance, debt.carried
    grown = []
    for units in debt.units[:count]:
        interest = round_money((carried + balance * debt.rate * units) / basis, terms.rounding.value)
        balance, carried = balance + interest, _NOTHING
        grown.append(interest)
    grace = max(debt.principal_grace - count, 0)
    rest = plan(
        replace(debt, balance=balance, units=debt.units[count:], carried=_NOTHING, principal_grace=grace, capitalising=0, extra_units=0)
    )
    return Amortisation(rest.installment, (*((ZERO, interest) for interest in grown), *rest.rows), capitalised=tuple(grown))


def _with_first_capitalised(terms: LoanTerms, debt: Debt) -> Amortisation:
    """Interest of a first period's extra days becomes principal with the first row, which asks for a regular period's only."""
    basis, rounding, count = BASIS[terms.day_count], terms.rounding.value, len(debt.units)
    run = debt.balance * debt.rate
    whole = round_money(run * debt.units[0] / basis, rounding)
    asked = round_money(run * (debt.units[0] - debt.extra_units) / basis, rounding)
    is_level = terms.method in _LEVEL
    if is_level:
        installment = _level_installment(terms, debt, grows_by=whole - asked)
    else:
        installment = round_money((debt.balance + whole - asked) / count, rounding, terms.multiple) + asked
    first = min(max(installment - asked, ZERO), debt.balance)
    rest = replace(debt, balance=debt.balance - first + whole - asked, units=debt.units[1:], extra_units=0)
    rows = _level_rows(terms, rest, installment) if is_level else keep_principals(terms, rest, [first] * (count - 1)).rows
    return Amortisation(installment, ((first, whole), *rows), capitalised=(whole - asked,))


def keep_installment(terms: LoanTerms, debt: Debt, installment: Decimal) -> Amortisation:
    """Pay `debt` off by a given level instalment, ending at the first row that clears balance and interest."""
    return Amortisation(installment, tuple(_level_rows(terms, debt, installment, stop_early=True)), debt.interest_grace)


def keep_principals(terms: LoanTerms, debt: Debt, principals: Sequence[Decimal], *, stop_early: bool = False) -> Amortisation:
    """Pay `debt` off by given principal parts, cut to what is left; interest is anew.

    With `stop_early` the plan ends with the row that clears the balance.
    """
    basis, flat, rounding = BASIS[terms.day_count], terms.method is Method.FLAT, terms.rounding.value
    balance, carried, rate = debt.balance, debt.carried, debt.rate
    rows: list[tuple[Decimal, Decimal]] = []
    last = len(debt.units) - 1
    for index, units in enumerate(debt.units):
        bears = debt.flat_base if flat else balance
        run = carried + bears * rate * units
        principal = balance if index == last else min(principals[index], balance)
        balance -= principal
        if index < debt.interest_grace:
            interest, carried = ZERO, run
        else:
            interest, carried = round_money(run / basis, rounding), _NOTHING
        rows.append((principal, interest))
        if stop_early and not balance and not carried:
            break
    return Amortisation(rows[0][0] + rows[0][1], tuple(rows), debt.interest_grace)


def _planned_principals(terms: LoanTerms, debt: Debt) -> list[Decimal]:
    """Principal of each row but for the last one's remainder, by the methods that fix principal first."""
    count, rounding = len(debt.units), terms.rounding.value
    if terms.method in (Method.EQUAL_PRINCIPAL, Method.FLAT):
        grace = debt.principal_grace
        return [ZERO] * grace + [round_money(debt.balance / (count - grace), rounding, terms.multiple)] * (count - grace)
    if terms.method in (Method.CUSTOM, Method.STEP):
        whole = sum(debt.weights)
        if not whole:
            return [ZERO] * count
        return [round_money(debt.balance * weight / whole, rounding) for weight in debt.weights]
    return [ZERO] * count


def _level_installment(terms: LoanTerms, debt: Debt, *, grows_by: Decimal = ZERO) -> Decimal:
    """(P - B x d_n) / sum of d_k, where d_k discounts row k to today; interest already run counts as owed in row 1.

    What P grows by when row 1 ends counts as owed then. Rows of principal grace pay their interest and leave P as it is: today is the
    day after them.
    """
    basis, rate, grace = BASIS[terms.day_count], debt.rate, debt.principal_grace
    discount, discounts = _ONE, _NOTHING
    present_carried = _NOTHING
    for index, units in enumerate(debt.units[grace:] if grace else debt.units):
        if debt.extra_units and not index and not grace:
            units -= debt.extra_units
        discount /= 1 + rate * units / basis
        discounts += discount
        if not index and not grace:
            present_carried = (debt.carried / basis + grows_by) * discount
    owed = debt.balance + present_carried - debt.balloon * discount
    return round_money(owed / discounts, terms.rounding.value, terms.multiple)


def _level_rows(terms: LoanTerms, debt: Debt, installment: Decimal, *, stop_early: bool = False) -> list[tuple[Decimal, Decimal]]:
    """Rows of one amount. A row whose interest alone is above it (a long first period) pays interest only."""
    basis, rounding = BASIS[terms.day_count], terms.rounding.value
    balance, carried, rate = debt.balance, debt.carried, debt.rate
    rows: list[tuple[Decimal, Decimal]] = []
    last, deferred = len(debt.units) - 1, _NOTHING
    for index, units in enumerate(debt.units):
        run = carried + balance * rate * units
        interest = (run / basis).quantize(CENT, rounding)
        carried = _NOTHING
        principal = installment - interest
        if debt.extra_units and not index:
            principal = installment - ((run - balance * rate * debt.extra_units) / basis).quantize(CENT, rounding)
        if index < debt.principal_grace:
            principal = ZERO
        ends = index == last or (stop_early and index >= debt.interest_grace and balance + interest <= installment)
        if ends or principal > balance:
            principal = balance
        elif principal < 0:
            principal = ZERO
        if index < debt.interest_grace:
            deferred += run
            interest = ZERO
        elif deferred:
            interest, deferred = ((deferred + run) / basis).quantize(CENT, rounding), _NOTHING
        rows.append((principal, interest))
        if ends:
            break
        balance -= principal
    return rows


def _evened_out(
    terms: LoanTerms, debt: Debt, installment: Decimal, rows: list[tuple[Decimal, Decimal]]
) -> tuple[Decimal, list[tuple[Decimal, Decimal]]]:
    """Move the instalment by the one step that brings the last row closest, when it misses by more than n/2 steps."""

    def miss(amount: Decimal, plan: list[tuple[Decimal, Decimal]]) -> Decimal:
        return abs(sum(plan[-1]) - debt.balloon - amount)

    best = miss(installment, rows)
    if best * 2 <= len(debt.units) * terms.multiple:
        return installment, rows
    chosen, plan = installment, rows
    for moved in (installment - terms.multiple, installment + terms.multiple):
        candidate = _level_rows(terms, debt, moved)
        if (missed := miss(moved, candidate)) < best:
            best, chosen, plan = missed, moved, candidate
    return chosen, plan
