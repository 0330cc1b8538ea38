"""Measures of the loan core: quotes on one core, the statement of a long history, a repayment that lies before thirty others.

All but `quote` write into the database of `DATABASE_URL`, under a legal entity of their own; each back-dated repayment is rolled back.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.measures import Measure

ENTITY = "BENCHLOANS"
OPENED = dt.date(2021, 1, 10)
TODAY = dt.date(2024, 1, 31)
RUNS = 40
STATEMENT_TRANSACTIONS = 500
LATER_TRANSACTIONS = 30
REQUEST = {
    "principal": "120000",
    "annual_rate": "10.8",
    "installments": 36,
    "method": "equal_installment",
    "day_count": "30/360",
    "start": "2026-11-20",
    "first_due": "2026-12-20",
}


def quote() -> Measure:
    """A quote of 36 equal instalments with its disclosed rates; reference: the bare amortisation loop without dates, IRR or checks."""
    from apps.loans.domain import quote_from_json
    from bench.measures import Measure, per_second

    def bare() -> None:
        balance, rate = Decimal(120000), Decimal("0.108") / 12
        instalment = Decimal("3917.29")
        for _ in range(36):
            interest = (balance * rate).quantize(Decimal("0.01"), ROUND_HALF_UP)
            balance -= instalment - interest

    value, reference = per_second(lambda: quote_from_json(REQUEST)), per_second(bare)
    return Measure("quote", round(value, 1), "1/s", round(reference, 1), round(value / reference, 4), "36 instalments, one core")


def statement() -> Measure:
    """The back office's page of the statement of a loan with 500 transactions, in ms; reference: one replay of it, without database."""
    _set_up()
    from apps.loans import selectors
    from apps.loans.bridge import replay_of
    from bench.measures import Measure

    loan = _loan(STATEMENT_TRANSACTIONS, days_apart=2)
    rows = selectors.transactions_of(loan)
    desk = _at_a_desk(loan.legal_entity_id)

    def read() -> None:
        page = desk.get(f"/backoffice/loans/{loan.id}/statement/")
        assert page.content.count(b"<tr") > STATEMENT_TRANSACTIONS, page.status_code

    value = median(_milliseconds(read))
    reference = median(_milliseconds(lambda: replay_of(loan, rows, TODAY)))
    conditions = f"HTML of all {len(rows)} transactions, 60 instalments, median of {RUNS}, one process"
    return Measure("statement", round(value, 1), "ms", round(reference, 1), round(value / reference, 2), conditions)


def backdated_repayment() -> Measure:
    """A repayment dated before thirty others of a loan of 60 instalments, through the service, p95 in ms; reference: one replay of it."""
    _set_up()
    from django.db import transaction

    from apps.common.actors import Actor
    from apps.common.clock import beijing
    from apps.loans import selectors, services
    from apps.loans.bridge import replay_of
    from bench.measures import Measure

    loan = _loan(LATER_TRANSACTIONS, days_apart=30)
    rows = selectors.transactions_of(loan)

    def record() -> None:
        with transaction.atomic():
            services.record_repayment(
                loan_id=loan.id,
                amount=Decimal("50.00"),
                value_date=OPENED + dt.timedelta(days=5),
                source="counter",
                reference="bench-late",
                actor=Actor.system("bench"),
                now=beijing(TODAY, 12),
            )
            transaction.set_rollback(True)

    value = quantiles(_milliseconds(record), n=20)[-1]
    reference = median(_milliseconds(lambda: replay_of(loan, rows, TODAY)))
    conditions = f"60 instalments, {LATER_TRANSACTIONS} later transactions, p95 of {RUNS}, one process"
    return Measure("backdated_repayment", round(value, 1), "ms", round(reference, 1), round(value / reference, 2), conditions)


def _milliseconds(deed: Callable[[], Any]) -> list[float]:
    deed()
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        deed()
        times.append((time.perf_counter() - started) * 1000)
    return times


