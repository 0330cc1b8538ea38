"""Annual rates for disclosure. A rate is not money, so it is solved in binary floating point and shown as a
percentage with two decimals; every amount that goes in is exact. Rules: docs/rules/amortisation.md.
"""

from collections.abc import Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from math import inf

from apps.loans.domain.errors import BadTerms
from apps.loans.domain.errors import said as _
from apps.loans.domain.terms import Frequency, LoanTerms, Method

_PERIODS_A_YEAR = {Frequency.MONTH: 12, Frequency.WEEK: 52, Frequency.DAY: 365}
_PERIOD_DAYS = {Frequency.MONTH: 365 / 12, Frequency.WEEK: 7, Frequency.DAY: 1}
_MAX_STEPS = 100
_BEYOND_ANY_CAP = 1e12


def periodic_irr(net_paid_out: Decimal, totals: Sequence[Decimal]) -> float:
    """The rate per period at which equal-period payments `totals` are worth `net_paid_out` today.

    Newton on the discount factor v: sum of c_k v^k is convex and rising for v > 0, so starting at v = 1 the steps
    fall towards the root and cannot miss it. Raises `BadTerms` when the payments do not even return the amount.
    """
    net, flows = float(net_paid_out), [float(total) for total in reversed(totals)]
    if net <= 0 or sum(flows) < net - 1e-6:
        raise BadTerms("fee_upfront", _("the payments do not return what was paid out"))
    v = 1.0
    for _step in range(_MAX_STEPS):
        value = slope = 0.0
        for flow in flows:
            slope = slope * v + value
            value = value * v + flow
        slope, value = slope * v + value, value * v
        step = (value - net) / slope
        v -= step
        if abs(step) < 1e-15 * v:
            break
    return max(1.0 / v - 1.0, 0.0)


def _irr_of_parts(net_paid_out: Decimal, later: Sequence[tuple[float, Decimal]], totals: Sequence[Decimal]) -> float:
    """The rate per period when further parts are paid out later, (periods from the start, amount): by halving on the discount factor."""
    flows = [(float(no), float(total)) for no, total in enumerate(totals, start=1)]
    flows += [(periods, -float(amount)) for periods, amount in later]
    net = float(net_paid_out)
    if net <= 0 or sum(amount for _periods, amount in flows) < net - 1e-6:
        raise BadTerms("fees", _("the payments do not return what was paid out"))
    low, high = 0.0, 1.0
    for _step in range(_MAX_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(amount * middle**periods for periods, amount in flows) < net else (low, middle)
    return max(1.0 / high - 1.0, 0.0)


def disclosed_rates(
    terms: LoanTerms, totals: Sequence[Decimal], *, paid_out: Decimal | None = None, later: Sequence[tuple[float, Decimal]] = ()
) -> tuple[Decimal, Decimal]:
    """(`apr_irr`, `effective_rate`) in percent with 2 decimals, all fees included: IRR x periods, and compounded.

    `paid_out` is what the borrower gets at the start, the principal less the fee up front when left out; `later` what comes after it,
    (periods from the start, amount).
    """
    net = terms.principal - terms.fee_upfront if paid_out is None else paid_out
    rate = _irr_of_parts(net, later, totals) if later else periodic_irr(net, totals)
    a_year = _periods_a_year(terms)
    try:
        effective = (1.0 + rate) ** a_year - 1.0
    except OverflowError:
        effective = inf
    return _percent(rate * a_year), _percent(effective)


def xirr(flows: Sequence[tuple[date, Decimal]]) -> float:
    """Dated annual rate (actual days over 365) of flows that begin with the amount paid out, as a negative.

    Raises ValueError when there is no rate above -100 % and below 100,000 % at which the flows balance.
    """
    if not flows:
        raise ValueError("no flows")
    origin = flows[0][0]
    points = [((day - origin).days / 365.0, float(amount)) for day, amount in flows]
    low, high = -0.999999, 1000.0

    def worth(rate: float) -> float:
        return sum(amount * float((1.0 + rate) ** -years) for years, amount in points)

    if worth(low) * worth(high) > 0:
        raise ValueError("the flows have no internal rate of return")
    sign = 1.0 if worth(low) > 0 else -1.0
    for _step in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if sign * worth(middle) > 0 else (low, middle)
    return (low + high) / 2


def _periods_a_year(terms: LoanTerms) -> float:
    """12/N, 52/N or 365/N. A bullet loan is one period as long as the loan, rounded to whole periods."""
    every = float(terms.every)
    if terms.method is Method.BULLET:
        days = (terms.first_due - terms.start).days
        every *= max(1, round(days / (_PERIOD_DAYS[terms.frequency] * terms.every)))
    return _PERIODS_A_YEAR[terms.frequency] / every


def _percent(rate: float) -> Decimal:
    if rate > _BEYOND_ANY_CAP:
        return Decimal("Infinity")
    # Twelve decimals first: 12.345 % must not become 12.34 because a binary fraction fell a hair short of it.
    return (Decimal(repr(round(rate, 12))) * 100).quantize(Decimal("0.01"), ROUND_HALF_UP)
