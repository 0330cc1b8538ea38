"""The books in the back office: statements on screen and as files, rules with their bench, entries by hand; each house its own."""

from __future__ import annotations

import io
import zipfile
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from apps.backoffice.book_words import COMPONENTS, EVENTS
from apps.backoffice.templatetags import backoffice as words
from apps.common.models import ChangeRequest
from apps.disbursement.tests.factories import DAY, NOON, SYSTEM
from apps.ledger import services as ledger
from apps.ledger.domain import Posting
from apps.ledger.models import Account, JournalEntry, PostingRule, RulesDraft
from apps.ledger.tests.factories import an_entity
from apps.organisations.models import Branch
from apps.organisations.tests.factories import UserFactory

ENTRY = {
    "account": ["6601", "1002"],
    "debit": ["88", ""],
    "credit": ["", "88.00"],
    "narrative": "房租",
    "reason": "no event",
    "on": str(DAY),
}


@pytest.fixture
def desk(house, at_desk):
    return at_desk(house.staff("finance"))


@pytest.fixture
def posted(house):
    """An entry of 4,321.00 on the day."""
    return _post(house.entity, "4321.00")


def _post(entity, amount):
    return ledger.post(
        legal_entity_id=entity.id,
        business_date=DAY,
        event="clearing_in",
        amounts=[Posting("money", Decimal(amount))],
        reference=f"bank-{amount}",
        actor=SYSTEM,
        now=NOON,
    )


def _days(**more):
    return {"start": str(DAY), "end": str(DAY)} | more


def _page(desk, path, status=200, **query):
    response = desk.get(f"/backoffice/books/{path}", query)
    assert response.status_code == status, response.content.decode()[-600:]
    return response.content.decode()


def _account(house, code="1012"):
    return Account.objects.get(legal_entity=house.entity, code=code)


def test_the_trial_balance_shows_accounts_with_their_sums(desk, posted):
    page = _page(desk, "turnovers/", **_days())
    assert "4,321.00" in page
    assert "待清算资金" in page


def test_the_balance_sheet_and_the_income_statement(house, desk, posted):
    ledger.post(
        legal_entity_id=house.entity.id,
        business_date=DAY,
        event="bank_fee",
        amounts=[Posting("fee", Decimal("5.00"))],
        reference="fee",
        actor=SYSTEM,
        now=NOON,
    )
    sheet = _page(desk, "balance-sheet/", **_days())
    assert "balances" in sheet
    assert "Result not yet transferred" in sheet
    income = _page(desk, "income/", **_days())
    assert "手续费及佣金支出" in income
    assert "-5.00" in income or "−5.00" in income


def test_an_account_s_ledger_leads_to_its_entries(house, desk, posted):
    page = _page(desk, f"accounts/{_account(house).id}/", **_days())
    assert f"/backoffice/books/entries/{posted}/" in page
    entry = _page(desk, f"entries/{posted}/")
    assert "clearing, in" in entry
    assert "4,321.00" in entry


@pytest.mark.parametrize("path", ["turnovers/", "balance-sheet/", "income/"])
def test_statements_are_files_too(desk, posted, path):
    response = desk.get(f"/backoffice/books/{path}", _days(form="csv"))
    assert response.content.startswith("\ufeff".encode())
    response = desk.get(f"/backoffice/books/{path}", _days(form="xlsx"))
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
        assert archive.testzip() is None
    texts = [element.text for element in sheet.iter() if element.tag.endswith("}t")]
    assert texts or path == "income/"
    if path == "turnovers/":
        assert "4321.00" in [element.text for element in sheet.iter() if element.tag.endswith("}v")]


def test_a_name_that_looks_like_a_formula_stays_text(house, desk, posted):
    Account.objects.filter(id=_account(house).id).update(name='=HYPERLINK("x")')
    assert "'=HYPERLINK" in desk.get("/backoffice/books/turnovers/", _days(form="csv")).content.decode()


def test_wrong_days_are_told(desk):
    _page(desk, "turnovers/", status=422, start="2026-03-02", end="2026-03-01")
    _page(desk, "turnovers/", status=422, start="yesterday")


def test_another_house_sees_nothing_of_it(house, at_desk, posted):
    other = an_entity("OTHER")
    stranger = at_desk(UserFactory(legal_entity=other, roles=["finance"]))
    assert "4,321.00" not in _page(stranger, "turnovers/", **_days())
    assert "4,321.00" not in _page(stranger, "balance-sheet/", **_days())
    for path in ("turnovers/", "balance-sheet/", "income/", "rules/", "accounts/", "by-hand/", "rules/bench/"):
        _page(stranger, path, status=404, entity=house.entity.code)
    _page(stranger, f"accounts/{_account(house).id}/", status=404)
    for path in ("", "paper/"):
        _page(stranger, f"entries/{posted}/{path}", status=404)
    assert stranger.post(f"/backoffice/books/entries/{posted}/reverse/", {"reason": "x"}).status_code == 404
    rename = {"account": str(_account(house).id), "name": "mine"}
    assert stranger.post("/backoffice/books/accounts/", rename).status_code == 404
    assert _account(house).name != "mine"


@pytest.mark.parametrize("path", ["turnovers/", "balance-sheet/", "income/", "accounts/", "rules/", "rules/bench/", "by-hand/"])
def test_pages_need_their_permission(house, at_desk, path):
    _page(at_desk(house.staff("collector")), path, status=403)


def test_an_auditor_looks_and_changes_nothing(house, at_desk):
    desk = at_desk(house.staff("auditor"))
    assert "Into the draft" not in _page(desk, "rules/")
    assert "Rename" not in _page(desk, "accounts/")
    assert desk.post("/backoffice/books/accounts/", {"code": "6699", "name": "x", "kind": "expense", "side": "debit"}).status_code == 403
    assert desk.post("/backoffice/books/rules/draft/", {"deed": "discard"}).status_code == 403


