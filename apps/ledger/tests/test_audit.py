"""Each check of the books finds what it is for, and says where."""

from __future__ import annotations

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


VIOLATIONS = {
    "every entry balances": ("UPDATE ledger_journalline SET debit = debit + 1 WHERE debit > 0", "r1"),
    "trial balance: debits = credits": ("UPDATE ledger_accountday SET balance = balance + 1 WHERE debit > 0", ""),
    "lines have their entry's day and legal entity": ("UPDATE ledger_journalline SET business_date = '2025-01-09' WHERE debit > 0", "1002"),
    "closed days hold what they closed with": ("UPDATE ledger_ledgerday SET entries = 7", str(DAY)),
    "balance checkpoints = lines": ("UPDATE ledger_accountday SET balance = 1, debit = 1 WHERE debit > 0", "1002"),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_is_found_and_named(entity, name):
    sql, offender = VIOLATIONS[name]
    _behind_the_triggers(sql)
    code, answer, failed = _audit(entity)
    assert code == 1
    assert not answer["ok"]
    assert name in failed
    assert offender in failed[name]["first_offender"]


def test_every_own_check_has_a_planted_violation(entity):
    assert {check.name for check in audit.checks(entity.id)} == set(VIOLATIONS)


def test_an_unknown_entity_is_bad_input():
    with pytest.raises(CommandError) as refusal:
        call_command("audit_books", entity="NOBODY", stdout=io.StringIO(), stderr=io.StringIO())
    assert refusal.value.returncode == 2
