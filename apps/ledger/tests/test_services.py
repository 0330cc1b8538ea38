"""The books: opening, posting, closing a day, and the laws the database keeps by itself."""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from apps.common.actors import Actor
from apps.common.errors import BadInput, NotPermitted
from apps.common.models import new_id
from apps.ledger import selectors, services
from apps.ledger.domain import Posting
from apps.ledger.models import Account, AccountDay, JournalEntry, JournalLine, LedgerDay, PostingRule
from apps.ledger.tests.factories import DAY, NOW, SYSTEM, an_entity, an_entry, put

pytestmark = pytest.mark.django_db
NEXT = DAY + dt.timedelta(days=1)
PAIR = (("1002", "1.00", "0"), ("1012", "0", "1.00"))


def _post(entity, event, *postings, reference="r", day=DAY):
    return services.post(
        legal_entity_id=entity.id, business_date=day, event=event, amounts=postings, reference=reference, actor=SYSTEM, now=NOW
    )


def _close(entity, day=DAY):
    return services.close_day(legal_entity_id=entity.id, day=day, now=NOW)


def test_opening_the_books_twice_adds_nothing():
    entity = an_entity()
    counts = Account.objects.count(), PostingRule.objects.count()
    services.open_books(legal_entity_id=entity.id, actor=SYSTEM, now=NOW)
    assert (Account.objects.count(), PostingRule.objects.count()) == counts
    assert Account.objects.filter(legal_entity=entity, code="130301", kind="asset").exists()


def test_shipped_rules_never_mix_memos_into_the_balance_sheet():
    entity = an_entity()
    for rule in PostingRule.objects.filter(legal_entity=entity).select_related("debit", "credit"):
        assert (rule.debit.kind == "off_balance") == (rule.credit.kind == "off_balance"), str(rule)


def test_opening_needs_the_right_to():
    with pytest.raises(NotPermitted):
        services.open_books(legal_entity_id=an_entity().id, actor=Actor(kind="staff", label="x"), now=NOW)


def test_an_entry_is_posted_by_the_rules_and_shows_in_the_balances():
    entity = an_entity()
    _post(entity, "accrual", Posting("interest", Decimal("33.50")), Posting("interest_vat", Decimal("2.01")))
    assert selectors.balance("1132", entity.id) == Decimal("35.51")
    assert selectors.balance("6011", entity.id) == Decimal("33.50")
    assert selectors.balance("2221", entity.id) == Decimal("2.01")
    assert [(row.code, row.debit, row.credit) for row in selectors.trial_balance(entity.id)] == [
        ("113201", Decimal("35.51"), 0),
        ("222101", 0, Decimal("2.01")),
        ("601101", 0, Decimal("33.50")),
    ]


def test_the_same_reference_again_posts_nothing():
    entity = an_entity()
    assert an_entry(entity) == an_entry(entity)
    assert JournalEntry.objects.count() == 1
    with pytest.raises(services.ReferenceReused):
        an_entry(entity, amount="100.01")


def test_the_same_reference_with_other_lines_of_the_same_sum_is_refused():
    entity, loan, reference = an_entity(), new_id(), "once"
    amounts = [Posting("interest", Decimal("33.50"), subject_ref=loan), Posting("interest_vat", Decimal("2.01"), subject_ref=loan)]
    first = _post(entity, "accrual", *amounts, reference=reference)
    assert _post(entity, "accrual", *reversed(amounts), reference=reference) == first
    for other in (
        [Posting("interest", Decimal("35.51"), subject_ref=loan)],  # another account
        [replace(posting, subject_ref=new_id()) for posting in amounts],
        [replace(posting, party_ref="bank-a") for posting in amounts],
        [Posting("interest", Decimal("33.51"), subject_ref=loan), Posting("interest_vat", Decimal("2.00"), subject_ref=loan)],
    ):
        with pytest.raises(services.ReferenceReused):
            _post(entity, "accrual", *other, reference=reference)


