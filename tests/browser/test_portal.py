"""The dealer portal in a real Chromium: an order from the first click, the page that follows it, slow networks, every page."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from django.contrib.sessions.models import Session
from django_otp.plugins.otp_totp.models import TOTPDevice
from playwright.sync_api import FilePayload, Page, expect

from apps.applications.models import Application
from apps.common import outbox
from apps.contracts.models import Contract
from apps.organisations.tests.support import KEY_HEX, code_now
from apps.portal.tests.factories import Floor, open_floor, picture
from tests.browser.conftest import WIDTHS, assert_accessible, assert_fits, elsewhere

Opener = Callable[..., Page]
FIRST_PAGE_BYTES = 200_000
SHIFT_AT_LOAD = 0.02
PHOTO: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": picture()}
NO_PHOTO: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": b"not a picture"}


@pytest.fixture
def floor(live_server: Any, sandbox: Any, settings: Any, tmp_path: Any) -> Floor:
    settings.ARCHIVE_DIR = tmp_path
    settings.PUBLIC_URL = live_server.url
    found: Floor = elsewhere(lambda: open_floor(sandbox))
    return found


@dataclass
class Desk:
    """A consultant's browser, and what others do meanwhile."""

    floor: Floor
    open_as: Opener

    def page(self, path: str, width: str = "phone", **options: Any) -> Page:
        return self.open_as(self.floor.seller, path, width, **{"locale": "en"} | options)

    def order(self, state: str) -> Application:
        return elsewhere(lambda: self.floor.order(state))

    def open(self, order: Application, width: str = "phone", **options: Any) -> Page:
        page = self.page(f"/orders/{order.id}/", width, **options)
        page.evaluate("window.notReloaded = true")
        return page

    def lead(self, order_id: UUID, state: str) -> None:
        elsewhere(lambda: self.floor.lead(order_id, state))


@pytest.fixture
def desk(floor: Floor, open_as: Opener) -> Desk:
    return Desk(floor, open_as)


def expect_state(page: Page, state: str) -> None:
    """The open page shows the state, without having been loaded again."""
    expect(page.locator("#state")).to_have_attribute("data-state", state, timeout=15_000)
    assert page.evaluate("window.notReloaded === true"), "the page was loaded again"


def fill_in(page: Page, id_number: str) -> None:
    """The new order's form, with the keyboard where it matters."""
    page.get_by_label("Customer's ID number").fill(id_number)
    page.get_by_label("Vehicle").press_sequentially("远岚", delay=20)
    expect(page.locator("[data-vehicle]")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Transaction price (yuan)")).to_have_value("152800.00")
    page.get_by_label("Down payment or deposit (yuan)").fill("61120")
    expect(page.locator("[data-sum-up]")).to_contain_text("91,680.00")
    page.locator("#id_authorisation").set_input_files(PHOTO)


@contextmanager
def pressed_once(page: Page, address: str) -> Iterator[None]:
    """Answers come slowly; whatever is pressed meanwhile, one request is sent."""
    sent: list[str] = []

    def slowly(route: Any) -> None:
        sent.append(route.request.url)
        time.sleep(0.6)
        route.continue_()

    page.route(address, slowly)
    yield
    page.unroute(address)
    assert len(sent) == 1


@pytest.mark.parametrize("width", WIDTHS)
def test_a_consultant_enters_an_order_and_sees_it_move(desk: Desk, width: str) -> None:
    seller, customer = desk.floor.seller, elsewhere(desk.floor.customer)
    TOTPDevice.objects.create(user=seller, name="totp", key=KEY_HEX, confirmed=True)
    page = desk.open_as(None, "/orders/", width, locale="en")
    page.get_by_label("User name").fill(seller.username)
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_label("One-time code").fill(code_now())
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="New order").click()
    fill_in(page, customer.id_number)
    page.get_by_role("button", name="Submit for approval").click()

    page.wait_for_url(re.compile(r"/orders/[0-9a-f-]{36}/$"))
    page.evaluate("window.notReloaded = true")
    expect_state(page, "screening")
    order = Application.objects.get()
    elsewhere(outbox.dispatch)  # the machine decides
    expect_state(page, "offered")
    expect(page.locator("#news")).to_have_text("offered")
    expect(page.get_by_role("article").first).to_contain_text("best fit")
    expect(page).to_have_title(re.compile("offered"))

    desk.lead(order.id, "accepted")  # the customer chooses in the app
    button = page.get_by_role("button", name="Make the contract")
    with pressed_once(page, "**/contract/"):
        button.dblclick()
        page.evaluate("document.getElementById('act')?.click()")
        expect_state(page, "contracting")
    expect(button).to_have_count(0)
    elsewhere(outbox.dispatch)  # a worker renders it
    expect(page.locator("#contract-state")).to_have_attribute("data-state", "signing", timeout=15_000)
    assert Contract.objects.filter(application_id=order.id).count() == 1
    assert_fits(page)