ROW = {"event": "clearing_in", "component": "money", "party": "own", "leg": "1", "debit": "1001", "credit": "1012"}


def test_rules_are_drafted_tried_proposed_and_decided(house, desk, at_desk):
    assert "1002 银行存款" in _page(desk, "rules/")
    assert desk.post("/backoffice/books/rules/draft/", ROW | {"deed": "add"}).status_code == 302
    assert "1002/1012 → 1001/1012" in _page(desk, "rules/")
    bench = {"event": "clearing_in", "rules": "draft", "component": ["money"], "party": ["own"], "amount": ["1,234.56"]}
    tried = desk.post("/backoffice/books/rules/bench/", bench | {"on": str(DAY)}).content.decode()
    assert "1,234.56" in tried
    assert "库存现金" in tried
    assert "balances" in tried
    assert not JournalEntry.objects.filter(event="clearing_in").exists()
    sent = desk.post("/backoffice/books/rules/draft/", {"deed": "propose", "effective_from": str(DAY), "reason": "cash"})
    change = ChangeRequest.objects.get(kind="ledger.rules")
    assert sent["Location"].endswith(f"/approvals/{change.id}/")
    checker = at_desk(house.staff("finance"))
    checker.post(f"/backoffice/approvals/{change.id}/decide/", {"outcome": "approve"})
    assert PostingRule.objects.filter(legal_entity=house.entity, version=2).count() == 1


def test_a_wrong_rule_is_told_and_a_draft_can_be_thrown_away(desk):
    assert desk.post("/backoffice/books/rules/draft/", ROW | {"deed": "add", "debit": "9099"}).status_code == 422
    assert not RulesDraft.objects.exists()
    desk.post("/backoffice/books/rules/draft/", ROW | {"deed": "add"})
    desk.post("/backoffice/books/rules/draft/", {"deed": "drop", "row": "0"})
    assert not RulesDraft.objects.exists()
    assert desk.post("/backoffice/books/rules/draft/", {"deed": "propose", "effective_from": "soon", "reason": "x"}).status_code == 422


def test_the_bench_names_a_missing_rule_and_refuses_what_is_no_amount(desk):
    bench = {"event": "clearing_in", "component": ["interest"], "party": ["own"], "amount": ["1"], "on": str(DAY)}
    assert "no rule for clearing_in.interest.own" in desk.post("/backoffice/books/rules/bench/", bench).content.decode()
    assert desk.post("/backoffice/books/rules/bench/", bench | {"amount": ["much"]}).status_code == 422


def test_an_entry_by_hand_is_proposed_decided_printed_and_reversed(house, desk, at_desk):
    assert desk.post("/backoffice/books/by-hand/", ENTRY).status_code == 302
    change = ChangeRequest.objects.get(kind="ledger.entry")
    checker = at_desk(house.staff("finance"))
    checker.post(f"/backoffice/approvals/{change.id}/decide/", {"outcome": "approve"})
    change = ChangeRequest.objects.get(id=change.id)
    entry = change.result["entry"]
    page = _page(desk, f"entries/{entry}/")
    assert "adjusting entry" in page
    assert "Propose to reverse it" in page
    paper = desk.get(f"/backoffice/books/entries/{entry}/paper/")
    assert paper.content.startswith(b"%PDF")
    assert desk.post(f"/backoffice/books/entries/{entry}/reverse/", {"reason": "twice"}).status_code == 302
    undo = ChangeRequest.objects.get(kind="ledger.reversal")
    checker.post(f"/backoffice/approvals/{undo.id}/decide/", {"outcome": "approve"})
    assert "Propose to reverse it" not in _page(desk, f"entries/{entry}/")


def test_an_entry_that_does_not_balance_comes_back_with_what_was_written(desk):
    response = desk.post("/backoffice/books/by-hand/", ENTRY | {"credit": ["", "87.00"]})
    assert response.status_code == 422
    assert 'value="87.00"' in response.content.decode()
    assert not ChangeRequest.objects.filter(kind="ledger.entry").exists()


def test_accounts_are_added_and_renamed(house, desk):
    new = {"code": "660102", "name": "差旅费", "kind": "expense", "side": "debit"}
    assert desk.post("/backoffice/books/accounts/", new).status_code == 302
    assert desk.post("/backoffice/books/accounts/", new).status_code == 422
    desk.post("/backoffice/books/accounts/", {"account": str(_account(house, "660102").id), "name": "交通费"})
    assert "交通费" in _page(desk, "accounts/")
    assert desk.post("/backoffice/books/accounts/", {"account": "x", "name": "y"}).status_code == 422


def test_every_event_and_component_of_the_rules_has_its_word(house):
    for event, component in PostingRule.objects.filter(legal_entity=house.entity).values_list("event", "component"):
        assert event in words.EVENTS | EVENTS, event
        assert component in words.COMPONENT_NAMES | COMPONENTS, component


def test_balances_by_branch_on_the_screen_and_as_a_file(house, desk, posted):
    Branch.objects.create(legal_entity=house.entity, code="GZ", name="广州分公司")
    page = _page(desk, "branches/")
    assert "广州分公司" in page
    assert "4,321.00" in page
    rows = desk.get("/backoffice/books/branches/", {"form": "csv"}).content.decode("utf-8-sig").splitlines()
    assert rows[0] == "Account,Account name,GZ 广州分公司,No loan,Total"
    assert any(row.startswith("1012,") and row.endswith(",0.00,-4321.00,-4321.00") for row in rows), rows