def test_a_repeated_reference_is_compared_by_the_rules_of_its_own_day():
    entity = an_entity()
    first = _post(entity, "accrual", Posting("interest", Decimal("1.00")), reference="once")
    rule = {"event": "accrual", "component": "interest", "party": "own", "debit": "113201", "credit": "601102"}
    services.install_rules(legal_entity_id=entity.id, version=2, effective_from=NEXT, rules=[rule], actor=SYSTEM, now=NOW)
    assert _post(entity, "accrual", Posting("interest", Decimal("1.00")), reference="once", day=NEXT) == first


def test_what_has_no_rule_is_refused_by_name():
    with pytest.raises(services.NoRule) as refusal:
        _post(an_entity(), "repayment", Posting("coupon", Decimal("1.00")))
    assert refusal.value.facts["component"] == "coupon"


def test_nothing_to_post_is_refused():
    with pytest.raises(BadInput):
        _post(an_entity(), "clearing_in", Posting("money", Decimal("0.00")))


def test_a_newer_version_of_a_rule_counts_from_its_day():
    entity = an_entity()
    rule = {"event": "clearing_in", "component": "money", "party": "own", "leg": "1", "debit": "1001", "credit": "1012"}
    services.install_rules(legal_entity_id=entity.id, version=2, effective_from=NEXT, rules=[rule], actor=SYSTEM, now=NOW)
    an_entry(entity, reference="old")
    an_entry(entity, reference="new", day=NEXT)
    assert selectors.balance("1002", entity.id) == selectors.balance("1001", entity.id) == Decimal("100.00")
    with pytest.raises(BadInput):
        services.install_rules(legal_entity_id=entity.id, version=2, effective_from=NEXT, rules=[rule], actor=SYSTEM, now=NOW)
    with pytest.raises(BadInput):
        services.install_rules(
            legal_entity_id=entity.id, version=3, effective_from=NEXT, rules=[{**rule, "credit": "9001"}], actor=SYSTEM, now=NOW
        )


def test_balances_start_from_the_checkpoint_of_the_last_closed_day():
    entity = an_entity()
    an_entry(entity, reference="a")
    assert _close(entity)
    an_entry(entity, reference="b", amount="50.00", day=NEXT)
    assert AccountDay.objects.get(account__code="1002", account__legal_entity=entity).balance == Decimal("100.00")
    assert selectors.balance("1002", entity.id, DAY) == Decimal("100.00")
    assert selectors.balance("1002", entity.id, NEXT) == selectors.balance("1002", entity.id) == Decimal("150.00")
    assert selectors.balance("1002", entity.id, DAY - dt.timedelta(days=1)) == 0
    assert _close(entity, NEXT)
    assert selectors.balance("1002", entity.id, DAY) == Decimal("100.00")
    day = LedgerDay.objects.get(legal_entity=entity, date=NEXT)
    assert (day.entries, day.total) == (1, Decimal("50.00"))


def test_closing_a_day_again_changes_nothing():
    entity = an_entity()
    assert _close(entity)
    assert not _close(entity)
    assert not _close(entity, DAY - dt.timedelta(days=1))


def test_a_closed_day_takes_no_entry():
    entity = an_entity()
    _close(entity)
    with pytest.raises(services.DayClosed):
        an_entry(entity)
    assert services.hold_day(entity.id, not_before=DAY) == NEXT
    assert services.hold_day(entity.id, not_before=NEXT + dt.timedelta(days=3)) == NEXT + dt.timedelta(days=3)


def test_one_entity_s_closed_day_does_not_bind_another():
    _close(an_entity())
    an_entry(an_entity())


def test_digest_ignores_how_amounts_were_grouped():
    entity = an_entity()
    undo = transaction.savepoint()
    an_entry(entity, amount="30.00")
    whole = selectors.digest(entity.id)
    transaction.savepoint_rollback(undo)
    an_entry(entity, amount="10.00", reference="1")
    assert selectors.digest(entity.id) != whole
    an_entry(entity, amount="20.00", reference="2")
    assert selectors.digest(entity.id) == whole


