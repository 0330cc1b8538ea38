from __future__ import annotations

import datetime as dt
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, transaction

from apps.common.actors import Actor
from apps.common.errors import NotPermitted
from apps.organisations.tests.factories import LegalEntityFactory, UserFactory
from apps.products import selectors, services
from apps.products.models import VERSION_EDGES, Brand, ProductOption, ProductVersion, VehicleModel
from apps.products.services.catalogue import SHIPPED_VEHICLES, CatalogueFileInvalid
from apps.products.services.plans import CostAboveCap, QuoteRefused
from apps.products.services.versions import TermsIncomplete
from apps.products.tests.factories import NOW, SYSTEM, TODAY, ProductVersionFactory, VehicleModelFactory, install_rules, shipped_products

pytestmark = pytest.mark.django_db
D = Decimal
HEADS = "brand,series,model_year,trim,guide_price,power\n"


@pytest.fixture
def lender():
    return LegalEntityFactory(name="恒川汽车金融有限公司")


def take(text: str, **options):
    return services.import_vehicles(content=(HEADS + text).encode(), actor=SYSTEM, now=NOW, **options)


def asked(lender, **changes):
    facts = {
        "legal_entity_id": lender.id,
        "lease_type": "leaseback",
        "vehicle_price": D("152800.00"),
        "guide_price": D("152800.00"),
        "requested_amount": D("120000.00"),
        "requested_term": 36,
        "grade": "B",
        "limit": D("200000.00"),
        "annual_rate": D("0.108"),
        "monthly_income": D("16000.00"),
        "on": TODAY,
    } | changes
    return services.match_plans(**facts)


