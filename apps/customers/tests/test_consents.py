from __future__ import annotations

import datetime as dt

import pytest
from django.db import DatabaseError, transaction

from apps.common.actors import Actor
from apps.customers import selectors, services
from apps.customers.models import Consent, ConsentText
from apps.customers.services.consents import ConsentMissing, ConsentTextOutdated, NoSuchConsent
from apps.customers.tests.factories import NOW, TODAY, CustomerFactory
from apps.organisations.tests.factories import LegalEntityFactory

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("tests")


@pytest.fixture
def person():
    customer = CustomerFactory()
    services.install_consent_texts(legal_entity_id=customer.legal_entity_id, actor=SYSTEM, now=NOW)
    return customer


def agree(person, kind, version=1, now=NOW):
    return services.give_consent(customer_id=person.id, kind=kind, version=version, actor=Actor.of(person.user), now=now)


def test_each_lender_gets_the_texts_with_its_own_name_once():
    lender = LegalEntityFactory(name="恒川汽车金融有限公司")
    assert services.install_consent_texts(legal_entity_id=lender.id, actor=SYSTEM, now=NOW) == 5
    assert services.install_consent_texts(legal_entity_id=lender.id, actor=SYSTEM, now=NOW) == 0
    texts = selectors.consent_texts(lender.id, on=TODAY)
    assert {text.kind for text in texts} == {"privacy", "credit_query", "data_collection", "e_sign", "identity_check"}
    assert all("恒川汽车金融有限公司" in text.text and "{lender}" not in text.text for text in texts)


def test_a_consent_stands_from_when_it_was_given(person):
    assert not selectors.has_consent(person.id, "privacy")
    first = agree(person, "privacy")
    assert selectors.has_consent(person.id, "privacy")
    assert agree(person, "privacy").id == first.id
    assert selectors.missing_consents(person.id, purpose="application") == ["credit_query"]


def test_a_consent_is_given_to_the_words_in_force(person):
    old = ConsentText.objects.get(kind="privacy")
    ConsentText.objects.create(
        legal_entity=person.legal_entity,
        kind="privacy",
        version=2,
        title=old.title,
        purpose=old.purpose,
        text="新文本",
        sha256="0" * 64,
        effective_from=TODAY + dt.timedelta(days=1),
    )
    first = agree(person, "privacy", version=1)
    tomorrow = NOW + dt.timedelta(days=1)
    with pytest.raises(ConsentTextOutdated):
        agree(person, "privacy", version=1, now=tomorrow)
    assert selectors.has_consent(person.id, "privacy")
    agree(person, "privacy", version=2, now=tomorrow)
    assert Consent.objects.get(id=first.id).withdrawn_at == tomorrow
    assert Consent.objects.filter(withdrawn_at=None).count() == 1


@pytest.mark.parametrize(("kind", "version"), [("privacy", 2), ("anything", 1)])
def test_words_that_are_not_in_force_cannot_be_agreed_to(person, kind, version):
    with pytest.raises(ConsentTextOutdated):
        agree(person, kind, version)


def test_a_withdrawn_consent_stands_no_longer_and_can_be_given_again(person):
    agree(person, "credit_query")
    actor = Actor.of(person.user)
    services.withdraw_consent(customer_id=person.id, kind="credit_query", actor=actor, now=NOW)
    assert not selectors.has_consent(person.id, "credit_query")
    with pytest.raises(NoSuchConsent):
        services.withdraw_consent(customer_id=person.id, kind="credit_query", actor=actor, now=NOW)
    agree(person, "credit_query")
    assert selectors.has_consent(person.id, "credit_query")
    assert Consent.objects.count() == 2


def test_what_needs_a_consent_does_not_run_without_it(person):
    with pytest.raises(ConsentMissing) as caught:
        services.require_consents(person.id, "identity_check")
    assert caught.value.facts == {"kinds": "privacy, identity_check"}
    agree(person, "privacy")
    agree(person, "identity_check")
    services.require_consents(person.id, "identity_check")


def test_nobody_agrees_for_somebody_else(person):
    with pytest.raises(selectors.NoSuchCustomer):
        services.give_consent(customer_id=person.id, kind="privacy", version=1, actor=Actor.of(CustomerFactory().user), now=NOW)


def test_texts_are_never_edited_and_consents_never_deleted(person):
    agree(person, "privacy")
    with pytest.raises(DatabaseError), transaction.atomic():
        ConsentText.objects.update(text="anders")
    with pytest.raises(DatabaseError), transaction.atomic():
        Consent.objects.all().delete()