# -- laws of the database ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [("1002", "1.00", "0")],
        [("1002", "1.00", "0"), ("1012", "0", "0.99")],
        [("1002", "2.00", "0"), ("1012", "0", "2.00")],
        [("1002", "1.00", "0"), ("9099", "0", "1.00")],
    ],
    ids=["empty", "one-sided", "unequal", "other total", "memo mixed in"],
)
def test_the_database_refuses_an_unbalanced_entry(lines):
    entity = an_entity()
    with pytest.raises(IntegrityError, match="does not balance"), transaction.atomic():
        put(entity, *lines)
    assert not JournalEntry.objects.exists()
    put(entity, *PAIR)


def test_the_database_refuses_an_entry_whose_lines_come_later():
    entity = an_entity()
    with pytest.raises(IntegrityError, match="without lines"), transaction.atomic():
        JournalEntry.objects.create(legal_entity=entity, business_date=DAY, event="x", reference="x", total=Decimal(1), actor="x")


def test_the_database_refuses_more_lines_for_an_entry_balanced_or_not():
    """In the transaction that made it, too: a pair of lines over the same total would balance by itself."""
    entity = an_entity()
    debit, credit = (Account.objects.get(legal_entity=entity, code=code) for code in ("1002", "1012"))
    with transaction.atomic():
        entry = put(entity, *PAIR)
        for more in (((debit, 1, 0),), ((debit, 1, 0), (credit, 0, 1))):
            facts = {"entry_id": entry, "business_date": DAY}
            lines = [JournalLine(account=account, debit=left, credit=right, **facts) for account, left, right in more]
            with pytest.raises(IntegrityError, match="together with a new entry"), transaction.atomic():
                JournalLine.objects.bulk_create(lines)
    assert JournalLine.objects.filter(entry_id=entry).count() == 2


@pytest.mark.django_db(transaction=True)
def test_the_database_refuses_lines_for_an_entry_that_stands():
    entity = an_entity()
    entry = an_entry(entity)
    account = Account.objects.get(legal_entity=entity, code="1002")
    with pytest.raises(IntegrityError, match="together with a new entry"), transaction.atomic():
        JournalLine.objects.create(entry_id=entry, business_date=DAY, account=account, debit=1, credit=0)


def test_the_database_refuses_lines_of_another_day_or_entity():
    entity, other = an_entity(), an_entity()
    with pytest.raises(IntegrityError, match="own day"), transaction.atomic():
        put(entity, *PAIR, day=NEXT, header_day=DAY)
    accounts = dict(Account.objects.filter(legal_entity=other, code__in=["1002", "1012"]).values_list("code", "id"))
    with pytest.raises(IntegrityError, match="own day and legal entity"), transaction.atomic():
        put(entity, *PAIR, accounts=accounts)


@pytest.mark.parametrize("table", ["journalentry", "journalline", "ledgerday", "accountday", "postingrule"])
@pytest.mark.parametrize("deed", ["UPDATE ledger_{} SET id = id", "DELETE FROM ledger_{}"])
def test_the_database_refuses_changes_of_what_is_posted(table, deed):
    entity = an_entity()
    an_entry(entity)
    _close(entity)
    with pytest.raises(DatabaseError, match="Cannot update or delete"), transaction.atomic():
        connection.cursor().execute(deed.format(table))


def test_the_database_refuses_an_entry_in_a_closed_day():
    entity = an_entity()
    _close(entity)
    for day in (DAY, DAY - dt.timedelta(days=30)):
        with pytest.raises(IntegrityError, match="closed"), transaction.atomic():
            put(entity, *PAIR, day=day)


@pytest.mark.django_db(transaction=True)
def test_a_day_closes_only_after_the_deeds_that_hold_it():
    entity = an_entity()
    held, finished = threading.Event(), []

    def closing():
        held.wait()
        _close(entity)
        finished.append("closed")
        connection.close()

    thread = threading.Thread(target=closing)
    thread.start()
    with transaction.atomic():
        an_entry(entity, reference="late but in time")
        held.set()
        thread.join(timeout=0.5)
        assert thread.is_alive(), "the close waits for the open transaction"
        finished.append("posted")
    thread.join(timeout=10)
    assert finished == ["posted", "closed"]
    assert LedgerDay.objects.get(legal_entity=entity).total == Decimal("100.00")
