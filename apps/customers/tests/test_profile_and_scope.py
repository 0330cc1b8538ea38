from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction

from apps.common.actors import Actor
from apps.common.errors import BadInput, NotPermitted
from apps.customers import models, selectors, services
from apps.customers.models import CARD_EDGES, CHECK_EDGES, CUSTOMER_EDGES, BankCard, Contact, Customer, DisclosureLog, IdentityCheck
from apps.customers.selectors import NoSuchCustomer
from apps.customers.services.access import CustomerClosed, PersonalDataInvalid
from apps.customers.services.consents import ConsentMissing
from apps.customers.services.disclosure import DisclosureReasonMissing
from apps.customers.services.profile import ContactInvalid, NoSuchContact, ProfileInvalid, TooManyContacts
from apps.customers.services.standing import NotVerifiedBefore
from apps.customers.tests.factories import NOW, TODAY, ContactFactory, CustomerFactory, VerifiedCustomerFactory, give_all_consents
from apps.organisations.tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def person():
    customer = CustomerFactory()
    give_all_consents(customer)
    return customer


def tell(person, **facts):
    facts = {"employer": "上海某某科技有限公司", "monthly_income": Decimal("12000.00"), "employed_since": dt.date(2023, 9, 15)} | facts
    return services.put_profile(customer_id=person.id, actor=Actor.of(person.user), now=NOW, **facts)


def name_contact(person, phone="13987654321", name="李梅", relation="spouse"):
    return services.add_contact(customer_id=person.id, name=name, phone=phone, relation=relation, actor=Actor.of(person.user), now=NOW)


class TestProfile:
    def test_facts_for_a_decision_are_as_of_a_day(self):
        person = VerifiedCustomerFactory()
        facts = selectors.subject(person.id, on=TODAY)
        assert (facts.age, facts.employment_months, facts.monthly_income) == (35, 60, Decimal("15000.00"))
        assert (facts.contacts_count, facts.state, facts.region) == (2, "verified", "110101")
        assert (facts.id_verified, facts.liveness_verified, facts.card_verified) == (True, True, True)
        assert facts.phone_hash == person.phone_hash
        assert len(facts.contact_phone_hashes) == 2
        assert selectors.subject(person.id, on=dt.date(2026, 3, 7)).age == 36
        assert not selectors.subject(person.id, on=TODAY + dt.timedelta(days=400)).id_verified
        assert person.name not in str(facts)
        assert person.phone not in str(facts)

    def test_facts_of_somebody_new_are_empty_not_wrong(self):
        facts = selectors.subject(CustomerFactory().id)
        assert (facts.age, facts.monthly_income, facts.employment_months, facts.id_verified) == (None, None, None, False)

    def test_the_customer_is_found_by_id_number_within_a_lender(self):
        person = VerifiedCustomerFactory()
        found = selectors.customer_by_id_number(person.id_number.lower(), person.legal_entity_id)
        assert (found.id, found.masked_name, found.verified, found.profile_complete) == (person.id, "王**", True, True)
        assert selectors.customer_by_id_number(person.id_number, CustomerFactory().legal_entity_id) is None
        assert person.id_number not in str(found)

    def test_a_profile_replaces_the_one_before(self, person):
        tell(person)
        tell(person, monthly_income=Decimal("13000"), address="上海市浦东新区世纪大道1号")
        assert models.WorkProfile.objects.get().monthly_income == Decimal("13000")
        assert Customer.objects.get(id=person.id).address.startswith("上海市")
        tell(person)
        assert Customer.objects.get(id=person.id).address.startswith("上海市")

    @pytest.mark.parametrize(
        "facts", [{"monthly_income": Decimal(-1)}, {"monthly_income": Decimal(10**8)}, {"employed_since": TODAY + dt.timedelta(days=1)}]
    )
    def test_a_profile_that_cannot_be_right_is_refused(self, person, facts):
        with pytest.raises(ProfileInvalid):
            tell(person, **facts)

    def test_two_contacts_and_work_complete_a_profile(self, person):
        tell(person)
        name_contact(person)
        assert not selectors.profile_complete(person.id)
        name_contact(person, phone="13987654322", relation="friend")
        assert selectors.profile_complete(person.id)
        name_contact(person, name="李大梅")
        assert sorted(Contact.objects.values_list("masked_name", flat=True)) == ["李*", "李**"]

    def test_a_contact_is_somebody_else_with_a_real_phone(self, person):
        with pytest.raises(ContactInvalid):
            name_contact(person, phone=person.phone)
        with pytest.raises(PersonalDataInvalid):
            name_contact(person, phone="110")
        with pytest.raises(PersonalDataInvalid):
            name_contact(person, name="Bob")

    def test_ten_contacts_are_enough(self, person):
        contacts = [ContactFactory(customer=person) for _ in range(10)]
        with pytest.raises(TooManyContacts):
            name_contact(person)
        services.remove_contact(customer_id=person.id, contact_id=contacts[0].id, actor=Actor.of(person.user), now=NOW)
        name_contact(person)
        with pytest.raises(NoSuchContact):
            services.remove_contact(customer_id=person.id, contact_id=contacts[0].id, actor=Actor.of(person.user), now=NOW)

    def test_nothing_is_told_without_the_privacy_consent(self):
        stranger = CustomerFactory()
        with pytest.raises(ConsentMissing):
            tell(stranger)
        with pytest.raises(ConsentMissing):
            name_contact(stranger)


