"""Further terms of a product: priced, checked, kept by versions, edited in the back office. Numbers: docs/rules/plans.md."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import translation

from apps.common.actors import Actor
from apps.common.errors import NotPermitted
from apps.products import services
from apps.products.domain import build_terms, plan_from_json, plan_to_json
from apps.products.models import ProductVersion
from apps.products.selectors import cost_table, facts_of, on_sale
from apps.products.services.versions import TermsIncomplete
from apps.products.tests.factories import NOW, SYSTEM, TODAY, ProductVersionFactory
from apps.products.tests.test_admin import client_of
from apps.products.tests.test_domain import PRODUCT, option, plans

D = Decimal
MONTHLY = {"name": "账户管理费", "when": "instalment", "of": "flat", "amount": "5.00"}
LATE = {"name": "催收服务费", "when": "overdue", "of": "overdue", "percent": "1", "min": "10", "max": "200"}
TERMS = {"principal_grace": 3, "fees": [MONTHLY, LATE]}


def plan_of(terms, fee: str = "0"):
    product = dataclasses.replace(PRODUCT, terms=terms, options=(option("H12", 12, fee=fee),), rates={"A": D("0.12")})
    return plans(product, amount=D("12000.00"), grade="A", annual_rate=None)[0]


def test_grace_and_fees_count_in_the_plan_and_its_cost():
    plan = plan_of(TERMS)
    # 12,000 × 1 % = 120.00 for three months; then 12,000 × 0.01 ÷ (1 − 1.01^−9) = 1,400.88; 5.00 with each of the twelve.
    assert [str(row.total) for row in plan.schedule] == ["125.00"] * 3 + ["1405.88"] * 8 + ["1405.91"]
    assert (str(plan.first_installment), str(plan.installment), str(plan.total_interest)) == ("125.00", "1405.88", "967.95")
    assert (str(plan.fees), str(plan.total_cost), str(plan.total_paid)) == ("60.00", "1027.95", "13027.95")
    assert (plan.apr_irr, plan.effective_rate) == (D("12.73"), D("13.50"))
    # 1,405.88 and 2,391.00 elsewhere of 16,821.00.
    assert plan.payment_to_income == D("0.2257")


def test_the_cost_table_tells_each_fee_and_adds_up():
    table = cost_table(plan_of(TERMS, fee="0.015"))
    assert [(row.name, row.standard, str(row.amount)) for row in table.rows] == [
        ("利息", "年利率 12.00%", "967.95"),
        ("服务费", "融资本金的 1.50%", "180.00"),
        ("账户管理费", "每次 5.00 元", "60.00"),
    ]
    assert (sum(row.amount for row in table.rows), sum(row.annualised for row in table.rows)) == (table.total, table.annual_all_in)
    late = next(row for row in table.contingent if row.name == "催收服务费")
    assert late.standard == "当期未还本息的 1.00%，最低 10.00 元，最高 200.00 元"


def test_an_offer_keeps_them():
    plan = plan_of(TERMS, fee="0.015")
    again = plan_from_json(json.loads(json.dumps(plan_to_json(plan))))
    assert again == plan
    terms = build_terms(again, TODAY)
    assert (terms.principal_grace, len(terms.fees), terms.fee_upfront) == (3, 2, D("180.00"))
    kept = plan_to_json(plan)
    for name in ("terms", "fee_upfront"):
        del kept[name]
    old = plan_from_json(kept | {"fees": "180.00"})
    assert build_terms(old, TODAY).fee_upfront == D("180.00"), "an offer of before knows the service fee alone"


def test_a_month_without_the_due_day_goes_by_the_products_rule():
    terms = build_terms(plan_of({"month_end": "next_first"}), TODAY.replace(month=1, day=31))
    assert (terms.first_due, terms.due_day) == (TODAY.replace(day=1), 31)


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ({"principal": "100"}, "principal: is set by the plan itself"),
        ({"funders": []}, "funders: is set by the plan itself"),
        ({"grace": 3}, "grace: is not known here"),
        ({"principal_grace": 36}, "principal_grace: must leave an instalment after it"),
        ({"fees": [MONTHLY | {"amount": 5.5}]}, "fees: 5.5 is a binary float: write the number as a string"),
        ([], "request: must be an object with named values"),
    ],
)
@pytest.mark.django_db
def test_terms_that_no_plan_can_have_are_refused_by_name(terms, told):
    version = ProductVersionFactory(state="draft")
    with pytest.raises(TermsIncomplete) as caught:
        services.set_further_terms(version_id=version.id, terms=terms, actor=SYSTEM, now=NOW)
    assert caught.value.fields == {"terms": [told]}


@pytest.mark.django_db
def test_a_version_that_was_sold_is_followed_by_a_draft_with_the_terms():
    sold = ProductVersionFactory()
    entity = sold.product.legal_entity_id
    draft = services.set_further_terms(version_id=sold.id, terms=TERMS, actor=SYSTEM, now=NOW)
    assert (draft.version, draft.state, draft.terms) == (2, "draft", TERMS)
    mine, theirs = facts_of(draft), facts_of(sold)
    changed = {"id", "version", "state", "terms", "options"}
    assert {name for name, value in vars(mine).items() if value != getattr(theirs, name)} == changed
    assert [(item.code, item.installments) for item in mine.options] == [("H36", 36)]
    assert services.set_further_terms(version_id=draft.id, terms=TERMS | {"compound": True}, actor=SYSTEM, now=NOW).id == draft.id
    assert [product.terms for product in on_sale(entity, on=TODAY)] == [{}]
    services.put_on_sale(version_id=draft.id, actor=SYSTEM, now=NOW)
    assert [product.terms for product in on_sale(entity, on=TODAY)] == [TERMS | {"compound": True}]


@pytest.mark.django_db
def test_only_who_edits_products_sets_them():
    version = ProductVersionFactory()
    with pytest.raises(NotPermitted):
        services.set_further_terms(version_id=version.id, terms={}, actor=Actor.of(client_of("auditor").user), now=NOW)


@pytest.mark.django_db
def test_the_back_office_edits_them_and_names_what_is_wrong():
    client = client_of("entity_admin")
    sold = ProductVersionFactory(product__legal_entity=client.user.legal_entity)
    address = reverse("admin:products_productversion_change", args=[sold.id])
    forms = {"options-TOTAL_FORMS": "0", "options-INITIAL_FORMS": "0"}
    with translation.override("zh-hans"):
        page = client.post(address, forms | {"terms": '{"principal": "1"}'}, headers={"accept-language": "zh-hans"})
    assert "principal: 由方案本身决定" in page.content.decode()
    done = client.post(address, forms | {"terms": json.dumps(TERMS)})
    assert done.status_code == 302
    draft = ProductVersion.objects.get(product=sold.product, version=2)
    assert (draft.state, draft.terms) == ("draft", TERMS)
    assert "账户管理费" in client.get(reverse("admin:products_productversion_change", args=[draft.id])).content.decode()
    assert client_of("auditor").post(address, forms | {"terms": "{}"}).status_code in (403, 404)
