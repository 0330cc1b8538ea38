"""Statements of account: turnovers, balance sheet, income statement, an account's ledger; for any day, closed or open."""

from __future__ import annotations

import datetime as dt
import io
import json
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Sum

from apps.common.errors import BadInput, NotFound
from apps.common.scope import DataScope
from apps.ledger import selectors, services
from apps.ledger.domain import Entry, Posting
from apps.ledger.models import Account, AccountDay, JournalLine, PostingRule
from apps.ledger.tests.factories import NOW, SYSTEM, an_entity

pytestmark = pytest.mark.django_db
D = dt.date
START = D(2025, 1, 10)


def _post(entity, day, event, reference, **amounts):
    postings = [Posting(component, Decimal(amount)) for component, amount in amounts.items()]
    services.post(legal_entity_id=entity.id, business_date=day, event=event, amounts=postings, reference=reference, actor=SYSTEM, now=NOW)


def _close(entity, day):
    services.close_day(legal_entity_id=entity.id, day=day, now=NOW)


@pytest.fixture
def entity():
    """Capital 1,000; a loan of 600; interest of 35.51 with its tax; a bank fee of 5; one closed day in between, one after a gap."""
    entity = an_entity()
    _post(entity, START, "funding_received", "capital", principal="1000.00")
    _post(entity, START, "disbursement", "loan", principal="600.00")
    _close(entity, START)
    _post(entity, D(2025, 1, 11), "accrual", "day", interest="33.50", interest_vat="2.01")
    _post(entity, D(2025, 1, 12), "bank_fee", "fee", fee="5.00")
    _close(entity, D(2025, 1, 13))
    _post(entity, D(2025, 1, 14), "repayment", "paid", principal="100.00", interest="35.51")
    _post(entity, D(2025, 1, 14), "voucher_issued", "memo", guarantee="50.00")
    return entity


def _rows(entity, start, end):
    return {row.code: (row.opening, row.debit, row.credit, row.closing) for row in selectors.turnovers(entity.id, start, end)}


def _yuan(*amounts):
    return tuple(Decimal(amount) for amount in amounts)


def test_turnovers_have_opening_movements_and_closing(entity):
    rows = _rows(entity, D(2025, 1, 11), D(2025, 1, 14))
    assert rows["1002"] == _yuan(1000, 0, 5, 995)
    assert rows["1012"] == _yuan(-600, "135.51", 0, "-464.49")
    assert rows["1303"] == rows["130301"] == _yuan(600, 0, 100, 500)
    assert rows["113201"] == _yuan(0, "35.51", "35.51", 0)
    assert rows["6421"] == _yuan(0, 5, 0, 5)


def _by_lines(entity, start, end):
    """The same from lines alone."""
    found = {}
    for account in Account.objects.filter(legal_entity=entity):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(sum(debit - credit) FILTER (WHERE business_date < %(a)s), 0),"
                " coalesce(sum(debit) FILTER (WHERE business_date >= %(a)s), 0),"
                " coalesce(sum(credit) FILTER (WHERE business_date >= %(a)s), 0)"
                " FROM ledger_journalline WHERE account_id = %(id)s AND business_date <= %(b)s",
                {"a": start, "b": end, "id": account.id},
            )
            opening, debit, credit = cursor.fetchone()
        if opening or debit or credit:
            found[account.code] = (opening, debit, credit, opening + debit - credit)
    return found


DAYS = [D(2025, 1, day) for day in range(9, 16)]


@pytest.mark.parametrize(("start", "end"), [(start, end) for start in DAYS for end in DAYS if start <= end])
def test_any_period_is_that_of_the_lines_whatever_was_closed(entity, start, end):
    expected = _by_lines(entity, start, end)
    rows = selectors.turnovers(entity.id, start, end)
    assert {row.code: (row.opening, row.debit, row.credit, row.closing) for row in rows if not row.is_sum} == expected
    assert sum(row.debit for row in rows if not row.is_sum) == sum(row.credit for row in rows if not row.is_sum)