class TestCatalogue:
    def test_the_shipped_catalogue_holds_at_least_forty_cars_and_is_taken_over_once(self):
        report = services.import_vehicles(content=SHIPPED_VEHICLES.read_bytes(), actor=SYSTEM, now=NOW)
        assert report.added == VehicleModel.objects.count() >= 40
        assert set(VehicleModel.objects.values_list("power", flat=True)) == {"ice", "nev"}
        again = services.import_vehicles(content=SHIPPED_VEHICLES.read_bytes(), actor=SYSTEM, now=NOW)
        assert (again.added, again.changed, again.unchanged) == (0, 0, report.added)

    def test_a_known_trim_gets_its_new_price(self):
        take("远岚,E5,2026,长续航版,152800,nev\n")
        report = take("远岚,E5,2026,长续航版,149800,nev\n远岚,E5,2026,标准版,129800,nev\n")
        assert (report.added, report.changed) == (1, 1)
        assert VehicleModel.objects.get(trim="长续航版").guide_price == D("149800.00")

    def test_a_preview_keeps_nothing(self):
        report = take("远岚,E5,2026,长续航版,152800,nev\n", preview=True)
        assert (report.added, report.preview) == (1, True)
        assert not VehicleModel.objects.exists()
        assert not Brand.objects.exists()

    @pytest.mark.parametrize(
        "row",
        [
            "远岚,E6,2026,标准版,abc,nev",
            "远岚,E6,2026,标准版,9999,nev",
            "远岚,E6,2026,标准版,129800,steam",
            ",E6,2026,标准版,129800,nev",
            "远岚,E6,26,标准版,129800,nev",
        ],
    )
    def test_one_wrong_row_keeps_the_whole_file_out_and_is_named(self, row):
        with pytest.raises(CatalogueFileInvalid) as caught:
            take(f"远岚,E5,2026,长续航版,152800,nev\n{row}\n")
        assert list(caught.value.fields) == ["row 2"]
        assert not VehicleModel.objects.exists()
        assert not Brand.objects.exists()

    def test_a_trim_that_stands_twice_keeps_the_file_out(self):
        with pytest.raises(CatalogueFileInvalid) as caught:
            take("远岚,E5,2026,长续航版,152800,nev\n远岚,E5,2026,长续航版,149800,nev\n")
        assert list(caught.value.fields) == ["row 2"]
        assert not VehicleModel.objects.exists()

    @pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"brand,series\na,b\n", b""])
    def test_a_file_that_is_no_catalogue_is_refused(self, content):
        with pytest.raises(CatalogueFileInvalid):
            services.import_vehicles(content=content, actor=SYSTEM, now=NOW)

    def test_only_who_edits_products_imports(self):
        with pytest.raises(NotPermitted):
            services.import_vehicles(content=b"", actor=Actor.of(UserFactory(roles=["auditor"])), now=NOW)

    def test_the_command_imports_previews_and_names_wrong_rows(self, tmp_path):
        out, err = StringIO(), StringIO()
        call_command("import_vehicles", "--preview", "--format", "json", stdout=out, stderr=err)
        assert '"preview":true' in out.getvalue()
        assert not VehicleModel.objects.exists()
        call_command("import_vehicles", stdout=out, stderr=err)
        assert VehicleModel.objects.count() >= 40
        bad = tmp_path / "bad.csv"
        bad.write_text(HEADS + "远岚,E6,2026,标准版,abc,nev\n", encoding="utf-8")
        with pytest.raises(CommandError) as caught:
            call_command("import_vehicles", str(bad), stdout=out, stderr=err)
        assert caught.value.returncode == 2
        assert "row 1" in err.getvalue()
        with pytest.raises(CommandError):
            call_command("import_vehicles", str(tmp_path / "none.csv"), stdout=out, stderr=err)

    @pytest.mark.parametrize("text", ["比亚迪 秦", "秦PLUS", "比亚迪秦plus", "dm-i 领先 2025", " 秦plus  比亚迪 "])
    def test_cars_are_found_by_typing(self, text):
        take("比亚迪,秦PLUS DM-i,2025,智驾版 55KM 领先型,79800,nev\n大众,朗逸,2025,300TSI DSG 满逸版,151090,ice\n")
        assert [car.name for car in selectors.search_vehicles(text)] == ["比亚迪 秦PLUS DM-i 2025款 智驾版 55KM 领先型"]

    def test_cars_no_longer_on_sale_are_known_but_not_found(self):
        car = VehicleModelFactory(is_active=False)
        assert selectors.search_vehicles("远岚") == []
        assert selectors.vehicle(car.id).guide_price == D("152800.00")
        with pytest.raises(selectors.NoSuchVehicle):
            selectors.vehicle(LegalEntityFactory().id)

    def test_a_search_costs_one_query(self, django_assert_num_queries):
        for _ in range(3):
            VehicleModelFactory()
        with django_assert_num_queries(1):
            assert len(selectors.search_vehicles("e5")) == 3


