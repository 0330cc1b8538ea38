"""Funding parties: an agreement by two, and the statement that adds up loan by loan to what the books say."""

from __future__ import annotations

import csv
import datetime as dt
from decimal import Decimal

import pytest
from rest_framework.test import APIClient

from apps.common import clock
from apps.common.clock import beijing
from apps.common.models import ChangeRequest
from apps.loans import selectors
from apps.loans.domain.terms import Component
from apps.loans.models import FundingAgreement
from apps.loans.tests.factories import START, a_lender, a_loan, assert_sound, close_through, pay, shared
from apps.organisations.tests.factories import UserFactory

pytestmark = pytest.mark.django_db
DUE = dt.date(2025, 2, 20)
ENTERED = {
    "party_ref": "bank-a",
    "number": "FA-2025-1",
    "effective_from": f"{START}",
    "kind_1": "guide",
    "payer_ref_1": "bank-a",
    "payee_ref_1": "own",
    "basis_ref_1": "bank-a",
    "rate_1": "0.02",
    "kind_2": "service",
    "payer_ref_2": "bank-a",
    "payee_ref_2": "dealer-hub",
    "amount_2": "99.99",
    "kind_3": "guide",
    "reason": "signed on paper",
}
PERIOD = {"party": "bank-a", "start": "2025-02-01", "end": "2025-02-20"}


@pytest.fixture
def entity():
    clock.move_to(beijing(START, 12))
    return a_lender()


@pytest.fixture
def people(entity, at_desk):
    """The clients of finance and of the administrator."""
    return [at_desk(UserFactory(legal_entity=entity, roles=[role])) for role in ("finance", "entity_admin")]


def agreed(people):
    finance, admin = people
    answer = admin.post("/backoffice/funders/agreements/", ENTERED)
    assert answer.status_code == 302, answer.content.decode()
    assert not FundingAgreement.objects.exists()
    assert "2,000" in finance.get(answer.url).content.decode().replace("2000.00", "2,000.00")  # 2 % of 100,000.00
    assert finance.post(f"{answer.url}decide/", {"outcome": "approve"}).status_code == 302
    return ChangeRequest.objects.get(kind="loans.funding_agreement")


def told(entity, first=dt.date(2025, 2, 1), last=DUE):
    return selectors.funder_statement(legal_entity_id=entity.id, party_ref="bank-a", first=first, last=last)


def test_an_agreement_is_entered_by_one_and_approved_by_another(entity, people):
    change = agreed(people)
    assert change.state == "executed", change.error
    agreement = FundingAgreement.objects.get(legal_entity=entity)
    fees = [(fee.kind, fee.payer_ref, fee.payee_ref, fee.rate, fee.amount) for fee in agreement.fees.order_by("id")]
    assert fees == [
        ("guide", "bank-a", "own", Decimal("0.020000"), None),
        ("service", "bank-a", "dealer-hub", None, Decimal("99.99")),
    ]
    shown = people[0].get("/backoffice/funders/").content.decode()
    assert all(text in shown for text in ("FA-2025-1", "2.00%", "99.99"))
    assert people[1].post("/backoffice/funders/agreements/", ENTERED).status_code == 409, "the number is taken"


@pytest.mark.parametrize(
    "wrong",
    [{"rate_1": "2"}, {"rate_1": "x"}, {"amount_1": "5"}, {"payee_ref_1": "bank-a"}, {"number": ""}, {"party_ref": "own"}, {"reason": ""},
     {"effective_from": "soon"}, {name: "" for name in ENTERED if name.endswith(("_1", "_2"))}, {"kind_1": "gift"}],
)  # fmt: skip
def test_an_agreement_that_cannot_be_right_is_refused(people, wrong):
    refused = people[1].post("/backoffice/funders/agreements/", ENTERED | wrong)
    assert refused.status_code == 422
    assert "FA-2025-1" in refused.content.decode() or wrong.get("number") == ""
    assert not ChangeRequest.objects.exists()


def test_what_is_wrong_is_told_in_the_language_of_the_page(people):
    refused = people[1].post("/backoffice/funders/agreements/", ENTERED | {"amount_1": "5"}, HTTP_ACCEPT_LANGUAGE="zh-hans")
    assert "费率与金额只能填一项" in refused.content.decode()


def test_an_agreement_does_not_reach_back_over_loans(entity, people):
    a_loan(entity, shared(entity))
    assert people[1].post("/backoffice/funders/agreements/", ENTERED).status_code == 409


