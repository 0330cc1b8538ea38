"""Entering an order: what is wrong stands beside its field, and sending twice makes one order."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from apps.applications.models import Application
from apps.customers.tests.factories import id_number
from apps.organisations.tests.factories import UserFactory
from apps.portal.tests.factories import Floor, picture
from apps.portal.views.new_order import MOST_REFUSALS

pytestmark = pytest.mark.django_db
ADDRESS = "/orders/new/"
UNKNOWN = id_number(555)


def wish(floor: Floor, **change: Any) -> dict[str, Any]:
    """A form filled in rightly for a new customer, unless told otherwise."""
    id_number = change.pop("id_number", None) or floor.customer().id_number
    return {
        "id_number": id_number,
        "vehicle": str(floor.shop.vehicle.id),
        "price": "152800",
        "lease_type": "leaseback",
        "down_payment": "32800",
        "term": "36",
        "idempotency_key": "key-1",
        "authorisation": SimpleUploadedFile("a.png", picture(), "image/png"),
    } | change


def problems(response) -> dict[str, str]:
    """Field → what the page says is wrong with it."""
    text = response.content.decode()
    found = re.findall(r'id="id_(\w+)_error">(.*?)</div>', text, re.S)
    return {name: " ".join(re.sub(r"<[^>]+>", " ", message).split()) for name, message in found}


def test_an_order_is_entered_and_submitted(floor, seller):
    answer = seller.post(ADDRESS, wish(floor))
    order = Application.objects.get()
    assert answer.url == reverse("portal:order", args=[order.id])
    assert (order.state, order.consultant_id, str(order.requested_amount)) == ("screening", floor.consultant.id, "120000.00")
    assert order.authorisation is not None


def test_with_htmx_the_page_goes_to_the_order(floor, seller):
    answer = seller.post(ADDRESS, wish(floor), headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == reverse("portal:order", args=[Application.objects.get().id])


def test_an_empty_form_names_what_is_missing(floor, seller):
    answer = seller.post(ADDRESS, {"idempotency_key": "k"})
    assert answer.status_code == 422
    assert set(problems(answer)) == {"id_number", "vehicle", "price", "lease_type", "down_payment", "term", "authorisation"}
    assert 'aria-describedby="id_price_error"' in answer.content.decode()


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"id_number": "110101199003071235"}, "id_number", "not an ID number"),
        ({"id_number": "110101900307123"}, "id_number", "first generation"),
        ({"id_number": UNKNOWN}, "id_number", "register in the app"),
        ({"vehicle": "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"}, "vehicle", "no such vehicle"),
        ({"vehicle": "x"}, "vehicle", "from the list"),
        ({"price": "12,5x"}, "price", "number"),
        ({"down_payment": "152800"}, "down_payment", "between zero and the price"),
        ({"term": "37"}, "term", "valid choice"),
        ({"authorisation": SimpleUploadedFile("a.png", b"no picture", "image/png")}, "authorisation", "not a PDF, JPEG or PNG"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(floor, seller, change, field, says):
    answer = seller.post(ADDRESS, wish(floor, **change))
    assert answer.status_code == 422
    assert list(problems(answer)) == [field]
    assert says in problems(answer)[field]
    assert not Application.objects.exists()


def test_what_was_entered_is_still_there_after_a_refusal(floor, seller):
    answer = seller.post(ADDRESS, wish(floor, price="12"))
    text = answer.content.decode()
    assert 'value="32800"' in text
    assert floor.shop.vehicle.trim in text
    assert 'value="key-1"' in text


def test_a_refusal_about_no_field_stands_above_the_form(floor, seller):
    customer = floor.customer()
    assert seller.post(ADDRESS, wish(floor, id_number=customer.id_number)).status_code == 302
    again = seller.post(ADDRESS, wish(floor, id_number=customer.id_number, idempotency_key="key-2"))
    assert (again.status_code, problems(again)) == (422, {})
    assert "in progress already" in again.content.decode()


def test_sending_twice_makes_one_order(floor, seller):
    sent = wish(floor)
    first = seller.post(ADDRESS, sent)
    second = seller.post(ADDRESS, sent | {"authorisation": SimpleUploadedFile("a.png", picture(), "image/png")})
    assert first.url == second.url
    assert Application.objects.count() == 1


def test_the_same_form_with_other_figures_is_not_taken_for_the_same(floor, seller):
    sent = wish(floor)
    seller.post(ADDRESS, sent)
    changed = seller.post(ADDRESS, sent | {"down_payment": "42800", "authorisation": SimpleUploadedFile("a.png", picture(), "image/png")})
    assert changed.status_code == 422
    assert "sent before with other figures" in changed.content.decode()


def test_a_failed_attempt_may_be_mended_with_the_same_form(floor, seller):
    sent = wish(floor)
    assert seller.post(ADDRESS, sent | {"authorisation": SimpleUploadedFile("a.png", b"x", "image/png")}).status_code == 422
    assert seller.post(ADDRESS, sent | {"authorisation": SimpleUploadedFile("a.png", picture(), "image/png")}).status_code == 302


def test_a_manager_enters_orders_too(floor, browser_of):
    manager = browser_of(floor.colleague(is_manager=True))
    assert manager.post(ADDRESS, wish(floor)).status_code == 302
    assert Application.objects.get().dealer_id == floor.consultant.shop.dealer_id


def test_a_log_in_without_a_shop_enters_none(floor, browser_of):
    nowhere = UserFactory(legal_entity=floor.shop.entity, kind="dealer", roles=["consultant"])
    client = browser_of(nowhere)
    assert client.get(ADDRESS).status_code == 200
    answer = client.post(ADDRESS, wish(floor))
    assert answer.status_code == 422
    assert "belong to no shop" in answer.content.decode()


def test_vehicles_are_found_while_typing(floor, seller, django_assert_max_num_queries):
    car = floor.shop.vehicle
    with django_assert_max_num_queries(6):
        text = seller.get(reverse("portal:search_vehicles"), {"q": car.series.name}).content.decode()
    assert f'data-vehicle="{car.id}"' in text
    assert "data-vehicle" not in seller.get(reverse("portal:search_vehicles"), {"q": ""}).content.decode()
    assert "No such vehicle" in seller.get(reverse("portal:search_vehicles"), {"q": "zzz"}).content.decode()


def test_who_tries_id_numbers_out_is_stopped(floor, browser_of):
    client = browser_of(floor.colleague())
    for n in range(MOST_REFUSALS):
        assert "No registered customer" in client.post(ADDRESS, wish(floor, id_number=UNKNOWN, idempotency_key=f"k{n}")).content.decode()
    assert "Too many orders of yours" in client.post(ADDRESS, wish(floor, idempotency_key="good")).content.decode()
    assert browser_of(floor.colleague()).post(ADDRESS, wish(floor)).status_code == 302  # others are not stopped
