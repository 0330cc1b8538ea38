"""The back office in a real Chromium: signing in, deciding by keyboard, and every page at both widths."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.urls import reverse
from django_otp.plugins.otp_totp.models import TOTPDevice
from playwright.sync_api import Page, expect
from pytest_django import DjangoDbBlocker
from pytest_django.live_server_helper import LiveServer

from apps.applications.models import Application
from apps.backoffice.tests.factories import House, open_house
from apps.common import clock
from apps.common.actors import Actor
from apps.common.models import ChangeRequest
from apps.disbursement.tests.factories import DAY, NOON, SYSTEM, LoanInTests
from apps.disbursement.tests.orders import SignedOrder
from apps.ledger.models import JournalEntry
from apps.loans import services as loans
from apps.loans.domain.funding import FundingFeeKind, FundingFeeLine
from apps.organisations.models import User
from apps.organisations.tests.support import KEY_HEX, code_now
from tests.browser.conftest import WIDTHS, assert_accessible, assert_fits, elsewhere

Opener = Callable[..., Page]


@dataclass
class Scene:
    """A house in which everything waits for somebody."""

    house: House
    order: Application
    other: Application
    third: Application
    payment: SignedOrder
    loan: LoanInTests
    operation: ChangeRequest
    everybody: User


@pytest.fixture(scope="module")
def db(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The tests of this module go on with each other's rows."""
    with django_db_blocker.unblock():
        yield
        call_command("flush", interactive=False, verbosity=0, inhibit_post_migrate=True)


@pytest.fixture(scope="module")
def server(db: None, module_sandbox: None) -> Iterator[LiveServer]:
    running = LiveServer("localhost")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def scene(server: LiveServer) -> Scene:
    return elsewhere(set_scene)


def set_scene() -> Scene:
    """Everything by the services that people use."""
    house = open_house()
    loan = house.late_loan()
    house.close_days(1)
    finance = house.staff("finance")
    house.proposal(finance)
    agreed = FundingFeeLine(kind=FundingFeeKind.GUIDE, payer_ref="bank-a", payee_ref="own", basis_ref="bank-a", rate=Decimal("0.02"))
    loans.agree_funding(
        legal_entity_id=house.entity.id, party_ref="bank-a", number="FA-1", effective_from=DAY, fees=[agreed], actor=SYSTEM, now=NOON
    )
    return Scene(
        house=house,
        order=house.order_in_review(910),
        other=house.order_in_review(911),
        third=house.order_in_review(912),
        payment=house.payment(),
        loan=loan,
        operation=loans.propose_operation(
            operation="waiver",
            loan_id=loan.id,
            data={"value_date": f"{DAY + dt.timedelta(days=1)}", "penalty": "5.00"},
            reason="agreed with the customer",
            actor=Actor.of(finance),
            now=clock.now(),
        ),
        everybody=house.staff(
            "credit_reviewer", "disbursement_reviewer", "finance", "collector", "entity_admin", "auditor", display_name="钱敏"
        ),
    )


def lists_of(scene: Scene) -> list[str]:
    """Lists and a form of the admin, which share their frame."""
    lists = ("loans_loan", "applications_application", "customers_customer", "disbursement_disbursement", "ledger_journalentry")
    return [
        *(reverse(f"admin:{name}_changelist") for name in lists),
        reverse("admin:customers_customer_change", args=[scene.order.customer_id]),
    ]


def pages_of(scene: Scene) -> list[str]:
    """Pages of our own."""
    return [
        "/backoffice/",
        "/backoffice/workbench/",
        f"/backoffice/review/{scene.order.id}/",
        f"/backoffice/disbursement/{scene.payment.disbursement.id}/",
        f"/backoffice/loans/{scene.loan.id}/",
        f"/backoffice/loans/{scene.loan.id}/#tx",
        f"/backoffice/loans/{scene.loan.id}/#books",
        f"/backoffice/loans/{scene.loan.id}/statement/",
        "/backoffice/eod/",
        "/backoffice/approvals/",
        f"/backoffice/approvals/{scene.operation.id}/",
        *counter_of(scene),
        *books_of(scene),
    ]


def counter_of(scene: Scene) -> list[str]:
    """The counter, taking loans over, and the funding parties."""
    desk = f"/backoffice/counter/{scene.loan.id}/"
    statement = f"/backoffice/funders/statement/?party=bank-a&start={DAY}&end={DAY}"
    return ["/backoffice/counter/", desk, f"{desk}extension/", "/backoffice/take-over/", "/backoffice/funders/", statement,
            "/backoffice/funders/agreements/"]  # fmt: skip


