"""Orders in the portal: who sees which, the page in every state, its parts anew, the deeds on it."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.urls import reverse

from apps.applications.models import Application
from apps.common import outbox
from apps.contracts.models import Contract
from apps.dealers.tests.factories import ConsultantFactory, ShopFactory
from apps.organisations.models import User
from apps.organisations.tests.factories import UserFactory
from apps.portal import progress
from apps.portal.tests.factories import picture

pytestmark = pytest.mark.django_db
HX = {"HX-Request": "true"}
IN_PAGE = ("order", "live", "voucher", "voucher_pdf", "contract_pdf")
BY_FORM = ("submit_again", "apply_again", "make_contract", "pick_up", "withdraw")


def page(client: Client, order: Application, name: str = "order", **options):
    return client.get(reverse(f"portal:{name}", args=[order.id]), **options)


def send(client: Client, order: Application, name: str, data=None, **options):
    return client.post(reverse(f"portal:{name}", args=[order.id]), data or {}, **options)


def state_of(order: Application) -> str:
    return str(Application.objects.get(id=order.id).state)


def shown_state(response) -> str:
    return re.search(r'id="state" data-state="(\w+)"', response.content.decode()).group(1)


def keys(response) -> dict[str, str]:
    return dict(re.findall(r'id="part-(\w+)" data-part data-key="(\w+)"', response.content.decode()))


def png(content: bytes | None = None) -> SimpleUploadedFile:
    return SimpleUploadedFile("p.png", picture() if content is None else content, "image/png")


def version(response) -> str:
    return re.search(r'data-version="(\w+)"', response.content.decode()).group(1)


# -- who --------------------------------------------------------------------------------------------


def test_strangers_are_sent_to_the_log_in_and_back(floor, client):
    order = floor.order("screening")
    address = reverse("portal:order", args=[order.id])
    assert client.get(address).url == f"{reverse('portal:login')}?next={address}"
    live = page(client, order, "live", headers={**HX, "HX-Current-URL": f"http://testserver{address}"})
    assert live.headers["HX-Redirect"] == f"{reverse('portal:login')}?next={address}"
    posted = send(client, order, "make_contract", headers={"Referer": f"http://testserver{address}"})
    assert posted.url == f"{reverse('portal:login')}?next={address}"
    foreign = send(client, order, "make_contract", headers={"Referer": "https://evil.example/x"})
    assert foreign.url == f"{reverse('portal:login')}?next={reverse('portal:orders')}"


def test_the_password_alone_does_not_open_the_portal(floor, client):
    client.force_login(floor.seller, backend="apps.organisations.auth.RoleBackend")
    assert client.get(reverse("portal:orders")).url.startswith(reverse("portal:login"))


def test_staff_of_the_lender_do_not_use_the_portal(floor, browser_of):
    reviewer = UserFactory(legal_entity=floor.shop.entity, roles=["credit_reviewer"])
    assert browser_of(reviewer).get(reverse("portal:orders")).status_code == 403


def test_another_dealers_people_and_other_consultants_find_nothing(floor, browser_of):
    order = floor.order("screening")
    stranger = ConsultantFactory(shop=ShopFactory(dealer__legal_entity=floor.shop.entity))
    boss = ConsultantFactory(shop=ShopFactory(dealer=floor.consultant.shop.dealer), is_manager=True)  # next door, the same dealer's
    for user in (User.objects.get(id=stranger.user_id), User.objects.get(id=boss.user_id), floor.colleague()):
        client = browser_of(user)
        assert [page(client, order, name).status_code for name in IN_PAGE] == [404] * len(IN_PAGE)
        assert [send(client, order, name, {"reason": "x"}).status_code for name in BY_FORM] == [404] * len(BY_FORM)
        paper = client.post(reverse("portal:upload_paper", args=[order.id, "handover_note"]), {"file": png()})
        assert paper.status_code == 404
        assert order.number not in client.get(reverse("portal:orders")).content.decode()
    assert state_of(order) == "screening"


def test_the_manager_sees_the_shops_orders_and_whose_they_are(floor, browser_of):
    order = floor.order("screening")
    manager = browser_of(floor.colleague(is_manager=True))
    listed = manager.get(reverse("portal:orders")).content.decode()
    assert order.number in listed
    assert floor.consultant.name in listed
    assert page(manager, order).status_code == 200


# -- the list ----------------------------------------------------------------------------------------


def test_the_list_is_grouped_by_whose_turn_it_is_and_searched(floor, seller):
    offered, screening, declined = floor.order("offered"), floor.order("screening"), floor.order("screening")
    Application.objects.filter(id=declined.id).update(state="declined")

    def listed(**query):
        text = (seller.post if "q" in query else seller.get)(reverse("portal:orders"), query).content.decode()
        return [order.number for order in (offered, screening, declined) if order.number in text]

    assert listed() == [offered.number, screening.number, declined.number]
    assert listed(group="customer") == [offered.number]
    assert listed(group="lender") == [screening.number]
    assert listed(group="ended") == [declined.number]
    assert listed(q=offered.number[-6:]) == [offered.number]
    assert listed(q=offered.number.lower()) == [offered.number]
    assert listed(q=offered.customer.phone) == listed(q=offered.customer.id_number) == [offered.number]
    assert listed(q=offered.customer.phone, group="lender") == []
    assert listed(group="nonsense", page="99") == [offered.number, screening.number, declined.number]
    assert "<html" not in seller.get(reverse("portal:orders"), headers=HX).content.decode()


def test_who_was_searched_for_never_stands_in_an_address(floor, seller):
    one, two = floor.order("screening"), floor.order("screening")
    phone, address = one.customer.phone, reverse("portal:orders")
    found = seller.post(address, {"q": phone, "group": "lender"}, headers=HX)
    assert found.headers["HX-Replace-Url"] == f"{address}?group=lender"
    assert re.findall(rf'(?:href|hx-vals|action)=["\'][^"]*{phone}', found.content.decode()) == []
    named = seller.post(address, {"q": one.number}, headers=HX)
    assert named.headers["HX-Replace-Url"] == f"{address}?group=all&q={one.number}"
    again = seller.get(named.headers["HX-Replace-Url"]).content.decode()
    assert (one.number in again, two.number in again) == (True, False)
    assert seller.get(address, {"q": phone}).url == address


def test_a_longer_list_asks_no_more_questions(floor, seller, django_assert_max_num_queries):
    floor.order("screening")
    seller.get(reverse("portal:orders"))
    for _ in range(4):
        floor.order("screening")
    with django_assert_max_num_queries(9):
        assert seller.get(reverse("portal:orders")).content.decode().count("data-clock") == 5


# -- the page ----------------------------------------------------------------------------------------


TURN = {"more_info", "offered", "accepted", "contracting", "vouchered", "delivered"}  # of the shop or its customer


def look_at(client: Client, order: Application) -> None:
    """The page of an order stands up to every rule of pages."""
    response = page(client, order)
    text = response.content.decode()
    assert (response.status_code, shown_state(response)) == (200, order.state)
    assert len(response.content) < 60_000
    assert re.findall(r"<[^>]+\s(?:style|on\w+)=", text) == [], order.state
    assert order.customer.phone not in text
    assert order.customer.id_number not in text
    assert ('class="act"' in text) is (order.state in TURN), order.state
    assert ('data-ended="true"' in text) is (order.state in progress.ENDED), order.state


@pytest.mark.parametrize("state", ["declined", "withdrawn", "more_info", "manual_review", "screening"])
def test_the_page_of_an_order_that_waits_or_ended(floor, seller, state):
    look_at(seller, floor.order(state))


def test_the_page_all_the_way(floor, seller):
    order = floor.order("offered")
    look_at(seller, order)
    for state in ("accepted", "contracting", "disbursement_review"):
        look_at(seller, floor.lead(order.id, state))
    with transaction.atomic():  # what if the payment were refused
        look_at(seller, floor.lead(order.id, "refused"))
        transaction.set_rollback(True)
    for state in ("vouchered", "delivered", "completed"):
        look_at(seller, floor.lead(order.id, state))


def test_a_declined_order_does_not_tell_the_shop_why(floor, seller):
    order = floor.order("declined")
    assert order.reasons
    text = page(seller, order).content.decode()
    assert "The lender offers no loan" in text
    assert not any(code in text for code in order.reasons)
    assert "debts" not in text


def test_an_order_in_screening_is_watched_with_one_question_of_its_own(floor, seller, django_assert_num_queries):
    order = floor.order("screening")
    seen = version(page(seller, order))
    seller.get(reverse("portal:live", args=[order.id]), {"v": seen})
    with django_assert_num_queries(5):  # session, user, second factor, clock, order
        seller.get(reverse("portal:live", args=[order.id]), {"v": seen}, headers=HX)


def test_news_bring_only_the_changed_parts_anew(floor, seller):
    order = floor.order("screening")
    before = page(seller, order)
    outbox.dispatch()
    after = seller.get(reverse("portal:live", args=[order.id]), {"v": version(before)}, headers=HX)
    assert (after.status_code, shown_state(after)) == (200, "offered")
    assert "<html" not in after.content.decode()
    changed = {name for name, key in keys(after).items() if keys(before)[name] != key}
    assert {"head", "steps", "plans", "timeline", "act", "handover"} <= changed
    assert "contract" not in changed


# -- deeds ---------------------------------------------------------------------------------------------


def test_an_order_with_plans_is_screened_again_with_a_reason(floor, seller):
    order = floor.order("offered")
    assert reverse("portal:apply_again", args=[order.id]) in page(seller, order).content.decode()
    assert send(seller, order, "apply_again", {"reason": " "}, headers=HX).status_code == 422
    assert state_of(order) == "offered"
    assert send(seller, order, "apply_again", {"reason": "收入证明已补"}, headers=HX).status_code == 204
    assert send(seller, order, "apply_again", {"reason": "收入证明已补"}, headers=HX).status_code == 409
    outbox.dispatch()
    assert (state_of(order), Application.objects.get(id=order.id).round) == ("offered", 2)


def test_a_contract_is_made_once_and_its_arrival_is_news(floor, seller, django_assert_max_num_queries):
    order = floor.order("accepted")
    first, second = send(seller, order, "make_contract"), send(seller, order, "make_contract")
    assert (first.status_code, second.status_code) == (302, 302)
    assert Contract.objects.filter(application_id=order.id).count() == 1
    waiting = page(seller, order)
    assert (page(seller, order, "contract_pdf").status_code, state_of(order)) == (404, "contracting")
    outbox.dispatch()
    ready = seller.get(reverse("portal:live", args=[order.id]), {"v": version(waiting)}, headers=HX)
    assert ready.status_code == 200
    assert {"contract", "act"} <= {name for name, key in keys(ready).items() if keys(waiting)[name] != key}
    with django_assert_max_num_queries(8):
        answer = seller.get(reverse("portal:live", args=[order.id]), {"v": version(ready)}, headers=HX)
    assert (answer.status_code, answer.content) == (204, b"")


def test_with_htmx_a_deed_answers_with_the_news_or_the_refusal(floor, seller):
    order = floor.order("offered")
    refused = send(seller, order, "make_contract", headers=HX)
    assert refused.status_code == 409
    assert refused.content.decode().startswith('<div class="alert')
    floor.to_accepted(order.id)
    done = send(seller, order, "make_contract", headers=HX)
    assert (done.status_code, "order-changed" in done.headers["HX-Trigger"]) == (204, True)


def test_more_information_is_asked_for_in_the_reviewers_words_and_handed_in(floor, seller):
    order = floor.order("more_info")
    old = Application.objects.get(id=order.id).authorisation_id
    assert "工作证明看不清，请重拍" in page(seller, order).content.decode()
    answer = send(seller, order, "submit_again", {"authorisation": png()})
    again = Application.objects.get(id=order.id)
    assert (answer.status_code, again.state) == (302, "screening")
    assert again.authorisation_id != old


def test_a_withdrawal_needs_its_reason(floor, seller):
    order = floor.order("offered")
    assert send(seller, order, "withdraw", {"reason": " "}).status_code == 422
    assert state_of(order) == "offered"
    assert send(seller, order, "withdraw", {"reason": "另买他车"}).status_code == 302
    assert state_of(order) == "withdrawn"
    assert "The order was withdrawn." in page(seller, order).content.decode()


def test_there_is_no_voucher_before_its_time(floor, seller):
    order = floor.order("offered")
    assert page(seller, order, "voucher").status_code == 404
    assert send(seller, order, "pick_up").status_code == 404
    assert "Do not hand over the car" in page(seller, order, "voucher_pdf").content.decode()
