from __future__ import annotations

import dataclasses
import datetime as dt
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.loans.domain.errors import BadTerms
from apps.loans.domain.quote import make_quote
from apps.products.domain import (
    Kind,
    OptionFacts,
    Plan,
    ProductFacts,
    Wish,
    build_terms,
    ltv_cap_of,
    match,
    plan_from_json,
    plan_to_json,
    price,
)

D = Decimal
TODAY = dt.date(2026, 11, 20)


def option(
    code: str, installments: int, method: str = "equal_installment", delta: str = "0", fee: str = "0", balloon: str = "0"
) -> OptionFacts:
    return OptionFacts(UUID(int=sum(map(ord, code)) * 1000 + installments), code, installments, method, D(delta), D(fee), D(balloon))


PRODUCT = ProductFacts(
    id=UUID(int=1),
    product_id=UUID(int=2),
    legal_entity_id=UUID(int=3),
    code="lease_back",
    version=1,
    kind=Kind.CAR_LEASE_BACK,
    state="on_sale",
    name="新车回租",
    financing_party="恒川汽车金融有限公司",
    guarantee="mortgage",
    purpose="consumption",
    borrower="person",
    amount_min=D("10000.00"),
    amount_max=D("500000.00"),
    max_ltv={"ice": D("0.80"), "nev": D("0.85")},
    min_share_down=D("0.10"),
    rates={"A": D("0.096"), "B": D("0.108")},
    rate_min=D("0.06"),
    rate_max=D("0.18"),
    day_count="30/360",
    penalty_uplift=D("0.5"),
    grace_days=0,
    prepay_fee_rate=D("0.02"),
    prepay_fee_free_after=12,
    min_age=18,
    max_age_at_end=65,
    min_income=D("3000"),
    funders=(),
    options=(
        option("H24", 24, delta="-0.012", fee="0.015"),
        option("H36", 36),
        option("H36W", 36, method="balloon", delta="0.006", balloon="0.30"),
    ),
)
# The order of the design reference: 152,800 yuan, 32,800 down, 16,821 yuan a month with 2,391 yuan of payments elsewhere.
WISH = Wish(
    on=TODAY,
    amount=D("120000.00"),
    term=36,
    grade="B",
    rate_cap=D("0.24"),
    limit=D("200000.00"),
    annual_rate=D("0.108"),
    vehicle_price=D("152800.00"),
    guide_price=D("152800.00"),
    power="nev",
    ltv_caps={"ice": D("0.80"), "nev": D("0.85")},
    max_term=60,
    monthly_income=D("16821.00"),
    monthly_debts=D("2391.00"),
    age=35,
)


def plans(product: ProductFacts = PRODUCT, **changes) -> tuple[Plan, ...]:
    return match([product], dataclasses.replace(WISH, **changes)).plans


def by_code(found: tuple[Plan, ...]) -> dict[str, Plan]:
    codes = {o.id: o.code for o in PRODUCT.options}
    return {codes[plan.option_id]: plan for plan in found}


def refused(product: ProductFacts = PRODUCT, **changes) -> set[str]:
    return {refusal.code for refusal in match([product], dataclasses.replace(WISH, **changes)).refusals}


def test_a_price_above_the_guide_price_lends_no_more():
    """The car is worth the lower of both: 0.85 × 120,000 = 102,000, whatever was agreed above it; below it the price counts."""
    for paid, worth, lent in (("144000", "120000", "102000"), ("120000", "120000", "102000"), ("120000", "144000", "102000")):
        plan = by_code(plans(vehicle_price=D(paid), guide_price=D(worth)))["H36"]
        assert (plan.principal, plan.ltv, plan.down_payment) == (D(lent), D("0.8500"), D(paid) - D(lent))
    assert by_code(plans(vehicle_price=D("144000"), guide_price=None))["H36"].principal == D("120000.00")