class TestStanding:
    def test_a_restricted_customer_is_not_verified_until_lifted(self):
        person = VerifiedCustomerFactory()
        admin = Actor.of(UserFactory(legal_entity=person.legal_entity, roles=["entity_admin"]))
        with pytest.raises(BadInput):
            services.restrict_customer(customer_id=person.id, reason="", actor=admin, now=NOW)
        services.restrict_customer(customer_id=person.id, reason="涉嫌冒名", actor=admin, now=NOW)
        assert not selectors.is_verified(person.id)
        services.lift_restriction(customer_id=person.id, reason="clear", actor=admin, now=NOW)
        assert selectors.is_verified(person.id)

    def test_a_restriction_is_not_lifted_for_somebody_never_verified(self, person):
        admin = Actor.of(UserFactory(legal_entity=person.legal_entity, roles=["entity_admin"]))
        services.restrict_customer(customer_id=person.id, reason="涉嫌冒名", actor=admin, now=NOW)
        with pytest.raises(NotVerifiedBefore):
            services.lift_restriction(customer_id=person.id, reason="clear", actor=admin, now=NOW)

    def test_a_closed_account_does_nothing_more(self, person):
        admin = Actor.of(UserFactory(legal_entity=person.legal_entity, roles=["entity_admin"]))
        services.close_customer(customer_id=person.id, actor=admin, now=NOW)
        with pytest.raises(CustomerClosed):
            tell(person)
        assert not type(person.user).objects.get(id=person.user_id).is_active

    def test_customers_do_not_lift_their_own_restriction(self, person):
        with pytest.raises(NotPermitted):
            services.lift_restriction(customer_id=person.id, reason="clear", actor=Actor.of(person.user), now=NOW)


class TestDisclosure:
    def test_a_value_in_clear_costs_a_reason_and_is_written_down(self):
        person = VerifiedCustomerFactory()
        staff = UserFactory(legal_entity=person.legal_entity, roles=["account_manager"])
        shown = services.unmask(customer_id=person.id, field="phone", reason="电核联系客户", actor=Actor.of(staff), now=NOW)
        assert shown.value == person.phone
        row = DisclosureLog.objects.get()
        assert (row.field, row.reason, row.user_ref) == ("phone", "电核联系客户", staff.id)
        assert person.phone not in str(row.__dict__)
        with pytest.raises(DatabaseError), transaction.atomic():
            DisclosureLog.objects.update(reason="别的")

    @pytest.mark.parametrize(("field", "reason", "error"), [("phone", " ab ", DisclosureReasonMissing), ("state", "因为需要", BadInput)])
    def test_no_reason_no_value(self, field, reason, error):
        person = VerifiedCustomerFactory()
        staff = Actor.of(UserFactory(legal_entity=person.legal_entity, roles=["account_manager"]))
        with pytest.raises(error):
            services.unmask(customer_id=person.id, field=field, reason=reason, actor=staff, now=NOW)
        assert not DisclosureLog.objects.exists()

    def test_neither_another_lenders_staff_nor_an_auditor_sees_a_value(self):
        person = VerifiedCustomerFactory()
        with pytest.raises(NoSuchCustomer):
            services.unmask(
                customer_id=person.id, field="phone", reason="想看一看", actor=Actor.of(UserFactory(roles=["account_manager"])), now=NOW
            )
        auditor = UserFactory(legal_entity=person.legal_entity, roles=["auditor"])
        with pytest.raises(NotPermitted):
            services.unmask(customer_id=person.id, field="phone", reason="想看一看", actor=Actor.of(auditor), now=NOW)


class TestScope:
    MODELS = (
        models.Customer,
        models.Consent,
        models.IdentityCheck,
        models.BankCard,
        models.WorkProfile,
        models.Contact,
        models.ConsentText,
    )

    @pytest.mark.parametrize("model", MODELS)
    def test_staff_see_their_lenders_rows_and_no_others(self, model):
        person, other = VerifiedCustomerFactory(), VerifiedCustomerFactory()
        mine = set(model.objects.visible_to(UserFactory(legal_entity=person.legal_entity)).values_list("id", flat=True))
        theirs = set(model.objects.visible_to(UserFactory(legal_entity=other.legal_entity)).values_list("id", flat=True))
        assert mine
        assert theirs
        assert not mine & theirs

    def test_customers_see_themselves_only(self):
        person, other = VerifiedCustomerFactory(), VerifiedCustomerFactory()
        assert list(Customer.objects.visible_to(person.user)) == [person]
        assert set(BankCard.objects.visible_to(person.user)) == set(person.cards.all())
        assert not Contact.objects.visible_to(person.user).filter(customer=other).exists()
        assert not DisclosureLog.objects.visible_to(person.user).exists()


class TestStates:
    CASES = ((Customer, CUSTOMER_EDGES), (IdentityCheck, CHECK_EDGES), (BankCard, CARD_EDGES))

    def test_they_are_those_of_the_rule_book(self):
        assert CUSTOMER_EDGES == {
            "registered": ["verified", "restricted", "closed"],
            "verified": ["restricted", "closed"],
            "restricted": ["verified", "closed"],
        }
        assert CHECK_EDGES == {
            "pending": ["passed", "failed", "unknown"],
            "failed": ["pending"],
            "unknown": ["pending"],
            "passed": ["expired"],
        }

    @pytest.mark.parametrize(("model", "edges"), CASES)
    def test_python_and_database_agree(self, model, edges):
        transitions = {(edge.source, edge.target) for edge in model._meta.get_field("state").get_all_transitions(model)}
        assert transitions == {(source, target) for source, targets in edges.items() for target in targets}

    @pytest.mark.parametrize("target", ["registered"])
    def test_the_database_refuses_other_ways(self, target):
        person = VerifiedCustomerFactory()
        with pytest.raises(DatabaseError), transaction.atomic():
            Customer.objects.filter(id=person.id).update(state=target)
        with pytest.raises(DatabaseError), transaction.atomic():
            IdentityCheck.objects.filter(customer=person).update(state="failed")