@pytest.mark.parametrize("as_of", DAYS)
def test_assets_are_liabilities_equity_and_result_on_every_day(entity, as_of):
    sheet = selectors.balance_sheet(entity.id, as_of)
    assert sheet.balances
    assert sheet.total_assets == sheet.total_liabilities + sheet.total_equity


def test_a_balance_sheet(entity):
    sheet = selectors.balance_sheet(entity.id, D(2025, 1, 14))
    assert [(line.code, line.name, line.amount) for line in sheet.assets] == [
        ("1002", "银行存款", Decimal("995.00")),
        ("1012", "待清算资金", Decimal("-464.49")),
        ("1303", "贷款", Decimal("500.00")),
    ]
    assert [(line.code, line.amount) for line in sheet.liabilities] == [("2221", Decimal("2.01"))]
    assert [(line.code, line.amount) for line in sheet.equity] == [("4001", Decimal("1000.00"))]
    assert (sheet.result, sheet.total_assets) == _yuan("28.50", "1030.51")
    assert sum(line.amount for line in sheet.memos) == 0


def test_an_income_statement(entity):
    statement = selectors.income_statement(entity.id, D(2025, 1, 1), D(2025, 1, 31))
    assert [(line.code, line.name, line.amount) for line in statement.income] == [("6011", "利息收入", Decimal("33.50"))]
    assert [(line.code, line.amount) for line in statement.expenses] == [("6421", Decimal("5.00"))]
    assert statement.result == Decimal("28.50")
    assert selectors.income_statement(entity.id, D(2025, 1, 12), D(2025, 1, 12)).result == Decimal("-5.00")


def test_days_the_wrong_way_round_are_refused(entity):
    for question in (selectors.turnovers, selectors.income_statement):
        with pytest.raises(BadInput):
            question(entity.id, D(2025, 1, 2), D(2025, 1, 1))


def _person(entity):
    return SimpleNamespace(data_scope=DataScope("entity", entity.id))


def test_an_account_s_ledger_has_a_running_balance(entity, monkeypatch):
    account = Account.objects.get(legal_entity=entity, code="1012")
    page = selectors.account_page(account.id, _person(entity), D(2025, 1, 11), D(2025, 1, 31))
    assert (page.opening, page.closing) == _yuan(-600, "-464.49")
    assert [(line.entry.reference, running) for line, running in page.lines] == [("paid", Decimal("-464.49"))]
    monkeypatch.setattr("apps.ledger.selectors.statements.PAGE_LINES", 1)
    second = selectors.account_page(account.id, _person(entity), D(2025, 1, 1), D(2025, 1, 31), page=2)
    assert (second.pages, second.brought, second.lines[0][1]) == (2, Decimal("-600.00"), Decimal("-464.49"))
    with pytest.raises(NotFound):
        selectors.account_page(account.id, _person(an_entity()), D(2025, 1, 1), D(2025, 1, 31))


def test_the_result_of_a_closed_year_goes_to_equity_once(entity):
    with pytest.raises(services.YearRunning):
        services.transfer_result(legal_entity_id=entity.id, year=2025, actor=SYSTEM, now=NOW)
    _close(entity, D(2025, 12, 31))
    _post(entity, D(2026, 1, 1), "accrual", "next year", interest="1.00")
    before = selectors.income_statement(entity.id, D(2025, 1, 1), D(2025, 12, 31))
    out = io.StringIO()
    call_command("transfer_result", entity=entity.code, year=2025, format="json", stdout=out, stderr=io.StringIO())
    entry = json.loads(out.getvalue())["entry"]
    assert str(services.transfer_result(legal_entity_id=entity.id, year=2025, actor=SYSTEM, now=NOW)) == entry
    sheet = selectors.balance_sheet(entity.id, D(2026, 1, 1))
    assert [(line.code, line.amount) for line in sheet.equity] == [("4001", Decimal("1000.00")), ("4103", Decimal("28.50"))]
    assert (sheet.result, sheet.balances) == (Decimal("1.00"), True)
    assert selectors.income_statement(entity.id, D(2025, 1, 1), D(2025, 12, 31)) == before
    assert selectors.income_statement(entity.id, D(2026, 1, 1), D(2026, 1, 31)).result == Decimal("1.00")
    _close(entity, D(2026, 12, 31))
    services.transfer_result(legal_entity_id=entity.id, year=2026, actor=SYSTEM, now=NOW)
    assert selectors.balance("4103", entity.id) == Decimal("29.50")


