"""Each check of the loans finds what it is for, and names the loan."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection

from apps.ledger import audit as books_audit
from apps.loans import audit
from apps.loans.models import LoanBalance
from apps.loans.tests.factories import a_lender, a_loan, assert_sound, close_through, pay

pytestmark = pytest.mark.django_db


@pytest.fixture
def story():
    """A loan with its first instalment paid, standing in the second period."""
    entity = a_lender()
    loan = a_loan(entity)
    close_through(entity, dt.date(2025, 1, 12))
    pay(loan, "200.00", dt.date(2025, 1, 13))
    return entity, loan


def _behind_the_triggers(sql):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; SET session_replication_role = replica")
        cursor.execute(sql)
        cursor.execute("SET session_replication_role = origin")


_AMOUNT = "UPDATE loans_loanamount SET {} WHERE event = '{}' AND component = '{}'"
VIOLATIONS = {
    "sub-ledger = general ledger: principal": (_AMOUNT.format("booked = booked + 1", "disbursement", "principal"), "account 1303"),
    "sub-ledger = general ledger: accrued interest": (_AMOUNT.format("booked = booked + 1", "accrual", "interest"), "account 113201"),
    "sub-ledger = general ledger: loss provision": (_AMOUNT.format("booked = booked + 1", "provision", "principal"), "account 1304"),
    "sub-ledger = general ledger: customers' credit": (_AMOUNT.format("booked = booked + 1", "repayment", "credit"), "account 224102"),
    "sub-ledger = general ledger: interest income": (_AMOUNT.format("booked = booked + 1", "accrual", "interest"), "account 601101"),
    "sub-ledger = general ledger: output tax": (_AMOUNT.format("booked = booked + 1", "accrual", "interest_vat"), "account 222101"),
    "sub-ledger = general ledger: provision expense": (_AMOUNT.format("booked = booked + 1", "provision", "principal"), "account 6702"),
    "principal repaid + outstanding = disbursed": ("UPDATE loans_loanbalance SET principal = principal - 1", "LN"),
    "what belongs in the books is in them": (_AMOUNT.format("target = target + 1", "accrual", "interest"), "LN"),
    "books closed on D hold accrual to D + 1": ("UPDATE loans_loanrun SET as_of = '2025-01-12', next_event_on = '2025-01-13'", "LN"),
    "what runs by itself = replay": ("UPDATE loans_loanrun SET bears = bears + 1", "bears"),
    "balances = replay": ("UPDATE loans_loanbalance SET accrued_interest = accrued_interest + 1", "accrued_interest"),
    "instalments = replay": ("UPDATE loans_instalment SET interest = interest + 1 WHERE no = 3", "no. 3 interest"),
    "booked amounts = replayed amounts": (_AMOUNT.format("booked = booked + 1", "accrual", "interest_vat"), "accrual.interest_vat"),
    "state = replay": ("UPDATE loans_loan SET state = 'overdue'", "LN"),
    "money received = money booked": ("UPDATE loans_loantransaction SET amount = amount + 1 WHERE kind = 'repayment'", "LN"),
}
VIOLATIONS["loans are marked by their borrower's bad loans"] = (
    "UPDATE loans_loanbalance SET is_marked = true; UPDATE loans_loantransaction SET business_date = '2025-01-10'",
    "LN",
)
_INSERTED = {  # account → (event, component, party) that the story has no row of
    "sub-ledger = general ledger: overdue principal": ("reclassification", "overdue", ""),
    "sub-ledger = general ledger: non-accrual principal": ("reclassification", "non_accrual", ""),
    "sub-ledger = general ledger: penalty": ("penalty", "penalty", ""),
    "sub-ledger = general ledger: compound interest": ("penalty", "compound", ""),
    "sub-ledger = general ledger: fees": ("fee", "fee", ""),
    "sub-ledger = general ledger: penalty income": ("penalty", "penalty", ""),
    "sub-ledger = general ledger: compound interest income": ("penalty", "compound", ""),
    "sub-ledger = general ledger: fee income": ("fee", "fee", ""),
    "sub-ledger = general ledger: partners' money": ("repayment", "fee", "bank-a"),
    "sub-ledger = general ledger: interest off balance": ("non_accrual", "interest", ""),
    "sub-ledger = general ledger: claims written off": ("write_off", "fee", ""),
    "sub-ledger = general ledger: result of sales": ("sale", "difference", ""),
    "sub-ledger = general ledger: income in advance": ("deferred", "subsidy", ""),
    "buy-downs owed by their payers": ("deferred", "subsidy", ""),
    "sub-ledger = general ledger: buy-downs earned": ("deferred_earned", "subsidy", ""),
    "sub-ledger = general ledger: partners' principal": ("disbursement", "principal", "bank-a"),
    "sub-ledger = general ledger: partners' interest": ("accrual", "interest", "bank-a"),
}
_OF_LEASES = {  # the same, of a loan that is booked as a finance lease
    "sub-ledger = general ledger: lease receivables": ("adjustment", "principal"),
    "sub-ledger = general ledger: overdue principal of leases": ("reclassification", "overdue"),
    "sub-ledger = general ledger: non-accrual principal of leases": ("reclassification", "non_accrual"),
    "sub-ledger = general ledger: unearned income of leases": ("unearned", "interest"),
}
for _name, (_event, _component) in _OF_LEASES.items():
    VIOLATIONS[_name] = (
        "UPDATE loans_loan SET is_lease = true; INSERT INTO loans_loanamount (loan_id, event, component, party_ref, target, booked)"
        f" SELECT id, '{_event}', '{_component}', '', 1, 1 FROM loans_loan",
        "account",
    )
VIOLATIONS["deposits held belong to vehicle leases"] = (
    "UPDATE ledger_journalline SET account_id = (SELECT id FROM ledger_account WHERE code = '224104')"
    " WHERE id = (SELECT min(id) FROM ledger_journalline)",
    "a deposit of",
)
for _name, (_event, _component, _party) in _INSERTED.items():
    VIOLATIONS[_name] = (
        "INSERT INTO loans_loanamount (loan_id, event, component, party_ref, target, booked)"
        f" SELECT id, '{_event}', '{_component}', '{_party}', 1, 1 FROM loans_loan",
        "account",
    )


def _failed(entity):
    return {check.name: check.first_offender for check in audit.checks(entity.id) if not check.ok}


def test_every_check_finds_its_planted_violation(story):
    entity, _loan = story
    assert_sound(entity)
    names = {check.name for check in audit.checks(entity.id)}
    assert names == set(VIOLATIONS)
    for name, (sql, offender) in VIOLATIONS.items():
        undo = connection.savepoint()
        _behind_the_triggers(sql)
        failed = _failed(entity)
        assert name in failed, (name, failed)
        assert offender in failed[name], (name, failed[name])
        connection.savepoint_rollback(undo)
    assert_sound(entity)


def test_a_line_without_a_loan_is_found(story):
    entity, _loan = story
    _behind_the_triggers(
        "UPDATE ledger_journalline SET debit = debit + 5 WHERE id = (SELECT min(l.id) FROM ledger_journalline l "
        "JOIN ledger_account a ON a.id = l.account_id WHERE a.code = '130301')"
    )
    failed = {check.name for check in books_audit.run(entity.id) if not check.ok}
    assert {"every entry balances", "balance checkpoints = lines"} <= failed


def test_a_loan_without_its_rows_is_found(story):
    entity, _loan = story
    assert LoanBalance.objects.count() == 1
    _behind_the_triggers("DELETE FROM loans_instalment WHERE no = 24")
    assert "stored 23 rows, replayed 24" in _failed(entity)["instalments = replay"]
