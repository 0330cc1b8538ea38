from __future__ import annotations

import pytest
from django.contrib import admin
from django.test import RequestFactory

from apps.customers.models import Customer
from apps.customers.tests.factories import VerifiedCustomerFactory
from apps.organisations.tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def page():
    return admin.site._registry[Customer]


def request_of(user):
    request = RequestFactory().get("/")
    request.user = user
    user.is_verified = lambda: True  # signed in with the second factor
    return request


def test_a_customers_page_shows_nothing_in_clear(page):
    person = VerifiedCustomerFactory()
    staff = UserFactory(legal_entity=person.legal_entity, roles=["credit_reviewer"])
    response = page.change_view(request_of(staff), str(person.id)).render()
    body = response.content.decode()
    assert person.masked_phone in body
    for secret in (person.phone, person.name, person.id_number, person.cards.get().number, person.contacts.first().phone):
        assert secret not in body


def test_staff_find_a_customer_by_whole_phone_or_id_number(page):
    person, _ = VerifiedCustomerFactory(), VerifiedCustomerFactory()
    staff = UserFactory(legal_entity=person.legal_entity, roles=["credit_reviewer"])
    request = request_of(staff)
    for term in (person.phone, person.id_number.lower(), f" {person.phone[:3]} {person.phone[3:]}"):
        found, _distinct = page.get_search_results(request, page.get_queryset(request), term)
        assert list(found) == [person]
    found, _distinct = page.get_search_results(request, page.get_queryset(request), person.phone[:8])
    assert not found.exists()


def test_the_page_is_for_those_who_may_view_customers(page):
    assert page.has_view_permission(request_of(UserFactory(roles=["auditor"])))
    assert not page.has_view_permission(request_of(UserFactory(roles=["finance"])))
    assert not page.has_change_permission(request_of(UserFactory(roles=["entity_admin"])))


def test_the_history_of_a_customer_can_be_read():
    person = VerifiedCustomerFactory()
    story = list(person.events.order_by("pgh_id"))
    assert story[-1].state == "verified"
    assert (story[-1].masked_phone, story[-1].phone) == (person.masked_phone, person.phone)
