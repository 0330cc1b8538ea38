"""The figures of a contract: dated from its day, each cost in words, nothing unsaid."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest

from apps.contracts.domain import plan_words, price_from
from apps.products.domain import OptionFacts, Plan, ProductFacts, Wish, price
from apps.products.selectors import cost_table

DAY = dt.date(2026, 11, 20)


def plan(kind: str = "car_lease_back", fee: str = "0.005", prepay: str = "0.01") -> Plan:
    from uuid import uuid4

    option = OptionFacts(uuid4(), "36", 36, "equal_installment", Decimal(0), Decimal(fee), Decimal(0))
    product = ProductFacts(
        id=uuid4(), product_id=uuid4(), legal_entity_id=uuid4(), code="car", version=1, kind=kind, state="on_sale", name="回租 36 期",
        financing_party="启明融资租赁", guarantee="credit", purpose="car", borrower="person", amount_min=Decimal(10000),
        amount_max=Decimal(500000), max_ltv={"nev": Decimal("0.85")}, min_share_down=Decimal("0.15"), rates={"A": Decimal("0.108")},
        rate_min=Decimal("0.05"), rate_max=Decimal("0.2"), day_count="30/360", penalty_uplift=Decimal("0.5"), grace_days=0,
        prepay_fee_rate=Decimal(prepay), prepay_fee_free_after=12 if Decimal(prepay) else None, min_age=18, max_age_at_end=65,
        min_income=Decimal(0), funders=(), options=(option,),
    )  # fmt: skip
    wish = Wish(
        on=DAY, amount=Decimal("120000.00"), term=36, grade="A", rate_cap=Decimal("0.24"), vehicle_price=Decimal("169800.00"), power="nev"
    )
    return price(product, option, wish, Decimal("120000.00"))


def test_the_worked_example_of_the_design():
    priced = price_from(plan(fee="0"), DAY)
    totals = [row.total for row in priced.quote.schedule.rows]
    assert totals[:35] == [Decimal("3917.29")] * 35
    assert totals[35] == Decimal("3917.30")
    assert sum(row.principal for row in priced.quote.schedule.rows) == Decimal("120000.00")
    assert priced.first_due == dt.date(2026, 12, 20)


def test_a_contract_made_later_moves_the_due_days_and_nothing_else():
    first, later = price_from(plan(), DAY), price_from(plan(), DAY + dt.timedelta(days=5))
    assert later.first_due == dt.date(2026, 12, 25)
    assert [row.total for row in first.quote.schedule.rows] == [row.total for row in later.quote.schedule.rows]
    assert (first.plan.apr_irr, first.plan.principal) == (later.plan.apr_irr, later.plan.principal)


def test_the_parts_of_the_cost_table_add_up_to_the_whole():
    table = cost_table(price_from(plan(), DAY).plan)
    assert sum(row.amount for row in table.rows) == table.total
    assert sum(row.annualised for row in table.rows) == table.annual_all_in
    assert [row.amount for row in table.contingent] == [None, None]
    for row in (*table.rows, *table.contingent):
        assert row.name
        assert row.how
        assert "%" in row.standard
        assert row.collector == "启明融资租赁"


@pytest.mark.parametrize(("kind", "name"), [("car_lease_direct", "保证金"), ("car_lease_back", "首付款")])
def test_own_money_has_the_name_of_its_kind_of_lease(kind, name):
    words = plan_words(price_from(plan(kind), DAY))
    assert (words["own_money_name"], words["own_money"]) == (name, Decimal("49800.00"))


def test_the_penalty_rate_is_the_contract_rate_with_its_uplift_below_the_cap():
    assert plan_words(price_from(plan(), DAY))["penalty_rate"] == Decimal("0.162")
    assert plan_words(price_from(replace(plan(), rate_cap=Decimal("0.15")), DAY))["penalty_rate"] == Decimal("0.15")
