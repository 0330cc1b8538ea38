"""Every list and form of the admin: opens for its role, in a fixed number of queries, without personal data in clear."""

from __future__ import annotations

import re
from collections import Counter
from html import unescape
from urllib.parse import unquote

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.backoffice.tests.factories import open_house
from apps.common.admin import CarloanModelAdmin, shown
from apps.disbursement.tests.factories import NOON

MAX_QUERIES = 16
OURS = sorted(
    (model for model, page in admin.site._registry.items() if isinstance(page, CarloanModelAdmin)), key=lambda model: model._meta.label
)


pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def full_house(module_db, module_sandbox):
    """Three of everything that is easily had, so that a query per row shows."""
    house = open_house()
    loan = house.late_loan()
    house.close_days(1)
    house.proposal(house.staff("finance"))
    orders = [house.order_in_review(serial) for serial in (910, 911, 912)]
    payments = [house.payment() for _number in range(2)]
    return house, loan, orders, payments


@pytest.fixture
def desk(full_house, at_desk):
    house = full_house[0]
    roles = ["credit_reviewer", "disbursement_reviewer", "finance", "collector", "entity_admin", "auditor", "risk_analyst"]
    return at_desk(house.staff(*roles))


def changelist(model) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def repeated(queries) -> list[str]:
    """Statements that were sent again and again with other ids: a query per row."""
    shapes = Counter(re.sub(r"'[^']*'|\d+", "?", query["sql"]) for query in queries)
    return [shape[:160] for shape, count in shapes.items() if count > 2]


def test_every_context_has_its_lists():
    contexts = {model._meta.app_label for model in OURS}
    assert contexts >= {
        "organisations", "flows", "ledger", "loans", "documents", "messaging", "customers", "dealers", "products", "risk", "applications",
        "contracts", "disbursement", "reconciliation", "postloan", "common",
    }  # fmt: skip


def test_every_list_opens_without_a_query_per_row(desk):
    wrong = {}
    for model in OURS:
        with CaptureQueriesContext(connection) as caught:
            response = desk.get(changelist(model))
        if response.status_code != 200 or len(caught) > MAX_QUERIES or repeated(caught.captured_queries):
            wrong[model._meta.label] = (response.status_code, len(caught), repeated(caught.captured_queries))
    assert wrong == {}


def test_lists_and_forms_show_no_personal_data_in_clear(desk, full_house):
    _house, loan, orders, payments = full_house
    people = [loan.customer, *(order.customer for order in orders), *(payment.customer for payment in payments)]
    secrets = {value for person in people for value in (person.phone, person.id_number) if value}
    secrets |= {payment.disbursement.payee_account for payment in payments}
    leaks = []
    for model in OURS:
        pages = [changelist(model)]
        row = model._default_manager.order_by("-pk").first()
        if row is not None:
            pages.append(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[row.pk]))
        for url in pages:
            response = desk.get(url, follow=True)
            assert response.status_code == 200, url
            leaks += [(url, secret) for secret in secrets if secret in response.content.decode()]
    assert leaks == []


def test_nothing_is_added_changed_or_deleted_by_hand(desk):
    for model in OURS:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        page = admin.site._registry[model]
        row = model._default_manager.order_by("pk").first()
        assert desk.get(reverse(f"{name}_add")).status_code == 403, name
        if row is not None and type(page).has_change_permission is CarloanModelAdmin.has_change_permission:
            assert desk.post(reverse(f"{name}_change", args=[row.pk]), {"state": "x"}).status_code in {403, 405}, name
            assert desk.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403, name


def test_amounts_stand_right_aligned_with_separators(desk):
    page = desk.get(reverse("admin:loans_loan_changelist")).content.decode()
    assert re.search(r'class="[^"]*field-num_principal[^"]*"[^>]*>\s*120,000\.00', page)
    assert "2025-11-20" in page


def search(client, model, term, **address):
    """As the list's form does it."""
    url = reverse(f"admin:{model}_changelist", query=address)
    form = re.search(r'<form [^>]*method="post" action="([^"]*)" role="search">', client.get(url).content.decode())
    return client.post(url.partition("?")[0] + unescape(form[1]), {"search_for": term}, follow=True)


def test_orders_are_found_by_number_and_customers_by_phone(desk, full_house):
    order = full_house[2][0]
    found = search(desk, "applications_application", order.number).content.decode()
    assert order.number in found
    assert full_house[2][1].number not in found
    found = search(desk, "customers_customer", order.customer.phone).content.decode()
    assert str(order.customer_id) in found
    assert str(full_house[2][1].customer_id) not in found


def test_what_is_searched_for_stands_in_no_address(desk, full_house, at_desk):
    phone = full_house[2][0].customer.phone
    page = search(desk, "customers_customer", phone, state__exact="verified")
    (address, status) = page.redirect_chain[-1]
    assert (status, phone in unquote(address), "state__exact=verified" in address) == (302, False, True)
    text = page.content.decode()
    assert f'value="{phone}"' in text  # in its field, to be changed
    assert not [link for link in re.findall(r'(?:href|action|src)="([^"]*)"', text) if phone in unquote(unescape(link))]
    # The address is one person's: a colleague who is sent it sees the whole list.
    colleague = at_desk(full_house[0].staff("credit_reviewer"))
    assert colleague.get(address, follow=True).redirect_chain == [("/backoffice/customers/customer/?state__exact=verified", 302)]


@pytest.mark.parametrize("term", ["13812345678", "张三", "aesgcm:k1:", "aesgcm:k1:AAAA", ":::"])
def test_a_term_in_clear_leads_to_the_whole_list(desk, term):
    url = reverse("admin:customers_customer_changelist")
    assert desk.get(url, {"q": term}, follow=True).redirect_chain == [(url, 302)]


def test_an_empty_search_is_the_whole_list_again(desk):
    assert search(desk, "customers_customer", "  ").redirect_chain == [(reverse("admin:customers_customer_changelist"), 302)]


def test_values_are_shown_as_people_read_them():
    from decimal import Decimal

    assert [shown(value) for value in (Decimal("-1234.5"), Decimal("0.108000"), NOON, NOON.date(), "x", None)] == [
        "−1,234.50",
        "0.108000",
        "2026-03-02 12:00",
        "2026-03-02",
        "x",
        None,
    ]