class TestVersions:
    def test_the_shipped_products_are_installed_once_in_the_lenders_name(self, lender):
        first = shipped_products(lender)
        assert {product.kind for product in first.values()} == {"car_lease_direct", "car_lease_back", "cash"}
        assert all(product.financing_party == lender.name and product.state == "on_sale" for product in first.values())
        assert shipped_products(lender) == first
        assert [p.code for p in selectors.on_sale(lender.id, on=TODAY)] == ["cash", "lease_back", "lease_direct"]
        assert selectors.on_sale(lender.id, on=TODAY - dt.timedelta(days=1)) == []
        assert selectors.on_sale(LegalEntityFactory().id, on=TODAY) == []

    def test_terms_on_sale_never_change_and_options_neither(self, lender):
        version = ProductVersion.objects.get(id=shipped_products(lender)["lease_back"].id)
        for change in ({"rate_min": D("0.01")}, {"rates": {"A": "0.01"}}, {"name": "别的"}):
            with pytest.raises(DatabaseError), transaction.atomic():
                ProductVersion.objects.filter(id=version.id).update(**change)
        with pytest.raises(DatabaseError), transaction.atomic():
            ProductOption.objects.filter(version=version).update(fee_rate=D("0.05"))
        ProductVersion.objects.filter(id=version.id).update(on_sale_to=TODAY)
        assert selectors.on_sale(lender.id, on=TODAY + dt.timedelta(days=1), kinds=("car_lease_back",)) == []

    def test_the_next_version_takes_the_place_of_the_one_on_sale(self, lender):
        old = shipped_products(lender)["cash"]
        admin = Actor.of(UserFactory(roles=["entity_admin"], legal_entity=lender))
        fields = ("name", "guarantee", "financing_party", "amount_min", "amount_max", "rate_min", "rate_max", "day_count", "penalty_uplift")
        row = ProductVersion.objects.get(id=old.id)
        terms = {name: getattr(row, name) for name in fields} | {"rates": {"A": "0.11"}, "on_sale_from": TODAY}
        options = [{"code": "X6", "installments": 6, "method": "equal_installment"}]
        new = services.create_version(
            legal_entity_id=lender.id, code="cash", kind="cash", terms=terms, options=options, actor=admin, now=NOW
        )
        assert (new.version, new.state) == (2, "draft")
        services.put_on_sale(version_id=new.id, actor=admin, now=NOW)
        services.put_on_sale(version_id=new.id, actor=admin, now=NOW)
        assert ProductVersion.objects.get(id=old.id).state == "withdrawn"
        assert selectors.product_version(old.id).rates == old.rates
        assert selectors.on_sale(lender.id, on=TODAY, kinds=("cash",))[0].id == new.id
        services.withdraw_version(version_id=new.id, actor=admin, now=NOW)
        assert selectors.on_sale(lender.id, on=TODAY, kinds=("cash",)) == []

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"kind": "boat"}, "kind"),
            ({"terms": {"rates": {}, "max_ltv": {"ice": "0.8"}, "day_count": "30/360"}}, "rates"),
            ({"terms": {"rates": {"A": "0.1"}, "max_ltv": {}, "day_count": "30/360"}}, "max_ltv"),
            ({"terms": {"rates": {"A": "0.1"}, "max_ltv": {"ice": "0.8"}, "day_count": "30/365"}}, "day_count"),
            ({"options": []}, "options"),
            ({"options": [{"method": "balloon"}]}, "options"),
            ({"options": [{"method": "magic"}]}, "options"),
        ],
    )
    def test_incomplete_terms_are_refused(self, lender, changes, field):
        facts = {
            "kind": "car_lease_back",
            "terms": {"rates": {"A": "0.1"}, "max_ltv": {"ice": "0.8"}, "day_count": "30/360"},
            "options": [{"method": "equal_installment"}],
        } | changes
        with pytest.raises(TermsIncomplete) as caught:
            services.create_version(legal_entity_id=lender.id, code="x", actor=SYSTEM, now=NOW, **facts)
        assert list(caught.value.fields) == [field]

    @pytest.mark.parametrize("name", ["is_finance_lease", "offsets_deposit", "purchase_price"])
    def test_only_a_direct_lease_says_how_it_is_booked_and_ends(self, lender, name):
        sold = shipped_products(lender)
        assert (sold["lease_direct"].is_finance_lease, sold["lease_direct"].purchase_price) == (True, D("100.00"))
        assert not getattr(sold["lease_back"], name)
        terms = {"rates": {"A": "0.1"}, "max_ltv": {"ice": "0.8"}, "day_count": "30/360", name: D("1.00")}
        options = [{"method": "equal_installment"}]
        who = {"actor": SYSTEM, "now": NOW}
        with pytest.raises(TermsIncomplete) as caught:
            services.create_version(legal_entity_id=lender.id, code="x", kind="car_lease_back", terms=terms, options=options, **who)
        assert list(caught.value.fields) == [name]

    def test_another_lenders_admin_touches_nothing(self, lender):
        version = shipped_products(lender)["cash"]
        stranger = Actor.of(UserFactory(roles=["entity_admin"]))
        with pytest.raises(selectors.NoSuchProduct):
            services.withdraw_version(version_id=version.id, actor=stranger, now=NOW)
        with pytest.raises(NotPermitted):
            services.create_version(legal_entity_id=lender.id, code="x", kind="cash", terms={}, options=[], actor=stranger, now=NOW)
        assert not ProductVersion.objects.visible_to(UserFactory(roles=["entity_admin"])).exists()

    def test_the_states_of_a_version_agree_in_python_and_database(self):
        states = ProductVersion._meta.get_field("state")
        assert {(edge.source, edge.target) for edge in states.get_all_transitions(ProductVersion)} == {
            (source, target) for source, targets in VERSION_EDGES.items() for target in targets
        }
        version = ProductVersionFactory()
        with pytest.raises(DatabaseError), transaction.atomic():
            ProductVersion.objects.filter(id=version.id).update(state="draft")


