"""Dated parameters: shipped values, the most specific row in force, and validity that the database keeps apart."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from apps.common import approvals
from apps.common.actors import Actor
from apps.common.errors import NotPermitted
from apps.organisations import selectors, services
from apps.organisations.domain import parameter_value
from apps.organisations.models import Parameter
from apps.organisations.tests.factories import LegalEntityFactory, UserFactory

NOW = dt.datetime(2026, 9, 1, 4, tzinfo=dt.UTC)
SYSTEM = Actor.system("test")
DAY = dt.date(2026, 9, 22)


def add(code="penalty.overdue_uplift", value="0.40", frm="2026-01-01", to=None, kind="decimal", **more) -> Parameter:
    return Parameter.objects.create(
        code=code,
        kind=kind,
        value=value,
        effective_from=dt.date.fromisoformat(frm),
        effective_to=dt.date.fromisoformat(to) if to else None,
        source="test",
        certainty="S",
        **more,
    )


def change(value, frm=DAY, code="penalty.overdue_uplift", actor=SYSTEM, **more) -> Parameter:
    return services.set_parameter(code=code, value=value, effective_from=frm, source="house", certainty="S", actor=actor, now=NOW, **more)


@pytest.fixture
def shipped(db):
    services.install_parameters(actor=SYSTEM, now=NOW)


@pytest.fixture
def entity(db):
    return LegalEntityFactory()


class TestShipped:
    def test_every_row_of_the_file_is_well_formed(self):
        rows = services.shipped_parameters()
        assert len({(row["code"], row["from"]) for row in rows}) == len(rows)
        for row in rows:
            parameter_value(row["kind"], row["value"])
            assert row["certainty"] in "SK"
            assert row["source"].strip()

    def test_installing_adds_what_is_missing_and_nothing_twice(self, shipped):
        assert Parameter.objects.count() == len(services.shipped_parameters())
        Parameter.objects.filter(code="retention.ca_data_years_min").delete()
        assert services.install_parameters(actor=SYSTEM, now=NOW) == 1
        assert services.install_parameters(actor=SYSTEM, now=NOW) == 0

    def test_the_command_says_what_it_added(self, db):
        out = StringIO()
        call_command("install_parameters", "--format", "json", stdout=out, stderr=StringIO())
        answer = json.loads(out.getvalue())
        assert answer["added"] == answer["shipped"] == Parameter.objects.count()

    @pytest.mark.parametrize(
        ("code", "on", "value"),
        [
            ("rate_cap.licensed", "2026-09-22", Decimal("0.24")),
            ("lpr.1y", "2026-09-22", Decimal("0.0300")),
            ("lpr.5y", "2026-09-22", Decimal("0.0350")),
            ("penalty.overdue_uplift_max", "2026-09-22", Decimal("0.50")),
            ("car_loan.term_months_max", "2026-09-22", 60),
            ("car_loan.ltv_max.nev", "2024-04-02", Decimal("0.85")),
            ("car_loan.ltv_decided_by_lender", "2024-04-02", False),
            ("car_loan.ltv_decided_by_lender", "2024-04-03", True),
            ("car_loan.ltv_max.used", "2026-09-22", Decimal("0.70")),
            ("consumer_loan.online_limit", "2025-03-13", Decimal("200000.00")),
            ("consumer_loan.online_limit", "2025-03-14", Decimal("300000.00")),
            ("cost_table.required", "2026-07-31", False),
            ("cost_table.required", "2026-08-01", True),
            ("co_lending.partner_share_min", "2026-09-22", Decimal("0.30")),
            ("bureau.dispute_answer_days", "2026-09-22", 20),
            ("classification.doubtful_above_dpd", "2026-09-22", 270),
            ("collections.quiet_from", "2026-09-22", dt.time(22)),
            ("collections.unanswered_dials_per_number_day_max", "2026-09-22", 6),
            ("retention.identity_years_min", "2026-09-22", 10),
            ("vat.direct_lease", "2026-09-22", Decimal("0.13")),
            ("allocation.order", "2026-09-22", ["fee", "interest", "principal"]),
        ],
    )
    def test_the_rules_of_the_market_read_as_stated(self, shipped, code, on, value):
        answer = selectors.parameter(code, on=dt.date.fromisoformat(on))
        assert answer == value
        assert type(answer) is type(value)

    def test_the_subsidy_ends_and_is_followed_by_a_row_to_verify(self, shipped):
        rows = Parameter.objects.filter(code="subsidy.personal_consumption").order_by("effective_from")
        assert [(row.effective_to, row.certainty) for row in rows] == [(dt.date(2026, 8, 31), "S"), (None, "K")]


class TestLookUp:
    def test_the_most_specific_row_wins(self, entity):
        add(value="0.50")
        add(value="0.45", product_code="CAR")
        add(value="0.40", legal_entity=entity)
        add(value="0.35", legal_entity=entity, product_code="CAR")

        def read(**of) -> str:
            return str(selectors.parameter("penalty.overdue_uplift", on=DAY, **of))

        assert read() == "0.50"
        assert read(product_code="CAR") == "0.45"
        assert read(legal_entity_id=entity.id) == "0.40"
        assert read(legal_entity_id=entity.id, product_code="CAR") == "0.35"
        assert read(legal_entity_id=entity.id, product_code="CASH") == "0.40"
        assert read(legal_entity_id=LegalEntityFactory().id, product_code="CASH") == "0.50"
        assert selectors.parameters_of("penalty.", on=DAY, legal_entity_id=entity.id) == {"penalty.overdue_uplift": Decimal("0.40")}

    @pytest.mark.parametrize(("on", "value"), [("2026-01-01", "0.40"), ("2026-06-30", "0.40"), ("2026-07-01", "0.30")])
    def test_first_and_last_day_count_in(self, db, on, value):
        add(value="0.40", frm="2026-01-01", to="2026-06-30")
        add(value="0.30", frm="2026-07-01")
        assert selectors.parameter("penalty.overdue_uplift", on=dt.date.fromisoformat(on)) == Decimal(value)

    def test_without_a_row_in_force_the_asker_is_told(self, db):
        add(frm="2026-01-01", to="2026-06-30")
        for on in (dt.date(2025, 12, 31), dt.date(2026, 7, 1)):
            with pytest.raises(selectors.ParameterMissing):
                selectors.parameter("penalty.overdue_uplift", on=on)

    def test_one_look_up_is_one_query(self, shipped, django_assert_num_queries):
        with django_assert_num_queries(1):
            selectors.parameter("lpr.1y", on=DAY)

    @pytest.mark.parametrize(
        ("lender_type", "on", "cap"),
        [
            ("licensed", "2026-09-22", "0.24"),
            ("micro", "2026-09-22", "0.24"),
            ("micro", "2028-01-01", "0.12"),
            ("unlicensed", "2026-09-22", "0.12"),
            ("unlicensed", "2022-01-25", "0.148"),
        ],
    )
    def test_the_rate_cap_follows_the_lenders_type(self, shipped, lender_type, on, cap):
        entity = LegalEntityFactory(lender_type=lender_type)
        assert selectors.annual_rate_cap(legal_entity_id=entity.id, on=dt.date.fromisoformat(on)) == Decimal(cap)


class TestValidity:
    @pytest.mark.parametrize(
        ("frm", "to"), [("2026-06-30", None), ("2026-03-01", "2026-04-01"), ("2025-01-01", "2026-01-01"), ("2025-01-01", None)]
    )
    def test_the_database_refuses_overlapping_validity(self, db, frm, to):
        add(frm="2026-01-01", to="2026-06-30")
        with pytest.raises(IntegrityError), transaction.atomic():
            add(frm=frm, to=to)

    def test_rows_of_other_codes_entities_and_products_do_not_overlap(self, entity):
        add()
        add(code="penalty.overdue_uplift_min")
        add(legal_entity=entity)
        add(product_code="CAR")
        add(legal_entity=entity, product_code="CAR")

    def test_a_row_does_not_end_before_it_begins(self, db):
        with pytest.raises((IntegrityError, Exception)), transaction.atomic():
            add(frm="2026-06-30", to="2026-06-29")


class TestChanging:
    def test_a_new_value_ends_the_one_before_it(self, shipped):
        change("0.45")
        assert selectors.parameter("penalty.overdue_uplift", on=DAY - dt.timedelta(days=1)) == Decimal("0.50")
        assert selectors.parameter("penalty.overdue_uplift", on=DAY) == Decimal("0.45")

    @pytest.mark.parametrize("value", ["much", 0.45, None, "NaN", "Infinity"])
    def test_a_value_of_another_kind_is_refused(self, shipped, value):
        with pytest.raises(services.BadParameter):
            change(value)

    def test_an_unknown_code_is_refused(self, shipped):
        with pytest.raises(services.BadParameter):
            change("1", code="moon.phase")

    def test_the_past_is_not_rewritten(self, shipped):
        change("0.45")
        with pytest.raises(services.BadParameter):
            change("0.44", frm=DAY)

    def test_an_entitys_admin_sets_nothing_alone(self, shipped, entity):
        admin = Actor.of(UserFactory(legal_entity=entity, roles=["entity_admin"]))
        for whose in (None, entity.id):
            with pytest.raises(NotPermitted):
                change("0.45", actor=admin, legal_entity_id=whose)


class TestMakerAndChecker:
    def propose(self, entity, actor, value="0.45"):
        return services.propose_parameter(
            legal_entity_id=entity.id,
            code="penalty.overdue_uplift",
            value=value,
            effective_from=DAY,
            source="董事会决议",
            reason="lower for this year",
            actor=actor,
            now=NOW,
        )

    def test_a_proposal_comes_into_force_when_somebody_else_approves(self, shipped, entity):
        maker, checker = (Actor.of(UserFactory(legal_entity=entity, roles=["entity_admin"])) for _ in range(2))
        request = self.propose(entity, maker)
        assert request.preview == {"code": "penalty.overdue_uplift", "before": None, "after": "0.45", "from": "2026-09-22"}
        with pytest.raises(approvals.OwnProposal):
            approvals.approve(request_id=request.id, actor=maker, now=NOW)
        assert approvals.approve(request_id=request.id, actor=checker, now=NOW).state == "executed"
        assert selectors.parameter("penalty.overdue_uplift", on=DAY, legal_entity_id=entity.id) == Decimal("0.45")
        assert selectors.parameter("penalty.overdue_uplift", on=DAY) == Decimal("0.50")

    def test_an_impossible_value_is_never_proposed(self, shipped, entity):
        maker = Actor.of(UserFactory(legal_entity=entity, roles=["entity_admin"]))
        with pytest.raises(services.BadParameter):
            self.propose(entity, maker, value="much")
        with pytest.raises(NotPermitted):
            self.propose(LegalEntityFactory(), maker)
        with pytest.raises(NotPermitted):
            self.propose(entity, Actor.of(UserFactory(legal_entity=entity, roles=["finance"])))


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_decimals_keep_their_digits(value):
    assert parameter_value("decimal", str(value)) == value


@pytest.mark.parametrize(
    ("kind", "stored"),
    [("decimal", 0.1), ("integer", True), ("integer", "1"), ("boolean", 1), ("text", 1), ("time", "25:00"), ("data", "x"), ("other", "x")],
)
def test_a_stored_value_of_another_kind_is_refused(kind, stored):
    with pytest.raises(ValueError):
        parameter_value(kind, stored)