def books_of(scene: Scene) -> list[str]:
    """Pages of the books, with something on each."""
    entry = JournalEntry.objects.filter(legal_entity=scene.house.entity, event="disbursement").first()
    names = ("turnovers", "balance_sheet", "income", "branches", "chart", "rules", "bench", "manual")
    pages = [reverse(f"admin:books_{name}") + f"?start={DAY}&end={DAY}" for name in names]
    account = entry.lines.first().account_id
    return [*pages, reverse("admin:books_entry", args=[entry.id]), reverse("admin:books_account", args=[account]) + "?start=2025-11-01"]


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_is_accessible_and_fits(scene: Scene, open_as: Opener, width: str) -> None:
    page = open_as(None, "/backoffice/login/", width)
    assert_accessible(page)
    assert_fits(page)
    page = open_as(scene.everybody, "/backoffice/", width)
    for path in [*pages_of(scene), *lists_of(scene)]:
        page.goto(path)
        assert_fits(page)
        if width == "phone" or path in pages_of(scene):
            assert_accessible(page)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_form_of_the_counter_fits(scene: Scene, open_as: Opener, width: str) -> None:
    page = open_as(scene.everybody, f"/backoffice/counter/{scene.loan.id}/", width)
    for operation in loans.OPERATIONS:
        page.goto(f"/backoffice/counter/{scene.loan.id}/{operation}/")
        assert page.locator("button[value=preview]").count(), operation
        assert_fits(page)


@pytest.mark.parametrize("width", WIDTHS)
def test_an_operation_shows_before_and_after(scene: Scene, open_as: Opener, width: str) -> None:
    """The schedule and the entries of a preview are the widest tables of the counter."""
    page = open_as(scene.everybody, f"/backoffice/counter/{scene.loan.id}/extension/", width)
    page.locator("[name=installments]").fill("48")
    page.click("button[value=preview]")
    expect(page.locator("button[value=propose]")).to_be_visible()
    assert_fits(page)
    assert_accessible(page)


def test_every_page_is_legible_in_the_dark(scene: Scene, open_as: Opener) -> None:
    page = open_as(scene.everybody, "/backoffice/", "desk", color_scheme="dark")
    for path in pages_of(scene):
        page.goto(path)
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert_accessible(page, runOnly=["color-contrast"])


def test_signing_in_takes_password_and_code(scene: Scene, open_as: Opener) -> None:
    user = scene.house.staff("credit_reviewer", username="qianmin")
    TOTPDevice.objects.create(user=user, name="totp", key=KEY_HEX, confirmed=True)
    page = open_as(None, "/backoffice/workbench/")
    page.fill("[name=username]", "qianmin")
    page.fill("[name=password]", "correct horse battery")
    page.fill("[name=otp_token]", "000000")
    page.click("button[type=submit], input[type=submit]")
    expect(page.locator("[name=otp_token]")).to_be_visible()
    page.fill("[name=password]", "correct horse battery")
    page.fill("[name=otp_token]", code_now(steps_ahead=0))
    page.click("button[type=submit], input[type=submit]")
    expect(page).to_have_url(re.compile("/backoffice/workbench/$"))


def test_a_case_is_claimed_and_decided_by_keyboard(scene: Scene, open_as: Opener) -> None:
    reviewer = scene.house.staff("credit_reviewer")
    page = open_as(reviewer, "/backoffice/workbench/")
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile(f"/review/{scene.order.id}/$"))
    # Approving without a reason asks for it and sends nothing.
    page.keyboard.press("a")
    reason = page.locator("#reason")
    expect(reason).to_be_focused()
    expect(reason).to_have_attribute("aria-invalid", "true")
    # Keys rest while a field has focus: these are letters of the reason.
    page.keyboard.type("axre: income verified")
    expect(reason).to_have_value("axre: income verified")
    page.keyboard.press("Enter")
    assert Application.objects.get(id=scene.order.id).state == "manual_review"
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    amount = page.locator("#approved_amount")
    expect(amount).to_be_focused()
    amount.fill("60,000")
    expect(page.locator("[data-mirror=approved_amount]")).to_have_text("60,000")
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    expect(page).to_have_url(re.compile("/workbench/$"))
    assert Application.objects.get(id=scene.order.id).state == "offered"


def test_a_refused_amount_stays_in_sight(scene: Scene, open_as: Opener) -> None:
    page = open_as(scene.house.staff("credit_reviewer"), f"/backoffice/review/{scene.other.id}/")
    page.fill("#reason", "income verified")
    page.click("[data-key=e]")
    page.fill("#approved_amount", "9,999,999")
    page.click("button[value=approve]")
    expect(page.locator(".errorlist")).to_be_visible()
    expect(page.locator("#approved_amount")).to_be_visible()
    expect(page.locator("[data-mirror=approved_amount]")).to_have_text("9,999,999")
    assert_accessible(page)


