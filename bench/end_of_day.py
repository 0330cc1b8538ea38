"""Measures of the end of day on a portfolio of `LOANS` loans: by the real runner, one worker, a real broker; two cores.

`eod_normal_day` opens a day on which a thirtieth of the loans fall due, `eod_peak_day` one on which a third do. An event is a loan that
falls due or is late, a debit ordered or a reminder written. The reference is the bare SQL that reads and writes the same rows, in the same
run, rolled back. Both days follow each other in one database, made anew for the run.
"""

from __future__ import annotations

import datetime as dt
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from bench.measures import Measure, own_database
from bench.portfolio import NORMAL_DAY, OPEN_ON, PEAK_DAY, build

_ONE_DAY: Final = dt.timedelta(days=1)
# A message of the outbox and its delivery for each of some rows.
_NEWS: Final = """told AS (
        INSERT INTO common_outboxmessage (name, payload) SELECT '{name}', jsonb_build_object('id', id) FROM {rows} RETURNING id
    ) INSERT INTO common_outboxdelivery (message_id, handler, state, attempts, due_at, error)
    SELECT id, 'bare', 'waiting', 0, now(), '' FROM told"""
# What the day reads and writes, without asking what it should say: every run read, the rows of loans that turn or are late written.
_BARE: Final = (
    "SELECT sum(before + bears) FROM loans_loanrun WHERE legal_entity_id = %(entity)s",
    "SELECT id FROM loans_loan WHERE id IN (SELECT loan_id FROM loans_loanrun WHERE next_due_on = %(to)s) FOR UPDATE",
    """UPDATE loans_instalment i SET status = i.status FROM loans_loanrun r
        WHERE r.next_due_on = %(to)s AND i.loan_id = r.loan_id AND i.due_date = r.next_due_on""",
    "UPDATE loans_loanbalance b SET as_of = b.as_of FROM loans_loanrun r WHERE r.next_due_on = %(to)s AND b.loan_id = r.loan_id",
    "UPDATE loans_loanrun SET as_of = as_of WHERE next_due_on = %(to)s",
    "SELECT l.id FROM loans_loan l JOIN loans_loanbalance b ON b.loan_id = l.id WHERE b.next_due_date < %(to)s FOR UPDATE OF l",
    """UPDATE loans_instalment i SET penalty = i.penalty FROM loans_loanbalance b
        WHERE b.next_due_date < %(to)s AND i.loan_id = b.loan_id AND i.status IN ('due', 'overdue')""",
    "UPDATE loans_loanbalance SET as_of = as_of WHERE next_due_date < %(to)s",
    """UPDATE loans_loanamount a SET booked = a.booked FROM loans_loanbalance b
        WHERE b.next_due_date < %(to)s AND a.loan_id = b.loan_id AND a.event = 'penalty'""",
    f"""WITH ordered AS (
        INSERT INTO disbursement_repaymentorder
               (id, created_at, order_no, legal_entity_id, loan_ref, customer_ref, card_ref, card_masked, agreement_no, purpose, origin,
                mode, amount, due_date, business_date, state, bank_ref, reason, booked_as)
        SELECT gen_random_uuid(), now(), 'bare' || loan.number, loan.legal_entity_id, loan.id, loan.borrower_ref, card.id,
               card.masked_number, card.agreement_no, 'due', 'batch', '', 1, %(to)s, %(to)s, 'created', '', '', ''
          FROM loans_loanrun run JOIN loans_loan loan ON loan.id = run.loan_id
          JOIN customers_bankcard card ON card.customer_id = loan.borrower_ref WHERE run.next_due_on = %(to)s
        ON CONFLICT DO NOTHING RETURNING id
    ), {_NEWS.format(name="bare.Ordered", rows="ordered")}""",
    f"""WITH reminded AS (
        INSERT INTO messaging_message
               (id, created_at, state, template_code, channel, legal_entity_id, person_ref, phone, phone_hash, masked_phone, text, urgent,
                dedupe_key, queued_at, send_at, send_day, attempts, provider_ref, reason)
        SELECT gen_random_uuid(), now(), 'queued', 'bare', 'sms', loan.legal_entity_id, loan.borrower_ref, who.phone, who.phone_hash,
               who.masked_phone, who.phone, false, 'bare' || i.id, now(), now(), %(to)s, 0, '', ''
          FROM loans_instalment i JOIN loans_loan loan ON loan.id = i.loan_id JOIN customers_customer who ON who.id = loan.borrower_ref
         WHERE i.due_date BETWEEN %(to)s AND %(to)s::date + 3 AND i.status <> 'paid'
        RETURNING id
    ), {_NEWS.format(name="bare.Reminded", rows="reminded")}""",
)


@dataclass
class Portfolio:
    """A portfolio in its database."""

    loans: int
    entity_id: UUID
    seconds_to_build: float


_ready: dict[int, Portfolio] = {}


def eod_normal_day() -> Measure:
    """Close a day and open one on which a thirtieth of the loans fall due, in seconds."""
    return _measured("eod_normal_day", NORMAL_DAY)


def eod_peak_day() -> Measure:
    """Close a day and open one on which a third of the loans fall due, in seconds."""
    _go_to(OPEN_ON.replace(day=PEAK_DAY - 1))
    return _measured("eod_peak_day", PEAK_DAY)


def open_normal_day() -> Portfolio:
    """The portfolio on its normal day, on which a thirtieth of the loans have fallen due."""
    portfolio = the_portfolio()
    from apps.organisations.selectors import business_date

    if business_date(portfolio.entity_id) == OPEN_ON:
        _worker()
        _close(portfolio.entity_id, OPEN_ON)
    return portfolio


