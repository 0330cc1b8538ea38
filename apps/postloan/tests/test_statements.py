"""The customer's statement: one set of numbers in the JSON, on the page and on paper."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from apps.common import clock
from apps.common.clock import beijing
from apps.disbursement.tests.factories import a_customer
from apps.loans import services as loans
from apps.loans.models import Loan
from apps.loans.tests.factories import SYSTEM, a_lender, a_loan, close_through, pay
from apps.organisations.models import User
from apps.postloan import services

pytestmark = pytest.mark.django_db
DUE = dt.date(2025, 2, 20)


def yuan(amount: str) -> str:
    """An amount as papers write it."""
    sign, digits = ("−", amount[1:]) if amount.startswith("-") else ("", amount)
    return f"{sign}{int(digits[:-3]):,}{digits[-3:]}"


def told(loan: Loan, *period: str) -> dict:
    out = StringIO()
    call_command("statement", "--loan", loan.number, *period, "--format", "json", stdout=out)
    return dict(json.loads(out.getvalue()))


def text_of(content: bytes, tmp_path) -> str:
    path = tmp_path / "statement.pdf"
    path.write_bytes(content)
    return subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def story():
    """The loan of the worked examples on its first due day: paid with 3.14 too much, and a second payment bounced."""
    entity = a_lender()
    customer = a_customer(entity)
    loan = a_loan(entity, borrower_ref=customer.id)
    close_through(entity, DUE - dt.timedelta(days=1))
    clock.move_to(beijing(DUE, 12))
    pay(loan, "5600.00", DUE)
    bounced = pay(loan, "700.00", DUE, "debit-2")
    loans.reverse_transaction(
        loan_id=loan.id, transaction_id=bounced.id, reason="bounced", reference="r", actor=SYSTEM, now=beijing(DUE, 13)
    )
    return loan, customer


@pytest.mark.parametrize("period", [(), ("--from", "2025-02-01", "--to", "2025-02-20")])
def test_paper_and_json_say_the_same(story, tmp_path, period):
    loan, _customer = story
    loan = Loan.objects.select_related("balance").get(id=loan.id)
    answer = told(loan, *period)
    days = [dt.date.fromisoformat(day) for day in period[1::2]] or [None, None]
    text = text_of(services.print_statement(loan=loan, first=days[0], last=days[1], now=beijing(DUE, 14)), tmp_path)
    words = set(text.split())
    for amounts in (answer["opening"], answer["closing"], *answer["moved"].values()):
        assert {yuan(amount) for amount in amounts.values()} <= words
    for row in answer["transactions"]:
        line = [yuan(row[name]) for name in ("amount", "principal_after", "credit_after") if row[name]]
        assert any(all(word in words_of for word in [row["value_date"], *line]) for words_of in map(str.split, text.splitlines())), row
    assert "（已冲正）" in text
    # The next instalment: 5,596.86 on 20 March.
    assert "2025年3月20日" in text
    assert "5,596.86" in text


def test_opening_and_closing_are_joined_by_what_moved(story):
    loan, _customer = story
    one = services.customer_statement(loan=Loan.objects.select_related("balance").get(id=loan.id), first=None, last=None)
    disbursed, charged, collected, waived, adjusted = one.total.flows
    assert one.total.closing == one.total.opening + disbursed + charged - collected - waived + adjusted
    # 120,000.00 − 4,141.08 of principal, and 34.28 of interest for the due day itself.
    assert (str(one.total.closing), str(one.closing_credit)) == ("115893.20", "3.14")
    assert [row.kind for row in one.movements if row.line.reversed_by] == ["repayment"]
    assert (one.next_due.due_date, str(one.next_due.left)) == (dt.date(2025, 3, 20), "5596.86")


def test_a_customer_takes_their_own_statement_and_nobody_else_s(story):
    loan, customer = story

    def ask(whose, query=""):
        client = APIClient()
        client.force_authenticate(
            User.objects.create(username=uuid4().hex, kind=User.Kind.CUSTOMER, password="!", scope_kind="customer", scope_ref=whose)
        )
        return client.get(f"/api/v1/me/loans/{loan.id}/statement.pdf{query}")

    mine = ask(customer.id)
    assert (mine.status_code, mine["Content-Type"], mine.content[:5]) == (200, "application/pdf", b"%PDF-")
    assert ask(uuid4()).status_code == 404
    for query in ("?first=2025-02-02&last=2025-02-01", "?last=2025-01-09", "?first=2025-02-29"):
        assert ask(customer.id, query).status_code == 422, query


def test_a_paper_has_an_end(story, monkeypatch):
    monkeypatch.setattr("apps.postloan.services.statements.MAX_PRINTED", 2)
    with pytest.raises(services.statements.TooMuchForOnePaper):
        services.print_statement(loan=story[0], first=None, last=None, now=beijing(DUE, 14))
