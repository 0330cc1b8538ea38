"""Who may open what: both factors, the role's permission, the own entity's rows."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from apps.backoffice.navigation import MENUS, sidebar
from apps.disbursement.tests.factories import a_lender
from apps.organisations.tests.factories import UserFactory

PAGES = {
    "workbench": (),
    "eod": (),
    "approvals": (),
}
ALLOWED = {
    "account_manager": {"workbench"},
    "credit_reviewer": {"workbench"},
    "disbursement_reviewer": {"workbench"},
    "risk_analyst": {"workbench", "approvals"},
    "finance": {"workbench", "approvals"},
    "collector": {"workbench"},
    "entity_admin": {"workbench", "eod", "approvals"},
    "auditor": {"workbench", "eod"},
}


def test_pages_ask_for_the_second_factor(house):
    user = house.staff("credit_reviewer")
    client = Client()
    client.force_login(user, backend="apps.organisations.auth.RoleBackend")
    for name in PAGES:
        response = client.get(reverse(f"admin:{name}"))
        assert response.status_code == 302
        assert response.url.startswith(reverse("admin:login"))


def test_pages_ask_for_a_log_in(client, db):
    assert client.get("/backoffice/workbench/").url.startswith("/backoffice/login/")


def test_dealers_and_customers_do_not_enter(house, at_desk):
    for kind in ("dealer", "customer"):
        user = UserFactory(kind=kind, legal_entity=house.entity, roles=["consultant"])
        assert at_desk(user).get("/backoffice/workbench/").url.startswith("/backoffice/login/")


@pytest.mark.parametrize("role", sorted(ALLOWED))
def test_each_role_opens_its_pages_only(house, at_desk, role):
    desk = at_desk(house.staff(role))
    assert desk.get("/backoffice/").status_code == 200
    opened = {name for name in PAGES if desk.get(reverse(f"admin:{name}")).status_code == 200}
    assert opened == ALLOWED[role]


@pytest.mark.parametrize("role", sorted(ALLOWED))
def test_every_link_of_a_role_s_menu_opens(house, at_desk, role, rf):
    user = house.staff(role)
    request = rf.get("/backoffice/")
    request.user = user
    desk = at_desk(user)
    links = [item["link"] for menu in sidebar(request) for item in menu["items"]]
    assert "/backoffice/" in links
    assert {link: desk.get(link).status_code for link in links} == dict.fromkeys(links, 200)


def test_a_menu_shows_only_what_the_role_may_open(house, rf):
    request = rf.get("/backoffice/")
    request.user = house.staff("credit_reviewer")
    titles = {str(item["title"]) for menu in sidebar(request) for item in menu["items"]}
    assert {"工作台", "Workbench"} & titles
    assert not {"Journal", "Parameters", "Staff", "Jobs"} & titles


def test_every_menu_entry_leads_somewhere():
    assert all(reverse(item.url) for _title, items in MENUS for item in items)


def test_another_entity_sees_nothing(house, at_desk):
    order, payment, loan = house.order_in_review(), house.payment(), house.loan()
    proposal = house.proposal(house.staff("finance"))
    roles = ["credit_reviewer", "disbursement_reviewer", "finance", "collector", "entity_admin"]
    stranger = at_desk(UserFactory(legal_entity=a_lender(), roles=roles))
    paper = order.authorisation_id
    for page in (
        f"review/{order.id}/",
        f"review/{order.id}/calculator/",
        f"disbursement/{payment.disbursement.id}/",
        f"loans/{loan.id}/",
        f"loans/{loan.id}/statement/",
        f"approvals/{proposal.id}/",
        f"documents/{paper}/",
    ):
        assert stranger.get(f"/backoffice/{page}").status_code == 404, page
    for page, data in (
        (f"review/{order.id}/decide/", {"outcome": "decline", "reason": "no"}),
        (f"disbursement/{payment.disbursement.id}/decide/", {"outcome": "refuse", "reason": "no"}),
        (f"customers/{order.customer_id}/unmask/", {"field": "phone", "reason": "curious"}),
        (f"approvals/{proposal.id}/decide/", {"outcome": "reject", "reason": "no"}),
    ):
        assert stranger.post(f"/backoffice/{page}", data).status_code == 404, page
    for page in ("workbench/", "eod/", "approvals/", ""):
        text = stranger.get(f"/backoffice/{page}").content.decode()
        assert order.number not in text
        assert house.entity.short_name not in text


def test_pages_carry_a_strict_policy(house, at_desk):
    policy = at_desk(house.staff("credit_reviewer")).get("/backoffice/workbench/").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("page", ["", "customers/customer/", "login/"])
def test_pages_of_the_library_run_no_inline_script_and_nothing_from_elsewhere(house, at_desk, page):
    client = Client() if page == "login/" else at_desk(house.staff("credit_reviewer"))
    response = client.get(f"/backoffice/{page}")
    assert response.status_code == 200
    policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'self'",
        "script-src": "'self' 'unsafe-eval'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "connect-src": "'self'",
        "frame-ancestors": "'none'",
        "form-action": "'self'",
        "base-uri": "'none'",
    }