def test_the_sums_of_the_reference_order_come_out():
    found = by_code(plans())
    equal, short, balloon = found["H36"], found["H24"], found["H36W"]
    assert (equal.installment, equal.last_installment) == (D("3917.29"), D("3917.30"))
    assert (equal.total_cost, equal.total_paid, equal.apr_irr, equal.effective_rate) == (
        D("21022.45"),
        D("141022.45"),
        D("10.80"),
        D("11.35"),
    )
    assert (short.installment, short.last_installment, short.fees) == (D("5515.26"), D("5515.33"), D("1800.00"))
    assert (short.total_interest, short.total_cost, short.apr_irr, short.effective_rate) == (
        D("12366.31"),
        D("14166.31"),
        D("11.11"),
        D("11.70"),
    )
    assert (balloon.installment, balloon.last_installment, balloon.balloon) == (D("3107.99"), D("39108.04"), D("36000.00"))
    assert (balloon.total_cost, balloon.apr_irr, balloon.effective_rate) == (D("27887.69"), D("11.40"), D("12.01"))
    assert equal.payment_to_income == D("0.3750")
    assert short.payment_to_income == D("0.4700")
    assert (equal.ltv, equal.ltv_cap) == (D("0.7853"), D("0.85"))
    assert (equal.down_payment, equal.deposit) == (D("32800.00"), D("0.00"))


def test_the_asked_for_plan_leads_and_two_others_follow_with_reasons():
    found = plans()
    assert len(found) == 3
    assert by_code(found)["H36"] == found[0]
    scores = [plan.score for plan in found]
    assert scores == sorted(scores, reverse=True)
    for plan in found:
        assert plan.score == sum(reason.points for reason in plan.reasons)
        assert {"approval_chance", "payment_to_income", "total_cost"} <= {reason.code for reason in plan.reasons}
    assert "term_as_asked" in {reason.code for reason in found[0].reasons}


def test_first_instalment_falls_a_month_after_the_start():
    assert plans()[0].schedule[0].due_date == dt.date(2026, 12, 20)
    late = plans(on=dt.date(2027, 1, 31))[0].schedule
    assert [row.due_date for row in late[:3]] == [dt.date(2027, 2, 28), dt.date(2027, 3, 31), dt.date(2027, 4, 30)]


def test_the_cost_table_names_every_cost_and_its_share_of_the_year():
    short = by_code(plans())["H24"]
    rows = {row.code: row for row in short.cost_rows}
    assert list(rows) == ["interest", "service_fee", "penalty", "prepay_fee"]
    assert (rows["interest"].amount, rows["interest"].rate) == (D("12366.31"), D("0.096"))
    assert (rows["service_fee"].amount, rows["service_fee"].rate) == (D("1800.00"), D("0.015"))
    normal = [row for row in short.cost_rows if not row.contingent]
    assert sum(row.annual_simple for row in normal) == short.apr_irr
    assert sum(row.annual_compound for row in normal) == short.effective_rate
    assert sum(row.amount for row in normal) == short.total_cost
    assert rows["penalty"].rate == D("0.144")
    assert (rows["prepay_fee"].rate, rows["prepay_fee"].free_after) == (D("0.02"), 12)


@pytest.mark.parametrize(
    ("changes", "principal"),
    [
        ({}, "120000.00"),
        ({"limit": D("99999.99")}, "99900.00"),
        ({"power": "ice"}, "120000.00"),
        ({"power": "ice", "vehicle_price": D("149000.00")}, "119200.00"),
        ({"power": None, "vehicle_price": D("149000.00")}, "119200.00"),
        ({"ltv_caps": {"nev": D("0.70")}}, "106900.00"),
    ],
)
def test_no_more_is_lent_than_limit_and_share_of_the_price_allow(changes, principal):
    plan = plans(**changes)[0]
    assert plan.principal == D(principal)
    assert plan.reduced == (plan.principal < WISH.amount)
    assert plan.principal + plan.down_payment == plan.vehicle_price


def test_own_money_is_a_deposit_in_a_direct_lease_and_nothing_without_a_car():
    direct = plans(dataclasses.replace(PRODUCT, kind=Kind.CAR_LEASE_DIRECT))[0]
    assert (direct.deposit, direct.down_payment) == (D("32800.00"), D("0.00"))
    cash = dataclasses.replace(PRODUCT, kind=Kind.CASH, max_ltv={}, amount_max=D("50000.00"))
    plan = plans(cash, amount=D("50000.00"), vehicle_price=None)[0]
    assert (plan.deposit, plan.down_payment, plan.vehicle_price, plan.ltv) == (D("0.00"), D("0.00"), D("0.00"), None)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"vehicle_price": None}, "vehicle_missing"),
        ({"grade": "E"}, "grade"),
        ({"limit": D("9000")}, "amount_too_small"),
        ({"age": 17}, "age"),
        ({"age": 63}, "age_at_end"),
        ({"max_term": 24}, "term"),
        ({"monthly_income": D("2999")}, "income"),
        ({"monthly_income": D("6000")}, "payment_above_income"),
        ({"rate_cap": D("0.11")}, "rate_above_cap"),
    ],
)
def test_what_does_not_fit_is_left_out_with_its_reason(changes, code):
    assert code in refused(**changes)


