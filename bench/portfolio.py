"""A portfolio of N running loans to measure on: 36 instalments each, aged, 3 % overdue, opening balances as in a take-over.

A few hundred pattern loans are made by the services, taken out of the database as binary COPY streams, rolled back, and put in N times
over, each with ids of its own. The general ledger gets their balances in one entry per event; older journals there are none.
"""

from __future__ import annotations

import datetime as dt
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

ENTITY: Final = "BENCHLOANS"
OPEN_ON: Final = dt.date(2026, 3, 9)
NORMAL_DAY: Final = 10
PEAK_DAY: Final = 14
WHOLE: Final = 180
INSTALLMENTS: Final = 36
PROCESSES: Final = 2
PHONE: Final = "phone"
# The tables of a loan in the order of their foreign keys, with the column that says whose row it is: the borrower's or the loan's.
_OF_BORROWER: Final = {"customers_customer": "id", "customers_bankcard": "customer_id"}
TABLES: Final = {
    **_OF_BORROWER,
    "loans_loan": "id",
    "loans_loantransaction": "loan_id",
    "loans_loanbalance": "loan_id",
    "loans_loanrun": "loan_id",
    "loans_loanamount": "loan_id",
    "loans_instalment": "loan_id",
}
_SERIAL: Final = {"loans_loanamount", "loans_instalment"}


@dataclass(frozen=True, slots=True)
class Pattern:
    """A loan and its borrower as binary rows of each table, and what in them every copy has anew."""

    rows: dict[str, bytes]
    loan_id: bytes
    number: bytes
    unique_ids: tuple[bytes, ...]
    phone_hash: bytes
    agreement_no: bytes