def _set_up() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "carloan.settings")
    os.environ["LOG_LEVEL"] = "ERROR"
    django.setup()


def _loan(transactions: int, *, days_apart: int) -> Any:
    """A loan of 60 instalments with that many repayments, found again on later runs."""
    from apps.common.actors import Actor
    from apps.common.clock import beijing
    from apps.common.models import new_id
    from apps.customers.models import Customer
    from apps.loans import selectors, services
    from apps.loans.domain import parse_terms
    from apps.loans.models import Loan, LoanTransaction

    entity, actor, now = _lender(), Actor.system("bench"), beijing(TODAY, 10)
    code = f"bench-{transactions}"
    found = Loan.objects.select_related("balance").filter(legal_entity_id=entity, product_code=code).first()
    if found is not None:
        return found
    terms = {**REQUEST, "installments": 60, "day_count": "act/365", "start": OPENED.isoformat(), "first_due": "2021-02-10"}
    borrower = Customer.objects.create(legal_entity_id=entity, state="verified", phone_hash=code, masked_name="测*", created_at=now)
    loan_id = services.open_loan(
        legal_entity_id=entity,
        borrower_ref=borrower.id,
        application_ref=new_id(),
        terms=parse_terms(terms),
        value_date=OPENED,
        reference=code,
        product_code=code,
        actor=actor,
        now=now,
    )
    rows = [
        LoanTransaction(
            loan_id=loan_id,
            kind=LoanTransaction.Kind.REPAYMENT,
            value_date=OPENED + dt.timedelta(days=days_apart * (number + 1)),
            business_date=TODAY,
            amount=Decimal("100.00") if days_apart < 30 else Decimal("2590.00"),
            source="debit",
            reference=f"bench-{number}",
            actor=str(actor),
        )
        for number in range(transactions - 1)
    ]
    LoanTransaction.objects.bulk_create(rows)
    # The last one goes through the service, which brings rows and books in line with all of them.
    services.record_repayment(
        loan_id=loan_id, amount=Decimal("100.00"), value_date=TODAY, source="counter", reference="bench-last", actor=actor, now=now
    )
    return selectors.loan_of(loan_id)


def _at_a_desk(entity_id: Any) -> Any:
    """The browser of a member of the lender's finance staff who has signed in with both factors."""
    from django.conf import settings
    from django.test import Client
    from django_otp import DEVICE_ID_SESSION_KEY
    from django_otp.plugins.otp_totp.models import TOTPDevice

    from apps.organisations.models import User

    settings.ALLOWED_HOSTS = ["testserver"]
    facts = {"legal_entity_id": entity_id, "roles": ["finance"], "kind": "staff"}
    user, _made = User.objects.get_or_create(username="bench-finance", defaults=facts)
    device, _made = TOTPDevice.objects.get_or_create(user=user, confirmed=True)
    desk = Client()
    desk.force_login(user, backend="apps.organisations.auth.RoleBackend")
    session = desk.session
    session[DEVICE_ID_SESSION_KEY] = device.persistent_id
    session.save()
    return desk


def _lender() -> Any:
    """The legal entity of these measures, made on first use; the database gets its tables first."""
    from django.core.management import call_command

    from apps.common.actors import Actor
    from apps.common.clock import beijing
    from apps.ledger.services import open_books
    from apps.organisations.models import BusinessDay, LegalEntity
    from apps.organisations.services import install_parameters, open_business_day

    call_command("migrate", verbosity=0)
    entity, _made = LegalEntity.objects.get_or_create(code=ENTITY, defaults={"name": "测算消费金融有限公司", "short_name": ENTITY})
    actor, now = Actor.system("bench"), beijing(TODAY, 9)
    install_parameters(actor=actor, now=now)
    open_books(legal_entity_id=entity.id, actor=actor, now=now)
    if not BusinessDay.objects.filter(legal_entity=entity).exists():
        open_business_day(entity.id, TODAY, now=now)
    return entity.id