def test_what_is_wrong_comes_back_beside_its_field_and_the_file_stays(desk: Desk) -> None:
    customer = elsewhere(desk.floor.customer)
    page = desk.page("/orders/new/")
    page.evaluate("window.notReloaded = true")
    fill_in(page, "110101199003071235")
    page.get_by_role("button", name="Submit for approval").click()
    field = page.get_by_label("Customer's ID number")
    expect(page.get_by_text("This is not an ID number")).to_be_visible()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    assert page.evaluate("document.getElementById('id_authorisation').files.length") == 1
    assert_accessible(page)
    field.fill(customer.id_number)
    page.get_by_role("button", name="Submit for approval").click()
    page.wait_for_url(re.compile(r"/orders/[0-9a-f-]{36}/$"))
    assert Application.objects.count() == 1


def test_an_order_is_not_lost_without_a_network(desk: Desk) -> None:
    customer = elsewhere(desk.floor.customer)
    page = desk.page("/orders/new/")
    fill_in(page, customer.id_number)
    page.context.set_offline(True)
    page.get_by_role("button", name="Submit for approval").click()
    expect(page.locator("#offline")).to_be_visible()
    expect(page.get_by_label("Customer's ID number")).to_have_value(customer.id_number)
    page.context.set_offline(False)
    expect(page.locator("#offline")).to_be_hidden()
    page.get_by_role("button", name="Submit for approval").click()
    page.wait_for_url(re.compile(r"/orders/[0-9a-f-]{36}/$"))


def test_news_leave_alone_what_somebody_is_doing(desk: Desk) -> None:
    order = desk.order("accepted")
    page = desk.open(order)
    page.get_by_text("Full cost of the financing").click()
    page.get_by_text("The customer does not want it any more").click()
    page.get_by_label("Why?").press_sequentially("hesi")
    desk.lead(order.id, "contracting")
    expect_state(page, "contracting")
    page.get_by_label("Why?").press_sequentially("tates")
    expect(page.get_by_label("Why?")).to_have_value("hesitates")
    expect(page.get_by_label("Why?")).to_be_focused()
    expect(page.get_by_text("annualised, compounded")).to_be_visible()


def test_a_lost_session_leads_to_the_log_in_and_back(desk: Desk) -> None:
    order = desk.order("screening")
    page = desk.open(order)
    Session.objects.all().delete()
    page.wait_for_url(re.compile(rf"/login/\?next=/orders/{order.id}/$"), timeout=15_000)


def test_an_ended_order_is_not_asked_about(desk: Desk) -> None:
    order = desk.order("offered")
    page = desk.page("/orders/")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/live/" in request.url else None)
    page.clock.install()
    page.goto(f"/orders/{order.id}/")
    page.evaluate("window.notReloaded = true")
    page.clock.fast_forward(2_100)
    expect_count(page, asked, 1)
    page.get_by_text("The customer does not want it any more").click()
    page.get_by_label("Why?").fill("bought elsewhere")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Withdraw the order").click()
    expect_state(page, "withdrawn")
    asked.clear()
    for _ in range(3):
        page.clock.fast_forward(60_000)
        page.wait_for_timeout(100)
    assert asked == []


def expect_count(page: Page, found: list[str], least: int) -> None:
    """Within two seconds there are at least so many."""
    for _ in range(20):
        if len(found) >= least:
            return
        page.wait_for_timeout(100)
    raise AssertionError(found)


def test_the_list_renews_itself(desk: Desk) -> None:
    order = desk.order("screening")
    page = desk.page("/orders/")
    expect(page.get_by_text("screening")).to_be_visible()
    elsewhere(outbox.dispatch)
    page.evaluate("refreshList()")
    expect(page.locator(".list").get_by_text("offered")).to_be_visible()
    page.get_by_placeholder("Order number, phone or ID number").fill("no such order")
    expect(page.get_by_text("No order here matches")).to_be_visible()
    page.get_by_placeholder("Order number, phone or ID number").fill(order.customer.phone)
    expect(page.get_by_role("link", name=order.number)).to_be_visible()
    page.evaluate("refreshList()")
    page.get_by_role("link", name="With the lender").click()
    expect(page.get_by_text("No order here matches")).to_be_visible()
    page.get_by_role("link", name="Customer's turn").click()
    expect(page).to_have_url(re.compile(r"/orders/\?group=customer$"))
    page.get_by_role("link", name=order.number).click()
    expect(page.locator("#state")).to_have_attribute("data-state", "offered")


PUBLIC = (
    "/login/",
    "/calculator/",
    "/calculator/?principal=120000&annual_rate=10.8&installments=36&method=equal_principal",
    "/calculator/?principal=1&annual_rate=99&installments=0&method=x",
    "/verify/",
    "/verify/?number=NONE",
    "/app/",
    "/nowhere/",
)


