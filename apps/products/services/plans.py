"""Plans for a customer, and the public calculator. Nothing is written."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.common.calendar import is_working_day
from apps.common.errors import BadInput
from apps.common.money import ZERO
from apps.loans.domain.daycount import DayCount, month_day
from apps.loans.domain.errors import BadTerms, RateAboveCap
from apps.loans.domain.quote import Quote, make_quote
from apps.loans.domain.terms import LoanTerms, Method
from apps.organisations.selectors import annual_rate_cap, parameters_of
from apps.products.domain import KIND_OF_LEASE, Kind, Matching, Plan, Wish, match
from apps.products.selectors import on_sale


class QuoteRefused(BadInput):
    """Terms that cannot be right; `fields` name the culprit."""

    code = "quote_refused"
    title = _("These terms are not possible.")


class CostAboveCap(BadInput):
    """The annual rate with all fees is above what the law allows this lender; `facts` hold both numbers in percent."""

    code = "rate_above_cap"
    title = _("The annual rate with all fees is above the legal cap.")


def match_plans(
    *,
    legal_entity_id: UUID,
    lease_type: str | None,
    vehicle_price: Decimal | None,
    guide_price: Decimal | None,
    requested_amount: Decimal,
    requested_term: int | None,
    grade: str,
    limit: Decimal | None,
    annual_rate: Decimal | None,
    monthly_income: Decimal | None,
    on: dt.date,
    power: str | None = None,
    age: int | None = None,
    monthly_debts: Decimal = ZERO,
) -> list[Plan]:
    """All plans that fit, best first. Amounts in yuan, rates as fractions; `limit` and `annual_rate` are the decision's.

    `lease_type` is `direct` (正租), `leaseback` (回租) or None (with a vehicle: both; without: cash). A car of unknown `power` is held to
    the stricter share; shares are of the lower of price and `guide_price`, which is None only without a car. More is lent than neither
    limit nor share allows: a plan may be for less than was asked.
    """
    found = matching(
        legal_entity_id=legal_entity_id,
        lease_type=lease_type,
        vehicle_price=vehicle_price,
        guide_price=guide_price,
        requested_amount=requested_amount,
        requested_term=requested_term,
        grade=grade,
        limit=limit,
        annual_rate=annual_rate,
        monthly_income=monthly_income,
        on=on,
        power=power,
        age=age,
        monthly_debts=monthly_debts,
    )
    return list(found.plans)


def matching(
    *,
    legal_entity_id: UUID,
    lease_type: str | None,
    vehicle_price: Decimal | None,
    guide_price: Decimal | None,
    requested_amount: Decimal,
    requested_term: int | None,
    grade: str,
    limit: Decimal | None,
    annual_rate: Decimal | None,
    monthly_income: Decimal | None,
    on: dt.date,
    power: str | None = None,
    age: int | None = None,
    monthly_debts: Decimal = ZERO,
) -> Matching:
    """As `match_plans`, with the reason of each option that gives no plan."""
    kinds = _kinds(lease_type, with_vehicle=vehicle_price is not None)
    is_car = Kind.CASH not in kinds
    rules = parameters_of("car_loan." if is_car else "consumer_loan.", on=on, legal_entity_id=legal_entity_id)
    wish = Wish(
        on=on,
        amount=requested_amount,
        term=requested_term,
        grade=grade,
        rate_cap=annual_rate_cap(legal_entity_id=legal_entity_id, on=on),
        limit=limit,
        annual_rate=annual_rate,
        vehicle_price=vehicle_price,
        guide_price=guide_price,
        power=power,
        ltv_caps={power: rules[f"car_loan.ltv_max.{power}"] for power in ("ice", "nev")} if is_car else {},
        max_term=rules["car_loan.term_months_max" if is_car else "consumer_loan.term_months_max"],
        monthly_income=monthly_income,
        monthly_debts=monthly_debts,
        age=age,
    )
    return match(on_sale(legal_entity_id, on=on, kinds=kinds), wish, is_working_day=is_working_day)


def _kinds(lease_type: str | None, *, with_vehicle: bool) -> tuple[Kind, ...]:
    if lease_type:
        if lease_type not in KIND_OF_LEASE:
            raise QuoteRefused(fields={"lease_type": [str(_("Choose direct or leaseback."))]})
        return (KIND_OF_LEASE[lease_type],)
    return (Kind.CAR_LEASE_DIRECT, Kind.CAR_LEASE_BACK) if with_vehicle else (Kind.CASH,)


def calculate(
    *,
    legal_entity_id: UUID,
    principal: Decimal,
    annual_rate: Decimal,
    installments: int,
    on: dt.date,
    method: str = Method.EQUAL_INSTALLMENT,
    day_count: str = DayCount.THIRTY_360,
    fee_upfront: Decimal = ZERO,
    balloon: Decimal = ZERO,
    first_due: dt.date | None = None,
) -> Quote:
    """The plan of free terms with all its costs, paid out on `on`; `annual_rate` is a fraction.

    Raises `QuoteRefused`, and `CostAboveCap` with both numbers.
    """
    try:
        terms = LoanTerms(
            principal=principal,
            annual_rate=annual_rate,
            installments=installments,
            method=Method(method),
            day_count=DayCount(day_count),
            start=on,
            first_due=first_due or month_day(on.year, on.month + 1, on.day),
            due_day=None if first_due else on.day,
            fee_upfront=fee_upfront,
            balloon=balloon,
            rate_cap=annual_rate_cap(legal_entity_id=legal_entity_id, on=on),
        )
        return make_quote(terms)
    except RateAboveCap as error:
        text = _("The annual rate with all fees is %(apr)s %%, above the cap of %(cap)s %%.") % {"apr": error.apr_irr, "cap": error.cap}
        raise CostAboveCap(text, apr_irr=error.apr_irr, cap=error.cap) from None
    except BadTerms as error:
        raise QuoteRefused(fields={error.field: [error.why(gettext)]}) from None