@pytest.mark.parametrize("options", [{"entity": "NOBODY", "year": 2025}, {"entity": "", "year": 0}, {"year": 2100}])
def test_a_result_that_cannot_be_transferred_is_one_line_and_exit_2(entity, options):
    with pytest.raises(CommandError) as refusal:
        call_command("transfer_result", **{"entity": entity.code} | options, stdout=io.StringIO(), stderr=io.StringIO())
    assert refusal.value.returncode == 2


def test_a_balance_over_many_lines_reads_the_checkpoint_and_the_lines_since(entity):
    entries = [Entry(D(2025, 1, 14), "clearing_in", [Posting("money", Decimal("0.01"))], f"many{number}") for number in range(20_000)]
    services.post_many(legal_entity_id=entity.id, entries=entries, actor=SYSTEM, now=NOW)
    _close(entity, D(2025, 1, 14))
    _post(entity, D(2025, 1, 15), "clearing_in", "one more", money="0.01")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE ledger_journalline; ANALYZE ledger_accountday")
    account = Account.objects.get(legal_entity=entity, code="1002")
    assert selectors.balance("1002", entity.id) == Decimal("995.00") + Decimal("200.01")
    checkpoint = AccountDay.objects.filter(account=account).latest("date")
    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN (ANALYZE, FORMAT JSON) SELECT sum(debit), sum(credit) FROM ledger_journalline"
            " WHERE account_id = %s AND business_date > %s",
            [account.id, checkpoint.date],
        )
        plan = str(cursor.fetchone()[0])
    assert "line_by_account" in plan
    assert "Seq Scan" not in plan
    assert "'Rows Removed by Filter'" not in plan


def test_books_opened_before_an_update_get_what_it_ships(entity):
    accounts, rules = (model.objects.filter(legal_entity=entity) for model in (Account, PostingRule))
    shipped = accounts.count(), rules.count()
    newest = accounts.get(code="224104").id
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("DELETE FROM ledger_postingrule WHERE %s IN (debit_id, credit_id)", [newest])
        cursor.execute("DELETE FROM ledger_account WHERE id = %s", [newest])
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    for _again in range(2):
        call_command("open_books", entity=entity.code, format="json", stdout=io.StringIO(), stderr=io.StringIO())
    assert (accounts.count(), rules.count()) == shipped
    with pytest.raises(CommandError) as refusal:
        call_command("open_books", entity="NOBODY", stdout=io.StringIO(), stderr=io.StringIO())
    assert refusal.value.returncode == 2


def test_balances_after_a_thousand_closed_days_are_the_sums_of_the_lines(django_assert_num_queries):
    """In one statement, whichever day is asked for: closed, between two closed days, open, before everything."""
    entity, days, asked = an_entity(), 1_000, 0
    events = (("funding_received", "principal"), ("disbursement", "principal"), ("repayment", "principal"), ("bank_fee", "fee"))
    for number in range(days):
        event, component = events[number % 4 if number % 7 else 0]
        if number % 3 != 1:  # on some days nothing moves
            _post(entity, START + dt.timedelta(days=number), event, f"d{number}", **{component: f"{100 + number}.{number % 100:02}"})
        if number % 5:  # some are closed together with the next
            _close(entity, START + dt.timedelta(days=number))
    _post(entity, START + dt.timedelta(days=days), "bank_fee", "open", fee="1.23")
    for number in (-1, 0, 4, 5, 333, 500, 501, 998, 999, 1_000, 5_000):
        day = START + dt.timedelta(days=number)
        lines = JournalLine.objects.filter(account__legal_entity=entity, business_date__lte=day).values_list("account_id")
        expected = {account: debit - credit for account, debit, credit in lines.annotate(Sum("debit"), Sum("credit")).order_by()}
        with django_assert_num_queries(1):
            found = selectors.balances(entity.id, as_of=day)
        assert found == expected, day
        asked += len(found)
    assert asked > 40
