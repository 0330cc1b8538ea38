"""Who sees which rows, held for all contexts at once by walking every model, every list of the back office and every address."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import transaction
from django.test import Client, override_settings
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from apps.applications.models import Application
from apps.common.admin import CarloanModelAdmin
from apps.common.models import BusinessModel, ChangeRequest
from apps.common.scope import KINDS, Scope, ScopedQuerySet
from apps.contracts.models import Contract
from apps.customers.models import BankCard, Contact, Customer
from apps.disbursement.models import Disbursement, RepaymentOrder
from apps.documents.models import Document
from apps.flows.models import FlowTask
from apps.integrations import http
from apps.integrations.tests.support import SandboxInTests
from apps.ledger.models import Account, JournalEntry
from apps.loans.models import Loan
from apps.organisations.models import BusinessDay, User
from apps.organisations.tests.support import sign_in
from tests.scene import Address, Scene, addresses, build, our_models

SCOPED = [model for model in our_models() if hasattr(model, "scope")]
PRIVATE = [model for model in SCOPED if not model.scope.public]
OURS = {model: page for model, page in admin.site._registry.items() if isinstance(page, CarloanModelAdmin)}
FOREIGN = {model: page for model, page in admin.site._registry.items() if model not in OURS}
# Kinds of rows that this story has none of: their scope is proved in their own context's tests.
NOT_IN_THE_STORY = {
    "customers.LoginCode", "customers.IdentityAttempt", "flows.FlowRun", "postloan.CollectionContact", "reconciliation.Difference",
    "reconciliation.LateMatch", "risk.ListHit", "organisations.SecondFactorEnrolment",
    "loans.FundingAgreement", "loans.FundingFee", "loans.FundingFeeTotal", "loans.TakenOverLoan",
    "loans.CompensationClaim", "loans.ClaimRecovery", "loans.LoanExtras", "loans.BranchStay", "organisations.ExtraField",
    "ledger.RulesDraft", "loans.Collateral", "loans.CollateralValue", "loans.Pledge", "loans.LoanParty",
}  # fmt: skip
REFUSED = {403, 404, 405}
# What the parameters of addresses stand for, per audience.
BACK_OFFICE_IDS = {
    "account_id": Account,
    "application_id": Application,
    "customer_id": Customer,
    "day_id": BusinessDay,
    "disbursement_id": Disbursement,
    "document_id": Document,
    "entry_id": JournalEntry,
    "loan_id": Loan,
    "request_id": ChangeRequest,
    "task_id": FlowTask,
}
PORTAL_IDS = {"order_id": Application}
API_IDS = {
    "application_id": Application,
    "card_id": BankCard,
    "contact_id": Contact,
    "contract_id": Contract,
    "document_id": Document,
    "loan_id": Loan,
    "order_id": RepaymentOrder,
}
# Pages that anybody may open; everything else asks for a log-in. The API's own table is in test_schema.
PUBLIC_PAGES = {
    "app/", "app/orders/<uuid:order_id>/", "calculator/", "login/", "manifest.webmanifest", "verify/",  # portal
    "backoffice/login/",
    "healthz", "readyz", "metrics",
}  # fmt: skip
LOG_IN_PAGES = ("/login/", "/backoffice/login/")

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def scene(django_db_setup: Any, django_db_blocker: Any, sandbox_server: Any, tmp_path_factory: Any) -> Iterator[Scene]:
    """Built once for this module, in a transaction that is rolled back."""
    places = {"SANDBOX_URL": sandbox_server.url, "CALLBACK_URL": "", "ARCHIVE_DIR": tmp_path_factory.mktemp("archive")}
    around = transaction.atomic()
    around._from_testcase = True  # as Django marks the transaction around a test: outside parties may be called within it
    with django_db_blocker.unblock(), override_settings(**places), around:
        sandbox_server.reset()
        http.breaker.cache_clear()
        yield build(SandboxInTests(sandbox_server))
        transaction.set_rollback(True)
    sandbox_server.reset()


def signed_in(user: User) -> Client:
    client = Client(raise_request_exception=False)
    sign_in(client, user)
    return client


def app_of(user: User) -> APIClient:
    """The customer's app."""
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.for_user(user)}", HTTP_IDEMPOTENCY_KEY=uuid.uuid4().hex)
    return client


def visit(client: Any, url: str, *, ends: tuple[str, ...]) -> Any:
    """The page at an address, wherever redirections lead; a redirection to one of `ends` is the answer itself."""
    response = client.get(url)
    for _ in range(3):
        if response.status_code != 302 or response.url.partition("?")[0] in ends:
            break
        response = client.get(response.url)
    return response


