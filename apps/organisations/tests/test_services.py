"""Legal entities, people, second factors and the first business day."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import DatabaseError, IntegrityError, ProgrammingError, transaction
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.common.actors import Actor
from apps.common.errors import BadInput, NotPermitted
from apps.common.models import new_id
from apps.common.scope import DataScope
from apps.organisations import selectors, services
from apps.organisations.models import BUSINESS_DAY_EDGES, STEP_RUN_EDGES, Branch, BusinessDay, LegalEntity, Parameter, StepRun, User
from apps.organisations.tests.factories import BranchFactory, BusinessDayFactory, LegalEntityFactory, UserFactory
from apps.organisations.tests.support import KEY_HEX

NOW = dt.datetime(2026, 3, 1, 4, tzinfo=dt.UTC)
SYSTEM = Actor.system("test")
DEED = {"actor": SYSTEM, "now": NOW}
PASSWORD = "correct horse battery"


def admin_of(entity: LegalEntity) -> Actor:
    return Actor.of(UserFactory(legal_entity=entity, roles=["entity_admin"]))


def new_user(entity, **more):
    facts = {
        "username": "reviewer1",
        "password": PASSWORD,
        "kind": "staff",
        "roles": ["credit_reviewer"],
        "legal_entity_id": entity.id,
        "display_name": "陈审核",
    }
    return services.create_user(**(facts | DEED | more))


@pytest.fixture
def entity(db):
    return LegalEntityFactory()


class TestEntities:
    def test_a_lender_is_created_and_found_by_its_code(self, db):
        made = services.create_legal_entity(code="CL", name="示例汽车金融有限公司", short_name="示例金融", **DEED)
        brief = selectors.entity_by_code("CL")
        assert (brief.id, brief.lender_type) == (made.id, "licensed")
        assert selectors.entity(made.id) == brief
        assert selectors.default_entity() == brief
        with pytest.raises(services.CodeTaken):
            services.create_legal_entity(code="CL", name="x", short_name="x", **DEED)

    def test_which_of_two_lenders_is_meant_must_be_said(self, db):
        LegalEntityFactory.create_batch(2)
        with pytest.raises(selectors.EntityUnknown):
            selectors.default_entity()
        assert len(selectors.entities()) == 2

    def test_an_unknown_lender_type_is_refused(self, db):
        with pytest.raises(BadInput):
            services.create_legal_entity(code="CL", name="x", short_name="x", lender_type="casino", **DEED)

    def test_an_entitys_admin_makes_branches_of_it_and_no_lenders(self, entity):
        admin = admin_of(entity)
        branch = services.create_branch(legal_entity_id=entity.id, code="SH1", name="上海一部", actor=admin, now=NOW)
        assert branch.legal_entity_id == entity.id
        with pytest.raises(services.CodeTaken):
            services.create_branch(legal_entity_id=entity.id, code="SH1", name="x", actor=admin, now=NOW)
        with pytest.raises(NotPermitted):
            services.create_branch(legal_entity_id=LegalEntityFactory().id, code="SH1", name="x", actor=admin, now=NOW)
        with pytest.raises(NotPermitted):
            services.create_legal_entity(code="XX", name="x", short_name="x", actor=admin, now=NOW)


class TestPeople:
    def test_a_member_of_staff_may_do_what_the_roles_say(self, entity):
        user = new_user(entity)
        assert user.check_password(PASSWORD)
        assert user.can("applications.review")
        assert not user.can("disbursement.review")
        assert user.data_scope == DataScope("entity", entity.id)

    def test_a_consultant_sees_what_the_scope_says(self, entity):
        shop = new_id()
        user = new_user(entity, kind="dealer", roles=["consultant"], scope_kind="consultant", scope_ref=shop)
        assert user.data_scope == DataScope("consultant", shop)
        assert not user.is_staff

    @pytest.mark.parametrize(
        ("kind", "roles"),
        [("staff", ["consultant"]), ("dealer", ["finance"]), ("customer", ["entity_admin"]), ("staff", ["king"]), ("ghost", [])],
    )
    def test_roles_belong_to_kinds_of_people(self, entity, kind, roles):
        with pytest.raises(services.RoleNotForKind):
            new_user(entity, kind=kind, roles=roles)

    @pytest.mark.parametrize("password", ["short", "password123", "reviewer12"])
    def test_easy_passwords_are_refused(self, entity, password):
        with pytest.raises(services.WeakPassword):
            new_user(entity, password=password)

    def test_a_user_name_is_given_once(self, entity):
        new_user(entity)
        with pytest.raises(services.CodeTaken):
            new_user(entity)

    def test_only_the_entitys_own_admin_makes_its_staff(self, entity):
        assert new_user(entity, actor=admin_of(entity)).username == "reviewer1"
        with pytest.raises(NotPermitted):
            new_user(entity, username="other", actor=admin_of(LegalEntityFactory()))
        with pytest.raises(NotPermitted):
            new_user(entity, username="other", actor=Actor.of(UserFactory(legal_entity=entity, roles=["finance"])))

    def test_roles_are_changed_by_somebody_else(self, entity):
        admin = UserFactory(legal_entity=entity, roles=["entity_admin"])
        user = UserFactory(legal_entity=entity)
        changed = services.change_roles(user_id=user.id, roles=["collector"], actor=Actor.of(admin), now=NOW)
        assert changed.roles == ["collector"]
        with pytest.raises(NotPermitted):
            services.change_roles(user_id=admin.id, roles=["finance"], actor=Actor.of(admin), now=NOW)
        with pytest.raises(services.UserUnknown):
            services.change_roles(user_id=user.id, roles=[], actor=admin_of(LegalEntityFactory()), now=NOW)

    def test_a_deactivated_user_sees_and_may_nothing(self, entity):
        user = UserFactory(legal_entity=entity, roles=["credit_reviewer"])
        gone = services.deactivate_user(user_id=user.id, actor=admin_of(entity), now=NOW)
        assert gone.data_scope == DataScope("none")
        assert not gone.can("applications.review")

    def test_every_change_of_a_person_is_recorded_without_the_password(self, entity):
        user = new_user(entity)
        services.deactivate_user(user_id=user.id, **DEED)
        labels = list(user.events.order_by("pgh_id").values_list("pgh_label", "is_active"))
        assert labels == [("insert", True), ("update", False)]
        assert "password" not in {field.name for field in user.events.model._meta.fields}

    @pytest.mark.parametrize(
        ("kind", "scope_kind", "scope_ref"),
        [
            ("staff", "dealer", new_id()), ("dealer", "customer", new_id()), ("customer", "shop", new_id()), ("client", "entity", new_id()),
            ("dealer", "shop", None), ("dealer", "", new_id()),
        ],
    )  # fmt: skip
    def test_scopes_belong_to_kinds_of_people(self, entity, kind, scope_kind, scope_ref):
        with pytest.raises(services.ScopeNotForKind):
            new_user(entity, kind=kind, roles=[], scope_kind=scope_kind, scope_ref=scope_ref)

    @pytest.mark.parametrize(("kind", "scope_kind"), [("staff", "customer"), ("dealer", "shops")])
    def test_the_database_knows_the_scopes(self, entity, kind, scope_kind):
        with pytest.raises(IntegrityError, match="user_scope_kind"), transaction.atomic():
            UserFactory(legal_entity=entity, kind=kind, scope_kind=scope_kind, scope_ref=new_id())


class TestSecondFactor:
    def test_who_gave_whom_a_factor_and_when_stays_known_without_the_secret(self, entity):
        user, admin = new_user(entity, totp_key=KEY_HEX), UserFactory(legal_entity=entity, roles=["entity_admin"])
        later = NOW + dt.timedelta(days=1)
        enrolment = services.enrol_totp(user_id=user.id, actor=Actor.of(admin), now=later)
        first, second = user.enrolments.order_by("at")
        assert (first.at, first.actor, first.replaced) == (NOW, str(DEED["actor"]), False)
        assert (second.at, second.actor, second.actor_ref, second.replaced) == (later, f"staff:{admin.username}", admin.id, True)
        for secret in (enrolment.key_hex, enrolment.secret_base32):
            assert secret not in str([vars(first), vars(second)]) + repr(enrolment)
        with pytest.raises(ProgrammingError), transaction.atomic():
            user.enrolments.all().delete()
        assert type(first).objects.within(DataScope("entity", entity.id)).count() == 2
        assert not type(first).objects.within(DataScope("entity", LegalEntityFactory().id)).exists()

    def test_a_key_given_at_creation_is_enrolled(self, entity):
        user = new_user(entity, totp_key=KEY_HEX)
        assert TOTPDevice.objects.get(user=user).key == KEY_HEX

    def test_a_new_key_takes_the_place_of_the_old_one(self, entity):
        user = new_user(entity, totp_key=KEY_HEX)
        enrolment = services.enrol_totp(user_id=user.id, **DEED)
        assert TOTPDevice.objects.get(user=user).key == enrolment.key_hex != KEY_HEX
        assert len(enrolment.key_hex) == 40
        assert enrolment.otpauth_url.startswith("otpauth://totp/")
        assert enrolment.secret_base32 in enrolment.otpauth_url

    @pytest.mark.parametrize("key", ["", "zz" * 20, "31" * 10])
    def test_a_key_of_another_shape_is_refused(self, entity, key):
        with pytest.raises(services.BadSecretKey):
            new_user(entity, totp_key=key or "x")

    def test_nobody_enrols_for_a_stranger(self, entity):
        user = new_user(entity)
        with pytest.raises(services.UserUnknown):
            services.enrol_totp(user_id=user.id, actor=admin_of(LegalEntityFactory()), now=NOW)
        with pytest.raises(NotPermitted):
            services.enrol_totp(user_id=user.id, actor=Actor.of(UserFactory(legal_entity=entity, roles=["finance"])), now=NOW)


class TestBusinessDay:
    def test_the_first_day_is_opened_once(self, entity):
        with pytest.raises(selectors.NoBusinessDay):
            selectors.business_date(entity.id)
        day = dt.date(2026, 3, 1)
        assert services.open_business_day(entity.id, day, now=NOW).id == services.open_business_day(entity.id, day, now=NOW).id
        assert selectors.business_date(entity.id) == day
        assert selectors.may_post(entity.id, day)
        with pytest.raises(services.BusinessDayOpen):
            services.open_business_day(entity.id, dt.date(2026, 4, 1), now=NOW)

    def test_the_database_holds_one_open_day_per_entity(self, entity):
        BusinessDayFactory(legal_entity=entity)
        with pytest.raises(IntegrityError), transaction.atomic():
            BusinessDayFactory(legal_entity=entity, date=dt.date(2026, 3, 2))

    @pytest.mark.parametrize("state", ["closed", "nonsense"])
    def test_the_database_refuses_a_state_out_of_turn(self, entity, state):
        day = BusinessDayFactory(legal_entity=entity)
        with pytest.raises(DatabaseError), transaction.atomic():
            BusinessDay.objects.filter(id=day.id).update(state=state)

    def test_a_closed_day_stays_closed(self, entity):
        day = BusinessDayFactory(legal_entity=entity)
        for state in ("closing", "closed"):
            BusinessDay.objects.filter(id=day.id).update(state=state)
        with pytest.raises(DatabaseError), transaction.atomic():
            BusinessDay.objects.filter(id=day.id).update(state="open")


@pytest.mark.parametrize(("model", "edges"), [(BusinessDay, BUSINESS_DAY_EDGES), (StepRun, STEP_RUN_EDGES)])
def test_the_databases_edges_equal_the_python_transitions(model, edges):
    python = {(transition.source, transition.target) for transition in model._meta.get_field("state").get_all_transitions(model)}
    assert python == {(source, target) for source, targets in edges.items() for target in targets}


class TestScope:
    def test_an_entity_sees_its_own_rows_only(self, entity):
        other = LegalEntityFactory()
        rows = {
            LegalEntity: entity,
            Branch: BranchFactory(legal_entity=entity),
            User: UserFactory(legal_entity=entity),
            BusinessDay: BusinessDayFactory(legal_entity=entity),
            StepRun: StepRun.objects.create(legal_entity=entity, day=dt.date(2026, 3, 1), phase="close", step="late"),
            Parameter: Parameter.objects.create(
                code="x", legal_entity=entity, kind="text", value="v", effective_from=dt.date(2026, 1, 1), source="s", certainty="S"
            ),
        }
        for model, row in rows.items():
            assert list(model.objects.within(DataScope("entity", entity.id))) == [row], model
            assert row not in model.objects.within(DataScope("entity", other.id)), model
            for kind in ("dealer", "shop", "consultant", "customer", "none"):
                assert not model.objects.within(DataScope(kind, entity.id)).exists(), model