def test_the_menu_opens_and_closes(scene: Scene, open_as: Opener) -> None:
    page = open_as(scene.everybody, "/backoffice/workbench/", "phone")
    page.click("details.nav > summary")
    expect(page.locator("details.nav nav section")).to_have_count(7)
    assert_accessible(page)
    assert_fits(page)
    page.keyboard.press("Escape")
    expect(page.locator("details.nav nav")).to_be_hidden()


def test_single_keys_can_be_switched_off(scene: Scene, open_as: Opener) -> None:
    page = open_as(scene.house.staff("credit_reviewer"), f"/backoffice/review/{scene.third.id}/")
    page.click("[data-keys-switch]")
    page.fill("#reason", "no income at all")
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    page.reload()
    page.keyboard.press("x")
    expect(page).to_have_url(re.compile(f"/review/{scene.third.id}/$"))
    assert Application.objects.get(id=scene.third.id).state == "manual_review"
    page.fill("#reason", "no income at all")
    page.click("button[value=decline]")
    expect(page).to_have_url(re.compile("/workbench/$"))
    assert Application.objects.get(id=scene.third.id).state == "declined"


def test_values_in_clear_and_other_terms_come_into_the_page(scene: Scene, open_as: Opener) -> None:
    page = open_as(scene.house.staff("credit_reviewer"), f"/backoffice/review/{scene.other.id}/")
    page.click("[data-dialog=unmask]")
    page.fill("#unmask-reason", "no")
    page.click("#unmask button.main")
    expect(page.locator("#unmasked b")).to_have_count(0)
    page.fill("#unmask-reason", "calls back as agreed")
    page.click("#unmask button.main")
    expect(page.locator("#unmasked b")).to_have_text(scene.other.customer.phone)
    page.click("#unmask [data-close]")
    page.fill("#k1", "120,000.00")
    page.fill("#k2", "10.80")
    page.fill("#k3", "36")
    page.click(".calc button")
    expect(page.locator("#sum .hero dd")).to_have_text("3,917.29")
    page.fill("#k2", "90")
    page.click(".calc button")
    expect(page.locator("#sum [role=alert]")).to_be_visible()


def test_a_payment_is_released(scene: Scene, open_as: Opener) -> None:
    page = open_as(scene.house.staff("disbursement_reviewer"), f"/backoffice/disbursement/{scene.payment.disbursement.id}/")
    expect(page.locator("[data-check][data-ok='1']")).to_have_count(7)
    page.keyboard.press("x")
    expect(page.locator("#reason")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    expect(page).to_have_url(re.compile("/workbench/$"))
    assert scene.payment.state() == "vouchered"


def test_tabs_of_a_loan_follow_the_address(scene: Scene, open_as: Opener) -> None:
    page = open_as(scene.house.staff("finance"), f"/backoffice/loans/{scene.loan.id}/")
    expect(page.locator("#sch")).to_be_visible()
    expect(page.locator("#sch tr.od")).to_have_count(1)
    page.click(".tabs a[href='#tx']")
    expect(page.locator("#sch")).to_be_hidden()
    expect(page.locator(".tabs a[aria-current]")).to_have_attribute("href", "#tx")
    page.locator("#txs summary").first.click()
    expect(page.locator("#txs .jr").first).to_be_visible()


def test_own_pages_are_light(scene: Scene, open_as: Opener) -> None:
    """The first page of the workbench stays under 200 KB, styles and scripts included."""
    sizes: list[int] = []
    page = open_as(scene.house.staff("credit_reviewer"), "/backoffice/workbench/")
    page.on("response", lambda response: sizes.append(len(response.body())))
    page.reload()
    page.wait_for_load_state("networkidle")
    assert 0 < sum(sizes) < 200_000, sizes


def test_a_list_is_searched_and_filtered_without_a_word_in_the_address(scene: Scene, open_as: Opener) -> None:
    """The library's scripts run under the policy that its pages carry, too: a violation fails the test."""
    phone = scene.order.customer.phone
    page = open_as(scene.house.staff("credit_reviewer"), "/backoffice/customers/customer/?state__exact=verified", "phone")
    page.keyboard.press("/")
    expect(page.locator("#searchbar")).to_be_focused()
    page.keyboard.type(phone)
    page.keyboard.press("Enter")
    expect(page.locator("#searchbar")).to_have_value(phone)
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    assert phone not in page.url
    assert "state__exact=verified" in page.url
    page.go_back()
    page.go_forward()
    expect(page.locator("#searchbar")).to_have_value(phone)
    assert_accessible(page)


def test_one_tab_of_the_books_is_the_current_one(scene: Scene, open_as: Opener) -> None:
    page = open_as(scene.everybody, "/backoffice/books/income/")
    current = page.locator(".tabs a[aria-current]")
    expect(current).to_have_count(1)
    assert "/books/income/" in str(current.get_attribute("href"))
