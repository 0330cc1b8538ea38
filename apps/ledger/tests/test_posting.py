"""Posting one entry in one statement, and many through COPY: the same laws, the same books."""

from __future__ import annotations

import datetime as dt
import threading
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from apps.common.errors import BadInput
from apps.common.models import new_id
from apps.ledger import rulebook, selectors, services
from apps.ledger.domain import Entry, Posting
from apps.ledger.models import Account, JournalEntry, JournalLine
from apps.ledger.services import posting
from apps.ledger.tests.factories import DAY, NOW, SYSTEM, an_entity, an_entry

pytestmark = pytest.mark.django_db
NEXT = DAY + dt.timedelta(days=1)
RULE = {"event": "clearing_in", "component": "money", "party": "own", "leg": "1", "debit": "1001", "credit": "1012"}


def _entries(count: int = 5, *, day: dt.date = DAY, event: str = "repayment") -> list[Entry]:
    return [
        Entry(
            day,
            event,
            [Posting("principal", Decimal(number + 1), subject_ref=new_id()), Posting("interest", Decimal("0.57"), party_ref="甲\t\\乙")],
            reference=f"r{number}",
            narrative="一行\n两行" if number % 2 else "",
        )
        for number in range(count)
    ]


def _many(entity, entries):
    return services.post_many(legal_entity_id=entity.id, entries=entries, actor=SYSTEM, now=NOW)


def _few(entity, entries):
    with transaction.atomic():
        return services.post_few(legal_entity_id=entity.id, entries=entries, actor=SYSTEM, now=NOW)


several = pytest.mark.parametrize("put", [_many, _few])


def _one(entity, entry):
    return services.post(
        legal_entity_id=entity.id,
        business_date=entry.business_date,
        event=entry.event,
        amounts=entry.amounts,
        reference=entry.reference,
        narrative=entry.narrative,
        actor=SYSTEM,
        now=NOW,
    )


def _books(entity):
    lines = JournalLine.objects.filter(entry__legal_entity=entity).order_by("entry__reference", "account__code", "party_ref")
    keys = ("entry__event", "entry__reference", "entry__narrative", "entry__actor", "entry__created_at", "business_date")
    return list(lines.values_list(*keys, "account__code", "debit", "credit", "party_ref", "component"))


def test_an_entry_costs_one_statement(django_assert_num_queries):
    entity = an_entity()
    an_entry(entity, reference="reads the rules")
    with django_assert_num_queries(1):
        an_entry(entity, reference="r2")


def test_a_few_entries_cost_one_statement(django_assert_num_queries):
    entity = an_entity()
    an_entry(entity, reference="reads the rules")
    with transaction.atomic(), django_assert_num_queries(1):
        assert len(services.post_few(legal_entity_id=entity.id, entries=_entries(3), actor=SYSTEM, now=NOW)) == 3


@several
def test_a_batch_makes_the_books_that_single_entries_make(put):
    batch, singly, entries = an_entity(), an_entity(), _entries()
    ids = put(batch, entries)
    assert [JournalEntry.objects.get(id=entry_id).reference for entry_id in ids] == ["r0", "r1", "r2", "r3", "r4"]
    for entry in entries:
        _one(singly, entry)
    assert _books(batch) == _books(singly)
    assert selectors.balance("130301", batch.id) == Decimal("-15.00")


@pytest.mark.django_db(transaction=True)
def test_a_version_waits_for_the_batch_under_way():
    entity = an_entity()
    installed = []

    def install():
        installed.append(
            services.install_rules(legal_entity_id=entity.id, version=2, effective_from=DAY, rules=[RULE], actor=SYSTEM, now=NOW)
        )
        connection.close()

    newer = threading.Thread(target=install)

    def entries():
        for number in range(posting.CHUNK_ENTRIES + 1):
            if number == posting.CHUNK_ENTRIES:
                newer.start()
                newer.join(timeout=0.5)
                assert newer.is_alive(), "a version of today would count for the rest of the batch"
            yield Entry(DAY, "clearing_in", [Posting("money", Decimal(1))], reference=f"r{number}")

    _many(entity, entries())
    newer.join(timeout=10)
    assert installed == [1]
    assert selectors.balance("1002", entity.id) == Decimal(posting.CHUNK_ENTRIES + 1)
    an_entry(entity, reference="by the new rule", amount="7.00")
    _many(entity, [Entry(DAY, "clearing_in", [Posting("money", Decimal(3))], reference="by the new rule too")])
    assert selectors.balance("1001", entity.id) == Decimal("10.00")


def test_a_batch_of_many_lines_takes_few_statements(django_assert_max_num_queries):
    entity = an_entity()
    _many(entity, _entries(1, event="repayment"))
    with django_assert_max_num_queries(20):
        _many(
            entity,
            [Entry(DAY, "repayment", [Posting("principal", Decimal(1))], f"n{number}") for number in range(posting.CHUNK_ENTRIES + 1)],
        )
    assert selectors.entry_count(entity.id) == posting.CHUNK_ENTRIES + 2


@several
def test_a_batch_again_or_partly_known_posts_only_what_is_new(put):
    entity, entries = an_entity(), _entries()
    known = [_one(entity, entries[3])]
    first = put(entity, entries)
    assert first[3:4] == known
    assert put(entity, entries) == first
    assert selectors.entry_count(entity.id) == 5
    assert put(entity, [*entries, entries[0]]) == [*first, first[0]]


