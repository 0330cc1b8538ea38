"""Each check of the books finds what it is for, and says where."""

from __future__ import annotations

import datetime as dt
import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.ledger import audit
from apps.ledger.services import close_day
from apps.ledger.tests.factories import DAY, NOW, an_entity, an_entry

pytestmark = pytest.mark.django_db


def _behind_the_triggers(sql):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; SET session_replication_role = replica")
        cursor.execute(sql)
        cursor.execute("SET session_replication_role = origin")


def _audit(entity):
    out = io.StringIO()
    code = 0
    try:
        call_command("audit_books", entity=entity.code, format="json", digest=True, stdout=out, stderr=io.StringIO())
    except SystemExit as end:
        code = end.code
    answer = json.loads(out.getvalue())
    return code, answer, {check["check"]: check for check in answer["checks"] if not check["ok"]}


@pytest.fixture
def entity(monkeypatch):
    """Books with one closed day; the checks are the ledger's own."""
    monkeypatch.setattr(audit, "_registered", ["apps.ledger.audit.checks"])
    entity = an_entity()
    an_entry(entity, reference="r1")
    close_day(legal_entity_id=entity.id, day=DAY, now=NOW)
    return entity


def test_right_books_pass_every_check(entity):
    code, answer, failed = _audit(entity)
    assert (code, answer["ok"], failed) == (0, True, {})
    assert answer["entries"] == 1
    assert len(answer["digest"]) == 64


TODAY = "(SELECT max(business_date) FROM ledger_journalentry)"
VIOLATIONS = {
    "a side changed": ("every entry balances", "UPDATE ledger_journalline SET debit = debit + 1 WHERE debit > 0", "r1"),
    "a header's total changed": ("every entry balances", "UPDATE ledger_journalentry SET total = total + 1", "r1"),
    "an entry without lines": ("every entry balances", "DELETE FROM ledger_journalline", "r1"),
    "one side of a memo": (
        "every entry balances",
        "UPDATE ledger_journalline SET account_id = (SELECT id FROM ledger_account WHERE code = '9099') WHERE credit > 0",
        "r1",
    ),
    "a balance that nothing explains": (
        "trial balance: debits = credits",
        "UPDATE ledger_accountday SET balance = balance + 1 WHERE debit > 0",
        "1.00 too much",
    ),
    "a line on another day": (
        "lines have their entry's day and legal entity",
        "UPDATE ledger_journalline SET business_date = '2025-01-09' WHERE debit > 0",
        "1002",
    ),
    "a line without its entry": ("lines have their entry's day and legal entity", "DELETE FROM ledger_journalentry", "1002"),
    "a line without its account": (
        "lines have their entry's day and legal entity",
        "UPDATE ledger_journalline SET account_id = gen_random_uuid() WHERE debit > 0",
        "no account",
    ),
    "an entry slipped into a closed day": (
        "closed days hold what they closed with",
        "INSERT INTO ledger_journalentry (id, legal_entity_id, business_date, event, reference, narrative, total, actor)"
        f" SELECT gen_random_uuid(), legal_entity_id, {TODAY}, 'x', 'late', '', 1, 'x' FROM ledger_journalentry",
        str(DAY),
    ),
    "a closed day counted anew": ("closed days hold what they closed with", "UPDATE ledger_ledgerday SET entries = 7", str(DAY)),
    "a closed amount changed on both sides": (
        "balance checkpoints = lines",
        "UPDATE ledger_journalline SET debit = debit * 2, credit = credit * 2; UPDATE ledger_journalentry SET total = total * 2",
        "1002",
    ),
    "a closed amount on another account": (
        "balance checkpoints = lines",
        "UPDATE ledger_journalline SET account_id = (SELECT id FROM ledger_account WHERE code = '1001') WHERE debit > 0",
        "1001",
    ),
    "a checkpoint changed": ("balance checkpoints = lines", "UPDATE ledger_accountday SET balance = 1 WHERE debit > 0", "1002"),
    "a checkpoint lost": ("balance checkpoints = lines", "DELETE FROM ledger_accountday WHERE debit > 0", "1002"),
    "a rule across the balance sheet": (
        "rules stay on one side of the balance sheet",
        "UPDATE ledger_postingrule SET credit_id = (SELECT id FROM ledger_account WHERE code = '9099') WHERE event = 'clearing_in'",
        "clearing_in.money (own) version 1: 1002 / 9099",
    ),
    "a reversal that undoes nothing": (
        "reversals undo what they reverse",
        "UPDATE ledger_journalentry SET reverses_id = id WHERE reference = 'r1'",
        "r1",
    ),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_is_found_and_named(entity, name):
    check, sql, offender = VIOLATIONS[name]
    _behind_the_triggers(sql)
    code, answer, failed = _audit(entity)
    assert code == 1
    assert not answer["ok"]
    assert check in failed
    assert offender in failed[check]["first_offender"]


def test_every_own_check_has_a_planted_violation(entity):
    assert {check.name for check in audit.checks(entity.id)} == {check for check, _sql, _offender in VIOLATIONS.values()}


def test_two_wrongs_on_two_days_that_add_up_are_still_named(entity):
    day = DAY + dt.timedelta(days=1)
    an_entry(entity, reference="r2", day=day)
    close_day(legal_entity_id=entity.id, day=day, now=NOW)
    _behind_the_triggers(
        f"UPDATE ledger_accountday SET debit = debit + 1, balance = balance + 1 WHERE debit > 0 AND date = '{DAY}';"
        f"UPDATE ledger_accountday SET debit = debit - 1 WHERE debit > 0 AND date = '{day}'"
    )
    _code, _answer, failed = _audit(entity)
    assert failed["balance checkpoints = lines"]["first_offender"].startswith(f"account 1002 on {DAY}: checkpoint debit 101.00")


def test_the_right_books_of_one_entity_stay_right_when_another_s_are_wrong(entity):
    other = an_entity()
    an_entry(other)
    _behind_the_triggers(f"UPDATE ledger_journalentry SET total = 1 WHERE legal_entity_id = '{other.id}'")
    assert _audit(entity)[0] == 0
    assert _audit(other)[0] == 1


def test_an_unknown_entity_is_bad_input():
    with pytest.raises(CommandError) as refusal:
        call_command("audit_books", entity="NOBODY", stdout=io.StringIO(), stderr=io.StringIO())
    assert refusal.value.returncode == 2
