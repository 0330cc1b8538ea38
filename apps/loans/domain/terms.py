"""The immutable terms of a loan, checked once when made.

Money is yuan with two decimals, rates are fractions a year (0.108 = 10.8 %), days are calendar dates.
The core knows neither customers nor funders: the `_ref` fields are opaque.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from enum import StrEnum

from apps.common.money import CENT, ZERO
from apps.loans.domain.checks import check_money, check_rate, check_whole
from apps.loans.domain.daycount import DayCount, month_day
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.errors import said as _
from apps.loans.domain.fees import MAX_FEES, FeeRule

MAX_INSTALLMENTS = 1200
MAX_EVERY = 366
MAX_FUNDERS = 5
MAX_ANNUAL_RATE = Decimal(10)
MAX_DAYS = 100 * 12 * 31
SHARES_WHOLE = 10_000
LPR_INDEXES = ("lpr_1y", "lpr_5y")


class Method(StrEnum):
    EQUAL_INSTALLMENT = "equal_installment"
    EQUAL_PRINCIPAL = "equal_principal"
    INTEREST_FIRST = "interest_first"
    FLAT = "flat"
    BULLET = "bullet"
    BALLOON = "balloon"
    CUSTOM = "custom"
    STEP = "step"


class Frequency(StrEnum):
    MONTH = "month"
    WEEK = "week"
    DAY = "day"


_FROM_PLAN = (Method.EQUAL_INSTALLMENT, Method.EQUAL_PRINCIPAL, Method.FLAT, Method.BALLOON)
_CAPITALISING = (Method.EQUAL_INSTALLMENT, Method.EQUAL_PRINCIPAL, Method.BALLOON, Method.INTEREST_FIRST)
_LONGEST_DAYS = {Frequency.MONTH: 31, Frequency.WEEK: 7, Frequency.DAY: 1}


class Component(StrEnum):
    """What a loan can owe, in the default order of payment (docs/rules/waterfall.md)."""

    FEE = "fee"
    PENALTY = "penalty"
    COMPOUND = "compound"
    INTEREST = "interest"
    PRINCIPAL = "principal"


COMPONENTS: tuple[Component, ...] = tuple(Component)


class AllocationOrder(StrEnum):
    BY_INSTALMENT = "by_instalment"
    BY_COMPONENT = "by_component"


class MonthEnd(StrEnum):
    """Where a due day falls in a month that has no such day."""

    LAST_DAY = "last_day"
    NEXT_FIRST = "next_first"


class Bucket(StrEnum):
    """Parts past their due date, parts due today (a fee is due from its value date), and parts not yet due."""

    OVERDUE = "overdue"
    DUE = "due"
    ADVANCE = "advance"


class Advance(StrEnum):
    """Which instalments principal paid in advance is taken off: the next ones, the last ones, or each of them."""

    NEXT = "next"
    LAST = "last"
    RE_AMORTISE = "re_amortise"


class AssetClass(StrEnum):
    """What a loan is by its own days past due; one that does not accrue has a class besides."""

    NORMAL = "normal"
    SPECIAL_MENTION = "special_mention"
    SUBSTANDARD = "substandard"
    DOUBTFUL = "doubtful"
    LOSS = "loss"
    NON_ACCRUAL = "non_accrual"


_BY_DPD = (AssetClass.SPECIAL_MENTION, AssetClass.SUBSTANDARD, AssetClass.DOUBTFUL, AssetClass.LOSS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassBounds:
    """Days past due above which a loan is of a class, as agreed for its orders of payment."""

    special_mention: int = 7
    substandard: int = 90
    doubtful: int = 270
    loss: int = 360
    non_accrual: int = 90

    def __post_init__(self) -> None:
        bounds = [getattr(self, name) for name in _BY_DPD]
        for bound in (*bounds, self.non_accrual):
            check_whole("class_bounds", bound, 0, MAX_DAYS)
        if bounds != sorted(bounds):
            raise BadTerms("class_bounds", _("a worse class must not begin before a better one"))

    def classes_of(self, dpd: int) -> frozenset[AssetClass]:
        """The class of a loan with so many days past due, and that it does not accrue."""
        worst = next((name for name in reversed(_BY_DPD) if dpd > getattr(self, name)), AssetClass.NORMAL)
        return frozenset({worst, AssetClass.NON_ACCRUAL}) if dpd > self.non_accrual else frozenset({worst})


_PAID_AHEAD = frozenset({(Bucket.ADVANCE, Component.INTEREST), (Bucket.ADVANCE, Component.PRINCIPAL)})


@dataclass(frozen=True, slots=True)
class AllocationRule:
    """An order of payment for some kinds of transaction and classes of loan (none named: all), from `min_dpd` days past due on.

    Each (overdue or due, component) stands once; inside one, the oldest instalment is paid first. After them interest and
    principal may stand as paid in advance; principal is then taken off by `advance`. What is not named there becomes credit.
    """

    order: tuple[tuple[Bucket, Component], ...]
    kinds: frozenset[str] = frozenset()
    min_dpd: int = 0
    classes: frozenset[AssetClass] = frozenset()
    advance: Advance = Advance.NEXT

    def __post_init__(self) -> None:
        check_whole("allocation_rules", self.min_dpd, 0, MAX_DAYS)
        ahead = self.order[_PLACES_DUE:]
        if sorted(self.order[:_PLACES_DUE]) != _EACH_DUE or len(set(ahead)) != len(ahead) or not set(ahead) <= _PAID_AHEAD:
            raise BadTerms(
                "allocation_rules",
                _("order must name each component once as overdue and once as due, after them at most interest and principal in advance"),
            )

    @property
    def ahead(self) -> tuple[Component, ...]:
        """Components that money beyond what is due pays in advance, in their order."""
        return tuple(component for _bucket, component in self.order[_PLACES_DUE:])

    def fits(self, kind: str, dpd: int, bounds: ClassBounds) -> bool:
        """Whether it speaks of this kind of transaction on a loan with so many days past due."""
        is_kind = not self.kinds or kind in self.kinds
        return is_kind and dpd >= self.min_dpd and (not self.classes or bool(self.classes & bounds.classes_of(dpd)))


_EACH_DUE = sorted((bucket, component) for bucket in (Bucket.OVERDUE, Bucket.DUE) for component in Component)
_PLACES_DUE = len(_EACH_DUE)


@dataclass(frozen=True, slots=True)
class Tranche:
    """A part of the principal to be paid out on a day agreed in the terms."""

    on: date
    amount: Decimal


class FirstInterest(StrEnum):
    """How a plan takes a first period longer than a regular one: into its amount, on top of the first row, or into the principal."""

    BLENDED = "blended"
    ADDED = "added"
    CAPITALISED = "capitalised"


class GraceInterest(StrEnum):
    """Where interest of the first `interest_grace` instalments goes: to the instalment after them, or into the principal."""

    NEXT = "next"
    CAPITALISED = "capitalised"


class Rounding(StrEnum):
    HALF_UP = ROUND_HALF_UP
    HALF_EVEN = ROUND_HALF_EVEN


class Repricing(StrEnum):
    """When a floating loan takes a new rate; a reset is a transaction and re-amortises the rest."""

    YEARLY_1_JANUARY = "yearly_1_january"
    YEARLY_ANNIVERSARY = "yearly_anniversary"
    QUARTERLY = "quarterly"
    MONTHLY = "monthly"


@dataclass(frozen=True, slots=True)
class Floating:
    """A rate that follows `index` (an LPR) plus a spread in basis points; `annual_rate` is the first one."""

    index: str
    spread_bp: int
    repricing: Repricing

    def __post_init__(self) -> None:
        if self.index not in LPR_INDEXES:
            raise BadTerms("floating", _("index must be one of %(names)s", names=", ".join(LPR_INDEXES)))
        check_whole("floating", self.spread_bp, -2400, 10_000)


def due_in_month(month: date, day_number: int, month_end: MonthEnd) -> date:
    """The due date of a month given by any of its days, by the month-end rule."""
    day = month_day(month.year, month.month, day_number)
    return day + timedelta(days=1) if month_end is MonthEnd.NEXT_FIRST and day.day < day_number else day


@dataclass(frozen=True, slots=True)
class Funder:
    """One co-lender's share of a loan, in parts per 10,000; the first of a loan's funders leads."""

    party_ref: str
    parts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoanTerms:
    """Everything agreed when the loan was made. Raises `BadTerms`, naming the field, when it cannot be right."""

    principal: Decimal
    annual_rate: Decimal
    installments: int
    method: Method
    day_count: DayCount
    start: date
    first_due: date
    due_day: int | None = None
    frequency: Frequency = Frequency.MONTH
    every: int = 1
    fee_upfront: Decimal = ZERO
    balloon: Decimal = ZERO
    shares: tuple[Decimal, ...] = ()
    multiple: Decimal = CENT
    rounding: Rounding = Rounding.HALF_UP
    even_out: bool = False
    move_to_working_day: bool = False
    month_end: MonthEnd = MonthEnd.LAST_DAY
    first_interest: FirstInterest = FirstInterest.BLENDED
    principal_grace: int = 0
    interest_grace: int = 0
    grace_interest: GraceInterest = GraceInterest.NEXT
    interest_free: int = 0
    floating: Floating | None = None
    penalty_uplift: Decimal = Decimal("0.5")
    rate_cap: Decimal = Decimal("0.24")
    grace_days: int = 0
    compound: bool = False
    prepay_fee_rate: Decimal = Decimal(0)
    prepay_fee_floor: Decimal = ZERO
    prepay_fee_free_after: int | None = None
    waterfall: tuple[Component, ...] = COMPONENTS
    allocation: AllocationOrder = AllocationOrder.BY_INSTALMENT
    allocation_rules: tuple[AllocationRule, ...] = ()
    class_bounds: ClassBounds = ClassBounds()
    fees: tuple[FeeRule, ...] = ()
    tranches: tuple[Tranche, ...] = ()
    funders: tuple[Funder, ...] = ()
    borrower_ref: str = ""
    party_ref: str = ""
    collateral_ref: str = ""
    branch_ref: str = ""

    def __post_init__(self) -> None:
        self._check_amounts()
        self._check_dates()
        self._check_method()
        self._check_graces()
        self._check_servicing()
        self._check_lists()

    @property
    def anchor(self) -> int | None:
        """The day of the month on which instalments fall due; None for weekly and daily schedules."""
        if self.frequency is not Frequency.MONTH:
            return None
        return self.first_due.day if self.due_day is None else self.due_day

    @property
    def first_due_month(self) -> date:
        """The first day of the month whose due date `first_due` is: the one before, when that had no such day."""
        stands_in = self.month_end is MonthEnd.NEXT_FIRST and self.first_due.day == 1 and (self.due_day or 1) > 1
        return (self.first_due - timedelta(days=1) if stands_in else self.first_due).replace(day=1)

    @property
    def rows(self) -> int:
        """Rows of the plan as signed: a bullet loan has one, whatever its number of instalments."""
        return 1 if self.method is Method.BULLET else self.installments

    @property
    def capitalises(self) -> bool:
        """Whether interest can become principal."""
        return self.grace_interest is GraceInterest.CAPITALISED or self.first_interest is FirstInterest.CAPITALISED

    def check_span(self, installments: int) -> None:
        """Raise `BadTerms` when so many instalments would run for more than 100 years."""
        check_whole("installments", installments, 1, MAX_INSTALLMENTS)
        if installments * self.every * _LONGEST_DAYS[self.frequency] > MAX_DAYS:
            raise BadTerms("installments", _("the last due date would be more than 100 years away"))

    def _check_amounts(self) -> None:
        check_money("principal", self.principal, above_zero=True)
        check_money("fee_upfront", self.fee_upfront)
        check_money("balloon", self.balloon)
        check_money("multiple", self.multiple, above_zero=True)
        check_money("prepay_fee_floor", self.prepay_fee_floor)
        check_rate("annual_rate", self.annual_rate, MAX_ANNUAL_RATE)
        check_rate("penalty_uplift", self.penalty_uplift, MAX_ANNUAL_RATE)
        check_rate("rate_cap", self.rate_cap, MAX_ANNUAL_RATE)
        check_rate("prepay_fee_rate", self.prepay_fee_rate, Decimal(1))
        if self.fee_upfront >= self.principal:
            raise BadTerms("fee_upfront", _("must be less than the principal"))

    def _check_dates(self) -> None:
        check_whole("every", self.every, 1, MAX_EVERY)
        if not (1970 <= self.start.year <= 2200):
            raise BadTerms("start", _("must be between 1970 and 2200"))
        if self.first_due <= self.start:
            raise BadTerms("first_due", _("must be after start"))
        if self.first_due.year > 2300:
            raise BadTerms("first_due", _("must not be after 2300"))
        self.check_span(self.installments)
        if self.due_day is None:
            return
        check_whole("due_day", self.due_day, 1, 31)
        if self.first_due != due_in_month(self.first_due_month, self.due_day, self.month_end):
            raise BadTerms("first_due", _("%(first_due)s is not on due day %(due_day)s", first_due=self.first_due, due_day=self.due_day))

    def _check_method(self) -> None:
        if self.method is Method.BALLOON:
            if not ZERO < self.balloon < self.principal:
                raise BadTerms("balloon", _("must be above 0 and below the principal"))
        elif self.balloon:
            raise BadTerms("balloon", _("does not go with method %(method)s", method=self.method))
        if self.method in (Method.CUSTOM, Method.STEP):
            if len(self.shares) != self.installments:
                raise BadTerms(
                    "shares",
                    _("%(shares)s given for %(installments)s installments", shares=len(self.shares), installments=self.installments),
                )
            if min(self.shares) < 0 or sum(self.shares) != 1:
                raise BadTerms("shares", _("must not be negative and must add up to exactly 1"))
        elif self.shares:
            raise BadTerms("shares", _("do not go with method %(method)s", method=self.method))

    def _check_graces(self) -> None:
        check_whole("principal_grace", self.principal_grace, 0, MAX_INSTALLMENTS)
        check_whole("interest_grace", self.interest_grace, 0, MAX_INSTALLMENTS)
        check_whole("interest_free", self.interest_free, 0, MAX_INSTALLMENTS)
        if self.principal_grace and self.method not in _FROM_PLAN:
            raise BadTerms("principal_grace", _("does not go with method %(method)s", method=self.method))
        for field in ("principal_grace", "interest_grace"):
            if getattr(self, field) >= max(self.rows, 1) and getattr(self, field):
                raise BadTerms(field, _("must leave an instalment after it"))
        if self.interest_free > self.rows:
            raise BadTerms("interest_free", _("is more than there are instalments"))
        if self.grace_interest is GraceInterest.CAPITALISED:
            if self.method not in _CAPITALISING or not self.interest_grace:
                raise BadTerms(
                    "grace_interest", _("capitalised needs interest_grace, and does not go with method %(method)s", method=self.method)
                )
            if self.method is not Method.INTEREST_FIRST and self.principal_grace < self.interest_grace:
                raise BadTerms("grace_interest", _("capitalised needs a principal_grace as long as interest_grace"))
        if self.first_interest is FirstInterest.CAPITALISED:
            if self.method not in _CAPITALISING or self.method is Method.INTEREST_FIRST:
                raise BadTerms("first_interest", _("capitalised does not go with method %(method)s", method=self.method))
            if self.principal_grace or self.interest_grace or self.even_out:
                raise BadTerms("first_interest", _("capitalised does not go with grace or even_out"))

    def _check_servicing(self) -> None:
        check_whole("grace_days", self.grace_days, 0, 366)
        if self.prepay_fee_free_after is not None:
            check_whole("prepay_fee_free_after", self.prepay_fee_free_after, 0, MAX_INSTALLMENTS)
        if sorted(self.waterfall) != sorted(COMPONENTS):
            raise BadTerms("waterfall", _("must name each of %(names)s once", names=", ".join(COMPONENTS)))
        if self.funders:
            if len(self.funders) > MAX_FUNDERS:
                raise BadTerms("funders", _("at most %(max_funders)s", max_funders=MAX_FUNDERS))
            if any(funder.parts <= 0 for funder in self.funders):
                raise BadTerms("funders", _("parts must be above zero"))
            if sum(funder.parts for funder in self.funders) != SHARES_WHOLE:
                raise BadTerms("funders", _("parts must add up to %(shares_whole)s", shares_whole=SHARES_WHOLE))
            if len({funder.party_ref for funder in self.funders}) != len(self.funders):
                raise BadTerms("funders", _("each party_ref may appear once"))

    def _check_lists(self) -> None:
        if len(self.fees) > MAX_FEES or len({fee.name for fee in self.fees}) != len(self.fees):
            raise BadTerms("fees", _("at most %(max_fees)s, each with its own name", max_fees=MAX_FEES))
        if len(self.allocation_rules) > MAX_FEES:
            raise BadTerms("allocation_rules", _("at most %(max_fees)s", max_fees=MAX_FEES))
        days = [tranche.on for tranche in self.tranches]
        if not days:
            return
        if len(days) > MAX_INSTALLMENTS or days[0] != self.start or days != sorted(set(days)):
            raise BadTerms("tranches", _("the first must be on the start date, each later one on a later day"))
        for tranche in self.tranches:
            check_money("tranches", tranche.amount, above_zero=True)
        if sum(tranche.amount for tranche in self.tranches) != self.principal:
            raise BadTerms("tranches", _("must add up to the principal %(principal)s", principal=self.principal))