def open_peak_day() -> Portfolio:
    """The portfolio on its peak day, on which a third of the loans have fallen due."""
    return _go_to(OPEN_ON.replace(day=PEAK_DAY))


def _go_to(day: dt.date) -> Portfolio:
    """Close day after day until `day` is open and 97 of 100 loans that fall due by then have paid."""
    portfolio = open_normal_day()
    from apps.organisations.selectors import business_date
    from bench.payments import pay_what_is_due

    while (today := business_date(portfolio.entity_id)) < day:
        pay_what_is_due(portfolio)
        _close(portfolio.entity_id, today)
    if day.day != PEAK_DAY:
        pay_what_is_due(portfolio)
    return portfolio


def the_portfolio() -> Portfolio:
    """The portfolio of this run, built on first use."""
    loans = int(os.environ.get("LOANS", "100000"))
    if loans not in _ready:
        os.environ["DATABASE_URL"] = own_database(str(loans), fresh=True)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "carloan.settings")
        os.environ["LOG_LEVEL"] = "ERROR"
        import django

        django.setup()
        started = time.monotonic()
        entity_id = build(loans)
        _ready[loans] = Portfolio(loans, entity_id, time.monotonic() - started)
    return _ready[loans]


def _measured(name: str, due_day: int) -> Measure:
    portfolio = the_portfolio()
    to = OPEN_ON.replace(day=due_day)
    facts = {"entity": portfolio.entity_id, "to": to}
    events = _count("SELECT count(*) FROM loans_loanrun WHERE next_due_on = %(to)s OR next_event_on <= %(to)s", facts)
    events += _count("SELECT count(*) FROM loans_loanbalance WHERE next_due_date < %(to)s", facts)
    reminders = "SELECT count(*) FROM loans_instalment WHERE due_date BETWEEN %(to)s AND %(to)s::date + 3 AND status <> 'paid'"
    events += _count(reminders, facts) + _count("SELECT count(*) FROM loans_loanrun WHERE next_due_on = %(to)s", facts)
    reference = _bare(facts)
    worker = _worker()
    started = time.monotonic()
    _close(portfolio.entity_id, to - _ONE_DAY)
    seconds = time.monotonic() - started
    memory_mib = _peak_memory_mib(worker)
    conditions = (
        f"{portfolio.loans} loans built in {portfolio.seconds_to_build:.0f} s; {events} events, {seconds / events * 1e6:.0f} us each; "
        f"runner and one worker, {memory_mib} MiB at most; {_slowest(portfolio.entity_id, to)}"
    )
    return Measure(name, round(seconds, 2), "s", round(reference, 2), round(seconds / reference, 3), conditions)


def _close(entity_id: UUID, day: dt.date) -> None:
    from apps.common.actors import Actor
    from apps.organisations import end_of_day

    end_of_day.run(entity_id=entity_id, to=day, actor=Actor.system("bench"))


def _count(sql: str, facts: dict[str, Any]) -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, facts)
        return int(cursor.fetchone()[0])


def _bare(facts: dict[str, Any]) -> float:
    from django.db import connection, transaction

    started = time.monotonic()
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in _BARE:
            cursor.execute(statement, facts)
        transaction.set_rollback(True)
    seconds = time.monotonic() - started
    with connection.cursor() as cursor:
        for table in (
            "loans_loan",
            "loans_instalment",
            "loans_loanbalance",
            "loans_loanrun",
            "loans_loanamount",
            "disbursement_repaymentorder",
            "messaging_message",
        ):
            cursor.execute(f"VACUUM {table}")
    return seconds


def _slowest(entity_id: UUID, opened: dt.date) -> str:
    """The steps of the day that took longest, in work of all processes together."""
    from apps.organisations.models import StepRun

    spent: dict[str, float] = {}
    for row in StepRun.objects.filter(legal_entity_id=entity_id, day__in=[opened - _ONE_DAY, opened]):
        if (row.day == opened) == (row.phase == "open") and row.finished_at and row.started_at:
            spent[row.step] = spent.get(row.step, 0.0) + (row.finished_at - row.started_at).total_seconds()
    slowest = sorted(spent.items(), key=lambda item: -item[1])[:5]
    return "work: " + ", ".join(f"{step} {seconds:.1f} s" for step, seconds in slowest)


@cache
def _worker() -> subprocess.Popen[bytes]:
    """A Celery worker with one process, on a broker of its own; both end with this process."""
    from django.conf import settings

    from carloan.celery import app
    from carloan.embedded import die_with_parent, start_redis

    folder = Path(tempfile.mkdtemp())
    settings.REDIS_URL, _redis = start_redis(folder)
    os.environ["REDIS_URL"] = settings.REDIS_URL  # for all processes of this run
    app.conf.broker_url = app.conf.broker_write_url = settings.REDIS_URL
    command = [sys.executable, "-m", "celery", "-A", "carloan", "worker", "-Q", "eod", "-c", "1", "-P", "solo", "-l", "WARNING"]
    with Path(folder, "worker.log").open("wb") as log:
        worker = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=die_with_parent)  # noqa: PLW1509  (no threads yet)
    _wait_until_ready(app, worker)
    return worker


def _wait_until_ready(app: Any, worker: subprocess.Popen[bytes]) -> None:
    for _ in range(120):
        if app.control.inspect(timeout=0.5).ping():
            return
        if worker.poll() is not None:
            break
    raise RuntimeError("The worker did not start.")


def _peak_memory_mib(worker: subprocess.Popen[bytes]) -> int:
    """The most memory the runner or the worker held at any moment."""
    lines = Path(f"/proc/{worker.pid}/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return max(peak, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) // 1024