def test_the_statement_of_february(entity, people):
    """docs/rules/co-lending-split.md: instalment 1 of 5,596.86 paid; the bank's 7,000 parts are 1,019.05 and 2,898.76, it owes 57.98."""
    agreed(people)
    loan = a_loan(entity, shared(entity))
    close_through(entity, DUE - dt.timedelta(days=1))
    pay(loan, "5596.86", DUE)
    close_through(entity, DUE)
    statement = told(entity)
    accounts = {row.code: (str(row.opening), str(row.up), str(row.down), str(row.closing)) for row in statement.accounts}
    # Held for the bank: its part of the instalment less the guide fee; 84,000.00 were its own money on the way to the borrower.
    assert accounts["224101"] == ("-84000.00", "3917.81", "57.98", "-80140.17")
    assert accounts["9004"] == ("84000.00", "0.00", "2898.76", "81101.24")
    held = [(row.event, str(row.up), str(row.down), str(row.balance)) for row in statement.moves if row.code == "224101"]
    assert held == [("funding_fee", "0.00", "57.98", "-84057.98"), ("repayment", "3917.81", "0.00", "-80140.17")]
    (row,) = statement.loans
    assert (row.share, str(row.principal), str(row.flows[2])) == (7000, "81101.24", "3917.81")
    # The party's parts of all loans are what the books hold of it.
    claims = {account.code: account.closing for account in statement.accounts}
    part = selectors.party_statement(selectors.statement_for(loan, START, DUE), "bank-a").closing.owed()
    assert claims["9004"] == part[Component.PRINCIPAL] == row.principal
    assert claims["9004"] + claims["9005"] == row.closing
    assert row.opening == told(entity, START, dt.date(2025, 1, 31)).loans[0].closing
    assert_sound(entity)


def test_the_statement_is_a_page_a_table_and_a_paper(entity, people):
    finance, _admin = people
    loan = a_loan(entity, shared(entity))
    close_through(entity, DUE)
    shown = finance.get("/backoffice/funders/statement/", PERIOD)
    assert shown.status_code == 200
    assert all(text in shown.content.decode() for text in (loan.number, "84,000.00"))
    sheet = finance.get("/backoffice/funders/statement/", PERIOD | {"form": "csv"}).content.decode("utf-8-sig")
    closing = {row[0]: row[5] for row in csv.reader(sheet.splitlines()) if row[2] == "Closing balance"}
    assert closing == {row.code: str(row.closing) for row in told(entity).accounts}
    paper = finance.get("/backoffice/funders/statement/", PERIOD | {"form": "pdf"})
    assert (paper["Content-Type"], paper.content[:5]) == ("application/pdf", b"%PDF-")
    assert finance.get("/backoffice/funders/statement/", PERIOD | {"party": "nobody"}).status_code == 404
    assert finance.get("/backoffice/funders/statement/", PERIOD | {"start": "2025-03-01"}).status_code == 422


def test_the_api_tells_the_same(entity):
    loan = a_loan(entity, shared(entity))
    close_through(entity, DUE)

    def client_of(lender, *roles):
        client = APIClient()
        client.force_authenticate(UserFactory(legal_entity=lender, roles=list(roles)))
        return client

    finance, days = client_of(entity, "finance"), {"first": "2025-02-01", "last": "2025-02-20"}
    assert finance.get("/api/v1/funders").json() == ["bank-a"]
    answer = finance.get("/api/v1/funders/bank-a/statement", days).json()
    statement = told(entity)
    assert [(row["code"], row["closing"]) for row in answer["accounts"]] == [(row.code, str(row.closing)) for row in statement.accounts]
    (row,) = answer["loans"]
    assert (row["number"], row["share"], row["closing"]) == (loan.number, 7000, str(statement.loans[0].closing))
    assert Decimal(row["closing"]) == sum(
        sign * Decimal(row[name])
        for name, sign in (("opening", 1), ("disbursed", 1), ("charged", 1), ("collected", -1), ("waived", -1), ("adjusted", 1))
    )
    assert finance.get("/api/v1/funders/bank-a/statement").status_code == 422
    assert client_of(a_lender(), "finance").get("/api/v1/funders/bank-a/statement", days).status_code == 404
    assert client_of(entity, "collector").get("/api/v1/funders/bank-a/statement", days).status_code == 403


def test_it_is_for_the_lender_s_own_finance(entity, people, at_desk):
    a_loan(entity, shared(entity))
    stranger = at_desk(UserFactory(legal_entity=a_lender(), roles=["finance"]))
    assert stranger.get("/backoffice/funders/statement/", PERIOD).status_code == 404
    assert "bank-a" not in stranger.get("/backoffice/funders/").content.decode()
    collector = at_desk(UserFactory(legal_entity=entity, roles=["collector"]))
    assert collector.get("/backoffice/funders/statement/", PERIOD).status_code == 403
    assert collector.get("/backoffice/funders/").status_code == 403
    assert people[0].get("/backoffice/funders/agreements/").status_code == 403


def test_queries_grow_with_the_loans_of_one_page_only(entity, django_assert_max_num_queries):
    for number in range(3):
        a_loan(entity, shared(entity), reference=f"t-{number}")
    with django_assert_max_num_queries(12):
        assert told(entity, START, START).count == 3
