"""What people change in the books, one proposing and another deciding: rules, entries by hand, reversals; and the chart."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from apps.common import approvals
from apps.common.actors import Actor
from apps.common.errors import BadInput, NotFound, NotPermitted
from apps.common.models import new_id
from apps.common.scope import DataScope
from apps.ledger import selectors, services
from apps.ledger.domain import INTERNAL_TRANSFER, HandLine, Posting
from apps.ledger.models import Account, JournalEntry, PostingRule, RulesDraft
from apps.ledger.tests.factories import DAY, NOW, SYSTEM, an_entity, an_entry

pytestmark = pytest.mark.django_db
NEXT = DAY + dt.timedelta(days=1)
ROW = {"event": "clearing_in", "component": "money", "party": "own", "leg": "1", "debit": "1001", "credit": "1012"}
MONEY = [Posting("money", Decimal("7.00"))]


@pytest.fixture
def entity():
    return an_entity()


def _person(entity, *permissions):
    wanted = permissions or ("ledger.adjust", "approvals.check", "ledger.view")
    return Actor("staff", "w", user_id=new_id(), permissions=frozenset(wanted), data_scope=DataScope("entity", entity.id))


def _draft(entity, *rows, actor=SYSTEM):
    services.save_draft(legal_entity_id=entity.id, rows=rows, actor=actor, now=NOW)


def _propose_rules(entity, day=NEXT):
    maker = _person(entity)
    return services.propose_rules(legal_entity_id=entity.id, effective_from=day, reason="cash", actor=maker, now=NOW)


def _approve(entity, request):
    return approvals.approve(request_id=request.id, actor=_person(entity), now=NOW)


def _lines(*sides):
    return [HandLine(account, Decimal(debit), Decimal(credit)) for account, debit, credit in sides]


RENT = _lines(("6601", "88.00", "0"), ("1002", "0", "88.00"))


def _propose_entry(entity, lines=RENT, **facts):
    given = {"business_date": DAY, "narrative": "办公室房租", "reason": "no event posts it", "actor": _person(entity)} | facts
    return services.propose_entry(legal_entity_id=entity.id, lines=lines, now=NOW, **given)


# -- rules ------------------------------------------------------------------------------------------------


def test_rules_go_from_draft_by_two_into_force_on_their_day(entity):
    _draft(entity, ROW)
    request = _propose_rules(entity)
    assert request.preview == {"version": 2, "effective_from": str(NEXT), "clearing_in.money (own)": "1002/1012 → 1001/1012"}
    assert selectors.rules_draft(entity.id) is None
    assert _approve(entity, request).state == "executed"
    an_entry(entity, reference="old", amount="1.00")
    an_entry(entity, reference="new", amount="2.00", day=NEXT)
    assert (selectors.balance("1002", entity.id), selectors.balance("1001", entity.id)) == (Decimal("1.00"), Decimal("2.00"))
    assert selectors.rule_versions(entity.id) == [(2, NEXT), (1, dt.date(2000, 1, 1))]
    assert [(row.version, row.debit.code) for row in selectors.rules_in_force(entity.id, NEXT) if row.event == "clearing_in"] == [
        (2, "1001")
    ]


def test_rules_that_were_refused_or_withdrawn_are_a_draft_again(entity):
    _draft(entity, ROW)
    refused = _propose_rules(entity)
    approvals.reject(request_id=refused.id, reason="the other till", actor=_person(entity), now=NOW)
    draft = selectors.rules_draft(entity.id)
    assert (draft.rows, draft.changed_by) == ([{**ROW, "leg": "1"}], refused.maker)
    maker = _person(entity)
    again = services.propose_rules(legal_entity_id=entity.id, effective_from=NEXT, reason="cash", actor=maker, now=NOW)
    _draft(entity, ROW | {"debit": "1002", "credit": "1001"})
    approvals.withdraw(request_id=again.id, actor=maker, now=NOW)
    assert selectors.rules_draft(entity.id).rows[0]["debit"] == "1002", "what was begun meanwhile stays"


def test_the_maker_of_rules_does_not_decide_on_them(entity):
    _draft(entity, ROW)
    maker = _person(entity)
    request = services.propose_rules(legal_entity_id=entity.id, effective_from=NEXT, reason="cash", actor=maker, now=NOW)
    with pytest.raises(approvals.OwnProposal):
        approvals.approve(request_id=request.id, actor=maker, now=NOW)
    assert PostingRule.objects.filter(legal_entity=entity, version=2).count() == 0


def test_rules_proposed_for_a_day_that_closed_meanwhile_fail_and_change_nothing(entity):
    _draft(entity, ROW)
    request = _propose_rules(entity)
    services.close_day(legal_entity_id=entity.id, day=NEXT, now=NOW)
    assert _approve(entity, request).state == "failed"
    assert selectors.rule_versions(entity.id)[0][0] == 1
    _draft(entity, ROW)
    with pytest.raises(BadInput, match="still open"):
        _propose_rules(entity)


@pytest.mark.parametrize(
    "wrong",
    [{"debit": "9099"}, {"debit": "7777"}, {"debit": "1012"}, {"event": "Clearing"}, {"component": ""}, {"party": "both"}],
)
def test_a_rule_that_could_never_be_is_not_even_drafted(entity, wrong):
    with pytest.raises(BadInput):
        _draft(entity, ROW | wrong)
    assert not RulesDraft.objects.exists()


def test_an_empty_draft_is_thrown_away_and_cannot_be_proposed(entity):
    _draft(entity, ROW)
    _draft(entity)
    assert not RulesDraft.objects.exists()
    with pytest.raises(BadInput, match="no draft"):
        _propose_rules(entity)


def test_drafting_needs_the_right_to(entity):
    with pytest.raises(NotPermitted):
        _draft(entity, ROW, actor=_person(entity, "ledger.view"))


def test_the_bench_shows_what_rules_would_post_and_writes_nothing(entity):
    in_force = selectors.try_rules(entity.id, "clearing_in", MONEY, DAY)
    assert [(line[0], line[4], line[5]) for line in in_force.lines] == [("1002", Decimal("7.00"), 0), ("1012", 0, Decimal("7.00"))]
    assert in_force.balances
    drafted = selectors.try_rules(entity.id, "clearing_in", MONEY, DAY, [ROW])
    assert [line[0] for line in drafted.lines] == ["1001", "1012"]
    assert selectors.try_rules(entity.id, "clearing_in", [Posting("coupon", Decimal(1))], DAY).missing == "clearing_in.coupon.own"
    assert selectors.try_rules(entity.id, "disbursement", [Posting("principal", Decimal(9), "partner", "bank-a")], DAY).balances
    assert JournalEntry.objects.count() == 0


# -- entries by hand --------------------------------------------------------------------------------------


def test_an_adjusting_entry_is_posted_when_a_second_person_agrees(entity):
    request = _propose_entry(entity)
    assert request.amount == Decimal("88.00")
    assert request.preview["1002 银行存款"] == {"debit": "0.00", "credit": "88.00", "balance_before": "0.00", "balance_after": "-88.00"}
    assert JournalEntry.objects.count() == 0
    done = _approve(entity, request)
    entry = JournalEntry.objects.get(id=done.result["entry"])
    assert (entry.event, entry.business_date, entry.narrative, entry.total) == ("manual_entry", DAY, "办公室房租", Decimal("88.00"))
    assert selectors.balance("6601", entity.id) == Decimal("88.00")


def test_an_internal_transfer_on_a_closed_day_is_posted_on_the_first_open_one(entity):
    services.close_day(legal_entity_id=entity.id, day=DAY, now=NOW)
    lines = _lines(("1001", "5.00", "0"), ("1002", "0", "5.00"))
    done = _approve(entity, _propose_entry(entity, lines, event=INTERNAL_TRANSFER))
    entry = JournalEntry.objects.get(id=done.result["entry"])
    assert (entry.event, entry.business_date) == (INTERNAL_TRANSFER, NEXT)


@pytest.mark.parametrize(
    ("lines", "refusal"),
    [
        (_lines(("6601", "88.00", "0"), ("1002", "0", "87.99")), services.EntryDoesNotBalance),
        (_lines(("6601", "88.00", "0"), ("9099", "0", "88.00")), services.EntryDoesNotBalance),
        (_lines(("130301", "1.00", "0"), ("1002", "0", "1.00")), services.AccountControlled),
        (_lines(("9002", "1.00", "0"), ("9099", "0", "1.00")), services.AccountControlled),
        (_lines(("7777", "1.00", "0"), ("1002", "0", "1.00")), BadInput),
        (_lines(("6601", "1.00", "1.00"), ("1002", "0", "0")), BadInput),
        (_lines(("6601", "-1.00", "0"), ("1002", "0", "-1.00")), BadInput),
        (_lines(("6601", "NaN", "0"), ("1002", "0", "NaN")), BadInput),
        (_lines(("6601", "0.001", "0"), ("1002", "0", "0.001")), BadInput),
        (_lines(("6601", "10000000000.01", "0"), ("1002", "0", "10000000000.01")), BadInput),
        (_lines(("6601", "1.00", "0")), BadInput),
    ],
)
def test_a_wrong_entry_is_never_proposed(entity, lines, refusal):
    with pytest.raises(refusal):
        _propose_entry(entity, lines)


@pytest.mark.parametrize("facts", [{"narrative": " "}, {"reason": " "}, {"event": "repayment"}])
def test_an_entry_says_what_it_is_and_why(entity, facts):
    with pytest.raises(BadInput):
        _propose_entry(entity, **facts)


def test_an_entry_by_hand_is_reversed_once_by_two(entity):
    entry = JournalEntry.objects.get(id=_approve(entity, _propose_entry(entity)).result["entry"])
    maker = _person(entity)
    ask = {"entry_id": entry.id, "reason": "wrong month", "actor": maker, "now": NOW}
    first, second = services.propose_reversal(**ask), services.propose_reversal(**ask)
    assert first.preview == {
        "6601 业务及管理费": {"debit": "0.00", "credit": "88.00"},
        "1002 银行存款": {"debit": "88.00", "credit": "0.00"},
    }
    undone = JournalEntry.objects.get(id=_approve(entity, first).result["entry"])
    assert (undone.reverses_id, undone.event) == (entry.id, "manual_reversal")
    assert selectors.balance("6601", entity.id) == selectors.balance("1002", entity.id) == 0
    assert _approve(entity, second).state == "failed"
    with pytest.raises(services.AlreadyReversed):
        services.propose_reversal(**ask)


def test_only_entries_by_hand_of_one_s_own_books_are_reversed_by_hand(entity):
    entry = an_entry(entity)
    with pytest.raises(BadInput, match="written by hand"):
        services.propose_reversal(entry_id=entry, reason="x", actor=_person(entity), now=NOW)
    with pytest.raises(NotFound):
        services.propose_reversal(entry_id=entry, reason="x", actor=_person(an_entity()), now=NOW)


# -- the chart --------------------------------------------------------------------------------------------


def _add(entity, code="660102", name="差旅费", kind="expense", side="debit", actor=SYSTEM):
    return services.add_account(legal_entity_id=entity.id, code=code, name=name, kind=kind, side=side, actor=actor, now=NOW)


def test_an_account_is_added_and_renamed(entity):
    account = _add(entity)
    services.rename_account(account_id=account, name=" 交通费 ", actor=_person(entity), now=NOW)
    assert Account.objects.get(id=account).name == "交通费"
    with pytest.raises(NotFound):
        services.rename_account(account_id=account, name="x", actor=_person(an_entity()), now=NOW)
    with pytest.raises(BadInput):
        services.rename_account(account_id=account, name=" ", actor=SYSTEM, now=NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        {"code": "66"},
        {"code": "66010"},
        {"code": "660١02"},
        {"code": "6601"},
        {"name": ""},
        {"kind": "x"},
        {"side": "x"},
        {"kind": "asset"},
    ],
)
def test_a_wrong_account_is_refused(entity, wrong):
    with pytest.raises(BadInput):
        _add(entity, **wrong)


def test_the_chart_needs_the_right_to_change_it(entity):
    with pytest.raises(NotPermitted):
        _add(entity, actor=_person(entity, "ledger.view"))