@several
def test_a_batch_with_a_reference_reused_is_refused_whole(put):
    entity, entries = an_entity(), _entries(2)
    with pytest.raises(services.ReferenceReused):
        put(entity, [*entries, Entry(DAY, "repayment", [Posting("principal", Decimal(9))], "r0")])
    assert selectors.entry_count(entity.id) == 0


@several
def test_a_batch_that_reaches_into_closed_days_is_refused_whole_but_repeated(put):
    entity, entries = an_entity(), _entries(2)
    first = put(entity, entries)
    services.close_day(legal_entity_id=entity.id, day=DAY, now=NOW)
    assert put(entity, entries) == first
    with pytest.raises(services.DayClosed):
        put(entity, [Entry(NEXT, "repayment", [Posting("principal", Decimal(1))], "new"), *entries, _entries(3)[2]])
    assert selectors.entry_count(entity.id) == 2


@several
def test_a_batch_with_nothing_to_post_or_without_a_rule_is_refused_whole(put):
    entity = an_entity()
    for wrong, refusal in ((Posting("principal", Decimal(0)), BadInput), (Posting("coupon", Decimal(1)), services.NoRule)):
        with pytest.raises(refusal):
            put(entity, [*_entries(2), Entry(DAY, "repayment", [wrong], "wrong")])
    assert selectors.entry_count(entity.id) == 0
    assert put(entity, []) == []


@pytest.mark.parametrize("amount", ["NaN", "-NaN", "Infinity", "-Infinity", "0.001", "1.1234567890123", "1E15", "-1E20"])
def test_an_amount_that_no_book_holds_is_refused(amount):
    entity = an_entity()
    entry = Entry(DAY, "repayment", [Posting("principal", Decimal(amount))], "r")
    for deed in (lambda: _one(entity, entry), lambda: _many(entity, [entry])):
        with pytest.raises(posting.AmountNotPostable):
            deed()
    assert selectors.entry_count(entity.id) == 0


def test_rules_that_another_process_made_newer_are_seen_at_once():
    entity = an_entity()
    remembered = rulebook.of(entity.id)
    services.install_rules(legal_entity_id=entity.id, version=2, effective_from=DAY, rules=[RULE], actor=SYSTEM, now=NOW)
    for number, deed in enumerate((_one, lambda where, entry: _many(where, [entry]))):
        rulebook._books[entity.id] = remembered
        deed(entity, Entry(DAY, "clearing_in", [Posting("money", Decimal("1.00"))], f"r{number}"))
    assert selectors.balance("1001", entity.id) == Decimal("2.00")
    assert selectors.balance("1002", entity.id) == 0


def test_what_is_remembered_of_the_rules_is_bounded(monkeypatch):
    monkeypatch.setattr(rulebook, "MAX_BOOKS", 2)
    monkeypatch.setattr(rulebook, "MAX_DAYS", 3)
    entities = [an_entity() for _ in range(4)]
    for entity in entities:
        rulebook.of(entity.id)
        assert len(rulebook._books) <= 2
    book = rulebook.of(entities[-1].id)
    for number in range(10):
        assert book.rules("accrual", DAY + dt.timedelta(days=number))
    assert len(book._days) <= 3


def test_the_database_refuses_lines_of_an_unknown_account_or_entry():
    entity = an_entity()
    an_entry(entity)
    line = JournalLine.objects.filter(debit__gt=0).get()
    for wrong in ({"entry_id": new_id()}, {"account_id": new_id()}):
        facts = {"entry_id": line.entry_id, "account_id": line.account_id, "business_date": DAY, "debit": 1, "credit": 0} | wrong
        with pytest.raises(IntegrityError, match="together with a new entry"), transaction.atomic():
            JournalLine.objects.create(**facts)


def test_the_database_refuses_a_borrowed_transaction():
    entity = an_entity()
    with pytest.raises(IntegrityError, match="transaction it is made in"), transaction.atomic():
        JournalEntry.objects.create(legal_entity=entity, business_date=DAY, event="x", reference="x", total=1, actor="x", transaction_id=1)


def test_an_account_with_lines_keeps_what_it_is():
    entity = an_entity()
    an_entry(entity)
    posted, unused = (Account.objects.filter(legal_entity=entity, code=code) for code in ("1012", "6601"))
    for change in (
        lambda: posted.update(kind="liability"),
        lambda: posted.update(side="credit"),
        lambda: posted.update(code="101299"),
        lambda: posted.update(legal_entity=an_entity()),
        posted.delete,
    ):
        with pytest.raises((IntegrityError, Exception), match=r"only its name may change|protected"), transaction.atomic():
            change()
    with pytest.raises(IntegrityError, match="only its name"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM ledger_account WHERE id = %s", [posted.get().id])
    posted.update(name="在途资金")
    unused.update(kind="asset")
    assert posted.get().name == "在途资金"


def test_triggers_ask_for_their_switch_without_an_exception():
    with connection.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = '_pgtrigger_should_ignore'")
        (source,) = cursor.fetchone()
    assert "EXCEPTION" not in source
    assert "current_setting('pgtrigger.ignore', true)" in source