class TestPlans:
    def test_a_leaseback_gets_its_plans_best_first_with_alternatives(self, lender):
        shipped_products(lender)
        plans = asked(lender, power="nev")
        assert len(plans) >= 3
        assert {plan.product_code for plan in plans} == {"lease_back"}
        assert (plans[0].installments, plans[0].installment, plans[0].financing_party) == (36, D("3917.29"), lender.name)
        sums = {(plan.installments, plan.method): plan.installment for plan in plans}
        assert sums[(24, "equal_installment")] == D("5515.26")
        assert sums[(36, "balloon")] == D("3107.99")

    def test_the_lease_type_chooses_the_products(self, lender):
        shipped_products(lender)
        assert {plan.kind for plan in asked(lender, lease_type="direct")} == {"car_lease_direct"}
        assert {plan.kind for plan in asked(lender, lease_type=None)} == {"car_lease_direct", "car_lease_back"}
        cash = asked(lender, lease_type=None, vehicle_price=None, requested_amount=D("20000.00"), requested_term=12)
        assert {plan.kind for plan in cash} == {"cash"}
        with pytest.raises(QuoteRefused):
            asked(lender, lease_type="rent")

    def test_the_market_caps_the_share_and_the_lender_types_cap_the_rate(self, lender):
        shipped_products(lender)
        assert max(plan.principal for plan in asked(lender, vehicle_price=D("140000.00"), power="ice")) == D("112000.00")
        poor = LegalEntityFactory(lender_type="unlicensed")
        shipped_products(poor)
        found = services.matching(
            legal_entity_id=poor.id,
            lease_type="leaseback",
            vehicle_price=D("152800"),
            guide_price=D("152800"),
            requested_amount=D("120000"),
            requested_term=36,
            grade="D",
            limit=None,
            annual_rate=None,
            monthly_income=None,
            on=TODAY,
        )
        assert found.plans == ()
        assert {refusal.code for refusal in found.refusals} == {"rate_above_cap"}

    def test_the_words_of_a_plan_are_there(self, lender):
        shipped_products(lender)
        plan = next(plan for plan in asked(lender) if plan.installments == 24)
        table = selectors.cost_table(plan)
        assert [row.name for row in table.rows] == ["利息", "服务费"]
        assert [row.name for row in table.contingent] == ["逾期罚息", "提前还款手续费"]
        assert (table.principal, table.total) == (D("120000.00"), D("14166.31"))
        assert (table.annual_simple, table.annual_all_in) == (D("0.1111"), D("0.1170"))
        assert sum(row.annualised for row in table.rows) == table.annual_all_in
        assert table.rows[1].standard == "融资本金的 1.50%"
        assert "第 12 期" in table.contingent[1].how
        assert {row.collector for row in table.rows} == {lender.name}
        texts = selectors.reason_texts(plan)
        assert len(texts) >= 3
        assert not any("%(" in text for text in texts)

    def test_the_calculator_refuses_above_the_cap_with_both_numbers(self, lender):
        install_rules()
        terms = {"legal_entity_id": lender.id, "principal": D("100000.00"), "installments": 12, "on": TODAY}
        quote = services.calculate(**terms, annual_rate=D("0.108"))
        assert quote.apr_irr == D("10.80")
        with pytest.raises(CostAboveCap) as caught:
            services.calculate(**terms, annual_rate=D("0.2401"))
        assert caught.value.facts == {"apr_irr": "24.01", "cap": "24.00"}
        with pytest.raises(QuoteRefused) as refused:
            services.calculate(**terms, annual_rate=D("0.1"), balloon=D("200000"))
        assert list(refused.value.fields) == ["balloon"]