def admin_url(model: Any, page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


# -- every model says whose its rows are ------------------------------------------------------------------


def test_every_business_model_states_its_scope():
    assert [model._meta.label for model in our_models() if issubclass(model, BusinessModel) and not isinstance(model.scope, Scope)] == []


def test_every_scoped_or_listed_model_is_read_through_visible_to():
    listed = {*SCOPED, *OURS}
    assert [model._meta.label for model in listed if not isinstance(model._default_manager.all(), ScopedQuerySet)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_stated_look_ups_exist(kind):
    for model in SCOPED:
        if lookup := getattr(model.scope, kind):
            str(model._default_manager.filter(**{lookup: uuid.uuid4()}).query)  # raises FieldError for a look-up that leads nowhere


def test_a_model_with_a_lender_shows_its_rows_to_the_lender_s_staff():
    """A scope without the lender's look-up hides rows from everybody; only kinds that belong to no lender may do that."""
    forgotten = {
        model._meta.label
        for model in PRIVATE
        if model.scope.entity is None and any(field.name in {"legal_entity", "legal_entity_id"} for field in model._meta.fields)
    }
    assert forgotten == set()


# -- strangers see nothing, whatever way they take ----------------------------------------------------------


def test_the_story_has_rows_of_every_kind(scene):
    assert {model._meta.label for model in PRIVATE if not scene.rows[model]} == NOT_IN_THE_STORY


@pytest.mark.parametrize("who", ["staff_elsewhere", "consultant_elsewhere", "manager_elsewhere", "customer_elsewhere"])
def test_no_query_gives_a_stranger_a_row(scene, who):
    stranger = getattr(scene, who)
    seen = {
        model._meta.label: model._default_manager.visible_to(stranger).filter(pk__in=scene.rows[model]).count()
        for model in PRIVATE
        if model._default_manager.visible_to(stranger).filter(pk__in=scene.rows[model]).exists()
    }
    # A colleague's dealer is of the same lender, a neighbour's customer too; neither's rows are theirs.
    assert seen == {}


def test_no_list_of_the_back_office_shows_another_lender_s_rows(scene):
    desk = signed_in(scene.staff_elsewhere)
    wrong = {}
    for model in OURS:
        response = desk.get(admin_url(model, "changelist"))
        assert response.status_code == 200, model
        shown = {row.pk for row in response.context["cl"].result_list} & scene.rows.get(model, set())
        if found := shown | scene.ids_in(response.content.decode()):
            wrong[model._meta.label] = found
    assert wrong == {}


def test_no_form_of_the_back_office_opens_for_a_guessed_id(scene):
    desk = signed_in(scene.staff_elsewhere)
    opened = []
    for model in OURS:
        for pk in list(scene.rows.get(model, ()))[:1]:
            for page in ("change", "history", "delete"):
                url = admin_url(model, page, pk)
                response = visit(desk, url, ends=(reverse("admin:index"),))
                if response.status_code not in {302, *REFUSED}:
                    opened.append((url, response.status_code))
    assert opened == []


def test_lists_of_libraries_are_not_for_a_lender_s_staff(scene):
    desk = signed_in(scene.staff_elsewhere)
    assert {model._meta.label: desk.get(admin_url(model, "changelist")).status_code for model in FOREIGN} == {
        model._meta.label: 403 for model in FOREIGN
    }


def own_pages(below: str) -> list[Address]:
    """Our pages, without the admin's lists and forms."""
    return [address for address in addresses(below) if address.view.__module__.startswith("apps.")]


def ids_of(scene: Scene, models: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Ids of the lender's rows for the parameters of an address; those of the completed order's customer where there are such."""
    return {
        name: (next(iter(_rows_of_buyer(scene, model)), None) or next(iter(scene.rows[model]))) for name, model in models.items()
    } | more


def _rows_of_buyer(scene: Scene, model: Any) -> Any:
    return model._default_manager.visible_to(scene.buyer).filter(pk__in=scene.rows[model]).values_list("pk", flat=True)


def refusals(client: Any, pages: list[Address], values: dict[str, Any]) -> dict[str, Any]:
    """Addresses with guessed ids that answer, to reading or to writing, as if the ids were one's own."""
    opened = {}
    for address in pages:
        if address.parameters and "object_id" not in address.parameters:
            url = address.filled(values)
            answers = {method: getattr(client, method)(url).status_code for method in ("get", "post")}
            if set(answers.values()) - REFUSED:
                opened[url] = answers
    return opened


def test_no_page_of_the_back_office_opens_for_a_guessed_id(scene):
    order_no = RepaymentOrder.objects.filter(pk__in=scene.rows[RepaymentOrder]).values_list("order_no", flat=True)[0]
    ids = ids_of(scene, BACK_OFFICE_IDS, order_no=order_no, operation="waiver")
    assert refusals(signed_in(scene.staff_elsewhere), own_pages("backoffice/"), ids) == {}


@pytest.mark.parametrize("who", ["consultant_elsewhere", "manager_elsewhere"])
def test_no_page_of_the_portal_opens_for_another_dealer_s_order(scene, who):
    pages = [address for address in own_pages("orders/") if address.route.startswith("orders/")]
    assert len(pages) > 5
    assert refusals(signed_in(getattr(scene, who)), pages, ids_of(scene, PORTAL_IDS, kind="invoice")) == {}


@pytest.mark.parametrize(
    ("who", "below"), [("staff_elsewhere", "backoffice/"), ("consultant_elsewhere", "orders/"), ("manager_elsewhere", "orders/")]
)
def test_pages_without_ids_show_nothing_of_others(scene, who, below):
    client = signed_in(getattr(scene, who))
    pages = [address for address in own_pages(below) if not address.parameters]
    assert pages
    assert {page.route: found for page in pages if (found := scene.ids_in(client.get(page.filled({})).content.decode()))} == {}


def test_dealers_and_customers_do_not_enter_the_back_office(scene):
    for stranger in (scene.consultant_elsewhere, scene.customer_elsewhere):
        assert signed_in(stranger).get(reverse("admin:index")).url.startswith("/backoffice/login/")


# -- the customer's app ---------------------------------------------------------------------------------------


def own_api() -> list[Address]:
    return [address for address in addresses("api/v1/me") if hasattr(address.view, "view_class")]


def reads(address: Address) -> bool:
    return hasattr(address.view.view_class, "get")


def test_a_customer_reads_own_rows_at_every_address_as_the_schema_says(scene):
    """Every answer is what the published schema promises: 200, or 409 where the loan that was paid off has nothing to say any more."""
    app, values = app_of(scene.buyer), ids_of(scene, API_IDS)
    schema = SchemaGenerator().get_schema(request=None, public=True)
    wrong, seen = {}, set()
    for address in filter(reads, own_api()):
        response = app.get(address.filled(values))
        content_type = response.headers["Content-Type"].partition(";")[0]
        promised = schema["paths"][address.template]["get"]["responses"].get(str(response.status_code), {}).get("content", {})
        if content_type not in promised or response.status_code not in {200, 409}:
            wrong[address.route] = (response.status_code, content_type, response.content[:200])
        elif content_type == "application/json":
            seen |= scene.ids_in(response.content.decode())
            document = promised[content_type]["schema"] | {"components": schema["components"]}
            wrong |= {address.route: error.message for error in Draft202012Validator(document).iter_errors(response.json())}
    assert wrong == {}
    assert {str(value) for value in values.values()} <= seen


def test_another_customer_reads_nothing_of_it_at_any_address(scene):
    app, values = app_of(scene.customer_elsewhere), ids_of(scene, API_IDS)
    wrong = {}
    for address in filter(reads, own_api()):
        url = address.filled(values)
        response = app.get(url)
        in_url = scene.ids_in(url)
        body = b"" if response.status_code in REFUSED else response.content
        if scene.ids_in(body.decode(errors="replace")) or (in_url and response.status_code == 200 and not _is_empty_list(response)):
            wrong[address.route] = (response.status_code, response.content[:200])
    assert wrong == {}


def _is_empty_list(response: Any) -> bool:
    """A list below a stranger's id may be empty instead of not found."""
    document = response.json() if response.headers["Content-Type"] == "application/json" else None
    return document == [] or (isinstance(document, dict) and document.get("results") == [])


def test_another_customer_changes_nothing_of_it_at_any_address(scene):
    app, values = app_of(scene.customer_elsewhere), ids_of(scene, API_IDS)
    done = {}
    for address in own_api():
        for method in ("post", "put", "patch", "delete"):
            if address.parameters and hasattr(address.view.view_class, method):
                answer = getattr(app, method)(address.filled(values), {}, format="json")
                if answer.status_code not in {403, 404, 422}:
                    done[method, address.route] = answer.status_code
    assert done == {}


def test_staff_and_dealers_are_no_customers(scene):
    for stranger in (scene.staff_elsewhere, scene.consultant_elsewhere):
        app = app_of(stranger)
        answers = {address.route: app.get(address.filled(ids_of(scene, API_IDS))).status_code for address in filter(reads, own_api())}
        assert set(answers.values()) == {403}, answers


# -- nobody ------------------------------------------------------------------------------------------------------


def test_pages_that_open_without_a_log_in_are_those_of_the_table(settings, tmp_path):
    settings.ARCHIVE_DIR = tmp_path
    nobody, opened, odd = Client(raise_request_exception=False), set(), {}
    for address in addresses():
        if address.route.startswith("api/"):
            continue
        values = {name: uuid.uuid4() if f"uuid:{name}" in address.route else "1" for name in address.parameters}
        response = visit(nobody, address.filled(values), ends=LOG_IN_PAGES)
        if response.status_code in {200, 503}:  # 503: ready or not, `/readyz` answers
            opened.add(address.route)
        elif response.status_code not in {302, 401, *REFUSED}:
            odd[address.route] = response.status_code
    assert (opened, odd) == (PUBLIC_PAGES, {})