def pages_of(desk: Desk) -> tuple[Application, list[str]]:
    """A voucher's order, and every page of a consultant with orders of every kind in the list."""
    paid = desk.order("vouchered")
    orders = [desk.order(state) for state in ("declined", "more_info", "offered", "screening")]
    return paid, [
        "/orders/",
        "/orders/?group=ended&q=CL",
        "/orders/new/",
        *(f"/orders/{order.id}/" for order in (paid, *orders)),
        f"/orders/{paid.id}/voucher/",
        "/orders/00000000-0000-7000-8000-000000000000/",
    ]


def look_at(page: Page, path: str, **axe: Any) -> None:
    page.goto(path)
    for details in page.locator("details:not([open]) > summary").all():
        if details.is_visible():
            details.click()
    assert_fits(page)
    assert_accessible(page, **axe)
    assert re.findall(r"\b[a-z]+_[a-z_]+\b", page.inner_text("body")) == [], f"{path} shows a raw code"


def test_every_page_fits_and_is_accessible(desk: Desk) -> None:
    """All at the phone; at the desk, in the dark: the layouts that differ there, and the colours of all. English is longer."""
    paid, paths = pages_of(desk)
    english = desk.page("/orders/", "phone", locale="en")
    for path in paths:
        english.goto(path)
        assert_fits(english)

    phone = desk.page("/orders/", "phone", locale="zh-CN")
    for path in paths:
        look_at(phone, path)
    page = desk.page("/orders/", "desk", color_scheme="dark")
    for path in paths:
        look_at(page, path, **({} if path in paths[:4] else {"runOnly": ["color-contrast"]}))

    visitor = desk.open_as(None, "/login/", "phone", locale="zh-CN")
    for path in PUBLIC:
        look_at(visitor, path)
    visitor = desk.open_as(None, "/login/", "desk", color_scheme="dark", locale="en")
    for path in PUBLIC:
        look_at(visitor, path, runOnly=["color-contrast"])

    page.goto(f"/orders/{paid.id}/voucher/")
    page.emulate_media(media="print", color_scheme="light")
    expect(page.get_by_role("button", name="Print")).to_be_hidden()
    expect(page.locator(".ticket .qr svg")).to_be_visible()
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4"))) == 1, "a voucher is one sheet"

    page.emulate_media(media="screen", color_scheme="light")
    page.on("dialog", lambda dialog: dialog.accept())
    pick_up_and_hand_in(page, paid)


def pick_up_and_hand_in(page: Page, order: Application) -> None:
    """From the voucher to the first paper, with a wrong file and a lost connection on the way."""
    page.set_viewport_size({"width": WIDTHS["phone"][0], "height": WIDTHS["phone"][1]})
    page.goto(f"/orders/{order.id}/")
    page.evaluate("window.notReloaded = true")
    expect(page.locator("#voucher-number")).to_have_text(re.compile(r"^V\d+"))
    page.get_by_role("button", name="Confirm pick-up").click()
    expect_state(page, "delivered")
    elsewhere(outbox.dispatch)
    row = page.locator("#paper-handover_note")
    row.locator("input[data-camera]").set_input_files(NO_PHOTO)
    expect(row).to_contain_text("not a PDF, JPEG or PNG")
    expect(row.get_by_role("alert")).to_be_visible()
    assert_fits(page)
    assert_accessible(page)

    page.context.set_offline(True)
    row.locator("input[data-camera]").set_input_files(PHOTO)
    expect(row).to_contain_text("Not sent: no connection.")
    page.context.set_offline(False)
    expect(row).to_have_class("paper ok", timeout=15_000)
    expect(page.get_by_role("region", name="Next step")).to_contain_text("5 papers to come", timeout=15_000)
    assert page.evaluate("window.notReloaded === true")


def test_the_first_page_is_light_and_still(desk: Desk) -> None:
    order = desk.order("offered")
    page = desk.page("/verify/", "phone")
    weights: dict[str, int] = {}
    page.on("response", lambda response: weights.update({response.url: len(response.body())}))
    for path in ("/orders/", f"/orders/{order.id}/"):
        weights.clear()
        page.goto(path, wait_until="networkidle")
        assert sum(weights.values()) < FIRST_PAGE_BYTES, weights
        shift = page.evaluate(
            """() => new Promise((tell) => new PerformanceObserver((list) => tell(
                 list.getEntries().reduce((sum, entry) => sum + entry.value, 0))).observe({type: 'layout-shift', buffered: true})
                 || setTimeout(() => tell(0), 500))"""
        )
        assert shift <= SHIFT_AT_LOAD, path


def test_by_keyboard_alone(desk: Desk) -> None:
    order = desk.order("offered")
    page = desk.open(order, "desk")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "act":
            break
    page.keyboard.press("Enter")
    expect(page.locator("#h-handover")).to_be_in_viewport()