def test_a_plan_above_the_cap_is_refused_with_both_numbers():
    refusals = match([PRODUCT], dataclasses.replace(WISH, rate_cap=D("0.11"))).refusals
    assert {"apr_irr": "11.11", "cap": "11.00"} in [refusal.facts for refusal in refusals if refusal.code == "rate_above_cap"]


def test_the_grades_rate_serves_when_the_decision_gives_none():
    assert by_code(plans(annual_rate=None))["H36"].annual_rate == D("0.108")
    assert by_code(plans(annual_rate=None, grade="A"))["H36"].annual_rate == D("0.096")
    assert by_code(plans(annual_rate=D("0.30")))["H36"].annual_rate == D("0.18")


def test_a_grade_without_a_rate_is_told_in_any_language():
    wish = dataclasses.replace(WISH, grade="Z", annual_rate=None)
    with pytest.raises(BadTerms) as refused:
        price(PRODUCT, PRODUCT.options[0], wish, wish.amount)
    assert refused.value.why({"%(grade)s has no rate in this product": "没有%(grade)s的利率"}.__getitem__) == "没有Z的利率"


def test_an_unknown_income_leaves_the_plan_with_half_the_points():
    plan = plans(monthly_income=None)[0]
    assert plan.payment_to_income is None
    assert next(reason for reason in plan.reasons if reason.code == "income_unknown").points == D("17.50")


def test_the_strictest_share_holds_for_a_car_of_unknown_power():
    assert ltv_cap_of(PRODUCT, dataclasses.replace(WISH, power=None)) == D("0.80")
    assert ltv_cap_of(PRODUCT, WISH) == D("0.85")
    assert ltv_cap_of(dataclasses.replace(PRODUCT, min_share_down=D("0.3")), WISH) == D("0.7")


def test_terms_of_a_plan_quote_to_the_same_plan():
    for plan in plans():
        terms = build_terms(plan, TODAY, [("own", 3500), ("bank", 6500)], borrower_ref="c-1")
        quote = make_quote(terms)
        assert quote.installment == plan.installment
        assert [row.total for row in quote.schedule.rows] == [row.total for row in plan.schedule]
        assert [funder.parts for funder in terms.funders] == [3500, 6500]
        assert (terms.prepay_fee_rate, terms.prepay_fee_free_after, terms.borrower_ref) == (D("0.02"), 12, "c-1")


def test_due_days_stay_as_signed_when_the_money_goes_out_later():
    terms = build_terms(plans()[0], dt.date(2026, 11, 23), first_due=dt.date(2026, 12, 20))
    assert (terms.start, terms.first_due, terms.anchor) == (dt.date(2026, 11, 23), dt.date(2026, 12, 20), 20)


def test_a_plan_survives_being_kept_as_json():
    for plan in plans():
        assert plan_from_json(plan_to_json(plan)) == plan


@settings(max_examples=60, deadline=None)
@given(
    amount=st.integers(1, 600_000),
    price=st.integers(20_000, 800_000),
    limit=st.integers(0, 600_000),
    income=st.integers(3_000, 80_000),
    power=st.sampled_from(["ice", "nev", None]),
    grade=st.sampled_from("ABCE"),
)
def test_every_plan_keeps_the_laws(amount, price, limit, income, power, grade):
    wish = dataclasses.replace(
        WISH, amount=D(amount), vehicle_price=D(price), limit=D(limit), monthly_income=D(income), power=power, grade=grade
    )
    matching = match([PRODUCT], wish)
    assert len(matching.plans) + len(matching.refusals) == len(PRODUCT.options)
    for plan in matching.plans:
        assert plan.principal <= min(wish.amount, wish.limit, PRODUCT.amount_max)
        assert plan.principal <= D("0.85") * wish.vehicle_price
        assert sum(row.principal for row in plan.schedule) == plan.principal
        assert plan.total_paid == sum(row.total for row in plan.schedule) + plan.fees
        assert plan.apr_irr <= wish.rate_cap * 100
        assert plan.payment_to_income <= D("0.70")
        assert D(0) <= plan.score <= D(105)