def due_days() -> list[int]:
    """Due days of 180 loans: a third on the peak day, a thirtieth each on the normal day and the day before it, the rest evenly."""
    others = [day for day in range(1, 29) if day not in (NORMAL_DAY - 1, NORMAL_DAY, PEAK_DAY)]
    chosen = [PEAK_DAY] * (WHOLE // 3) + [NORMAL_DAY - 1] * (WHOLE // 30) + [NORMAL_DAY] * (WHOLE // 30)
    return chosen + [others[number % len(others)] for number in range(WHOLE - len(chosen))]


def build(loans: int) -> UUID:
    """Build the portfolio in an empty database of its own and return the id of the lender."""
    from django.core.management import call_command
    from django.db import connection

    started = time.monotonic()
    call_command("migrate", verbosity=0)
    entity_id = _lender()
    patterns = _patterns(entity_id)
    _say(f"{len(patterns)} patterns after {time.monotonic() - started:.0f} s")
    away = _drop_indexes()
    connection.close()
    each = -(-loans // PROCESSES)
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        parts = [(patterns, number * each, min(each, loans - number * each)) for number in range(PROCESSES)]
        counts: Counter[int] = sum(pool.starmap(_copy_in, parts), Counter())
        _say(f"{loans} loans after {time.monotonic() - started:.0f} s")
        pool.starmap(_settle, [(table, away[table]) for table in reversed(TABLES)], chunksize=1)  # the largest first
    _say(f"indexes after {time.monotonic() - started:.0f} s")
    _open_books(entity_id)
    _say(f"ready after {time.monotonic() - started:.0f} s")
    assert counts.total() == loans
    return entity_id


def _settle(table: str, indexes: list[str]) -> None:
    """Make a table's indexes and what the planner wants to know of it."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '1GB'")
        for statement in [*indexes, f"VACUUM (ANALYZE, FREEZE) {table}"]:
            cursor.execute(statement)


def _drop_indexes() -> dict[str, list[str]]:
    """Take the indexes away that nothing refers to; returns by table the statements that make them again."""
    from django.db import connection

    made: dict[str, list[str]] = {table: [] for table in TABLES}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(
                """SELECT c.conname, pg_get_constraintdef(c.oid) FROM pg_constraint c
                    WHERE c.conrelid = %s::regclass AND c.contype IN ('p', 'u')
                      AND NOT EXISTS (SELECT 1 FROM pg_constraint f WHERE f.contype = 'f' AND f.conindid = c.conindid)""",
                [table],
            )
            for name, definition in cursor.fetchall():
                made[table].append(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
                cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
            cursor.execute(
                """SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i
                    WHERE i.indrelid = %s::regclass AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid)""",
                [table],
            )
            for name, definition in cursor.fetchall():
                made[table].append(definition)
                cursor.execute(f"DROP INDEX {name}")
    return made


def _say(text: str) -> None:
    sys.stderr.write(f"portfolio: {text}\n")


def _lender() -> UUID:
    from apps.common.actors import Actor
    from apps.common.clock import beijing
    from apps.ledger.services import open_books
    from apps.organisations.models import LegalEntity
    from apps.organisations.services import install_parameters, open_business_day

    actor, now = Actor.system("bench"), beijing(OPEN_ON, 9)
    install_parameters(actor=actor, now=now)
    entity = LegalEntity.objects.create(code=ENTITY, name="测算汽车金融有限公司", short_name=ENTITY)
    open_books(legal_entity_id=entity.id, actor=actor, now=now)
    open_business_day(entity.id, OPEN_ON, now=now)
    return entity.id


def _patterns(entity_id: UUID) -> list[Pattern]:
    """180 loans paid to the day, and thirty like them that are up to three instalments behind. Nothing of them stays."""
    from django.db import connection, transaction

    with transaction.atomic():
        found = [_pattern(entity_id, day, number) for number, day in enumerate(due_days())]
        late = [_pattern(entity_id, day, number, behind=1 + number % 3) for number, day in enumerate(due_days()[::6])]
        transaction.set_rollback(True)
    connection.close()
    # Of 100 loans 97 are paid to the day.
    return [pattern for number in range(100) for pattern in (found if number < 97 else [late[number % len(late)]] * WHOLE)]


def _pattern(entity_id: UUID, due_day: int, number: int, *, behind: int = 0) -> Pattern:
    from apps.common.actors import Actor
    from apps.common.clock import beijing
    from apps.common.crypto import blind_index
    from apps.common.models import new_id
    from apps.loans import services
    from apps.loans.domain import build_schedule, parse_terms
    from apps.loans.models import Loan, LoanTransaction

    actor, now = Actor.system("bench"), beijing(OPEN_ON, 10)
    over = behind + 1 + number % (INSTALLMENTS - behind - 2)
    last_due = dt.date(2026, 3 if due_day <= OPEN_ON.day else 2, due_day)
    first_due = _months_before(last_due, over - 1)
    terms = parse_terms(
        {
            "principal": f"{60_000 + 500 * number}.00",
            "annual_rate": "10.8",
            "installments": INSTALLMENTS,
            "method": "equal_installment",
            "day_count": ("30/360", "act/365", "act/360")[number % 3],
            "start": _months_before(first_due, 1).isoformat(),
            "first_due": first_due.isoformat(),
        }
    )
    application, borrower, card = new_id(), new_id(), new_id()
    agreement_no = f"AGREEMENT{number:03}{behind:02}{due_day:02}"
    _borrower(entity_id, borrower, card, agreement_no)
    loan_id = services.open_loan(
        legal_entity_id=entity_id,
        borrower_ref=borrower,
        application_ref=application,
        terms=terms,
        value_date=terms.start,
        reference="take-over",
        actor=actor,
        now=now,
    )
    paid = sum((row.total for row in build_schedule(terms).rows[: over - behind]), start=Decimal("0.00"))
    if paid:
        services.record_repayment(
            loan_id=loan_id, amount=paid, value_date=terms.start, source="manual", reference="paid before", actor=actor, now=now
        )
    loan = Loan.objects.get(id=loan_id)
    ids = [application, borrower, card, *LoanTransaction.objects.filter(loan=loan).values_list("id", flat=True)]
    rows = {table: _rows_of(table, column, borrower if table in _OF_BORROWER else loan_id) for table, column in TABLES.items()}
    index = blind_index(_phone(agreement_no), purpose=PHONE).encode()
    return Pattern(rows, loan_id.bytes, loan.number.encode(), tuple(item.bytes for item in ids), index, agreement_no.encode())


def _borrower(entity_id: UUID, borrower: UUID, card: UUID, agreement_no: str) -> None:
    """A person with a telephone to be reminded on, and a card to be debited."""
    from apps.common.clock import beijing
    from apps.common.crypto import blind_index
    from apps.customers.models import BankCard, Customer

    now = beijing(OPEN_ON, 10)
    phone = _phone(agreement_no)
    Customer.objects.create(
        id=borrower,
        legal_entity_id=entity_id,
        state="verified",
        phone=phone,
        phone_hash=blind_index(phone, purpose=PHONE),
        masked_phone="138****0000",
        name="测试借款人",
        masked_name="测*",
        created_at=now,
    )
    BankCard.objects.create(
        id=card,
        customer_id=borrower,
        state="bound",
        number="6222020000000000000",
        number_hash=blind_index("6222020000000000000", purpose="card_number"),
        masked_number="6222****0000",
        phone=phone,
        masked_phone="138****0000",
        bank_code="ICBC",
        bank_name="工商银行",
        is_default=True,
        debit_agreed=True,
        agreement_no=agreement_no,
        agreed_at=now,
        bound_at=now,
        created_at=now,
    )


def _phone(agreement_no: str) -> str:
    return f"1380{agreement_no[-7:]}"


def _months_before(day: dt.date, months: int) -> dt.date:
    from apps.loans.domain.daycount import month_day

    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return month_day(year, month + 1, day.day)


_HEADER: Final = 19  # signature, flags and extension length of a binary COPY stream
_TRAILER: Final = b"\xff\xff"


def _rows_of(table: str, column: str, owner: UUID) -> bytes:
    from django.db import connection

    with connection.cursor() as cursor:
        stream = cursor.cursor.copy(f"COPY (SELECT {_columns(table)} FROM {table} WHERE {column} = '{owner}') TO STDOUT (FORMAT BINARY)")
        with stream as copy:
            data = b"".join(bytes(block) for block in copy)
    return data[_HEADER : -len(_TRAILER)]


def _columns(table: str) -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        columns = [item.name for item in connection.introspection.get_table_description(cursor, table)]
    return ", ".join(name for name in columns if not (table in _SERIAL and name == "id"))


def _copy_in(patterns: list[Pattern], first: int, count: int) -> Counter[int]:
    """Put `count` loans in, a batch of copies at a time. The triggers sleep: what they guard was guarded when the patterns were made."""
    import django

    django.setup()
    from django.db import connection

    done: Counter[int] = Counter()
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("SET synchronous_commit = off")
        columns = {table: _columns(table) for table in TABLES}
        for batch in _batches(patterns, first, count):
            for table in TABLES:
                with cursor.cursor.copy(f"COPY {table} ({columns[table]}) FROM STDIN (FORMAT BINARY)") as copy:
                    copy.write(b"PGCOPY\n\xff\r\n\x00" + bytes(8))
                    for pattern, ids in batch:
                        copy.write(_as_new(pattern, table, ids))
                    copy.write(_TRAILER)
            done[0] += len(batch)
    return done


_Ids = dict[bytes, bytes]


def _batches(patterns: list[Pattern], first: int, count: int) -> Iterator[list[tuple[Pattern, _Ids]]]:
    from apps.common.models import new_id

    for start in range(first, first + count, 2_000):
        batch = []
        for number in range(start, min(start + 2_000, first + count)):
            pattern = patterns[number % len(patterns)]
            ids = {pattern.loan_id: new_id().bytes, pattern.number: f"BN{number:0{len(pattern.number) - 2}}".encode()}
            ids |= {old: new_id().bytes for old in pattern.unique_ids}
            ids[pattern.phone_hash] = f"{number:0{len(pattern.phone_hash)}}".encode()
            ids[pattern.agreement_no] = f"{number:0{len(pattern.agreement_no)}}".encode()
            batch.append((pattern, ids))
        yield batch


def _as_new(pattern: Pattern, table: str, ids: _Ids) -> bytes:
    data = pattern.rows[table]
    if table not in ("loans_loan", "loans_loantransaction", *_OF_BORROWER):
        return data.replace(pattern.loan_id, ids[pattern.loan_id])
    for old, new in ids.items():
        data = data.replace(old, new)
    return data


def _open_books(entity_id: UUID) -> None:
    """Post what the running totals of all loans come to, one entry per event: the opening balances."""
    from django.db import connection, transaction

    from apps.common.actors import Actor
    from apps.common.clock import beijing
    from apps.ledger.domain import OWN, PARTNER, Posting
    from apps.ledger.services import post

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT event, component, party_ref, sum(booked) FROM loans_loanamount GROUP BY 1, 2, 3 HAVING sum(booked) <> 0")
        rows = cursor.fetchall()
        for event in sorted({row[0] for row in rows}):
            post(
                legal_entity_id=entity_id,
                business_date=OPEN_ON,
                event=event,
                amounts=[Posting(part, amount, PARTNER if party else OWN, party) for name, part, party, amount in rows if name == event],
                reference="take-over",
                narrative="Opening balances of the loans taken over",
                actor=Actor.system("bench"),
                now=beijing(OPEN_ON, 9),
            )
