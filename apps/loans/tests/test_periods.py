"""A loan over a period: the customer's statement, each funder's, the interest of every day; and that they are what the books say."""

from __future__ import annotations

import datetime as dt
import io
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.common.clock import beijing
from apps.common.money import CENT, ZERO
from apps.ledger.models import JournalLine
from apps.loans import selectors, services
from apps.loans.domain import COMPONENTS, Component, Funder
from apps.loans.domain.subledger import Flow
from apps.loans.models import LoanAmount
from apps.loans.tests.factories import START, SYSTEM, TERMS, a_lender, a_loan, close_through, pay, shared
from apps.loans.tests.test_subledger import funders

pytestmark = pytest.mark.django_db
DUE = dt.date(2025, 2, 20)


def run(*args: str) -> tuple[int, Any, str]:
    """Exit code, answer, and the line that ended the command."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("statement", *args, "--format=json", stdout=out, stderr=err)
    except CommandError as error:
        assert out.getvalue() == ""
        return error.returncode, None, str(error)
    except SystemExit as end:
        return int(end.code or 0), json.loads(out.getvalue()), err.getvalue()
    return 0, json.loads(out.getvalue()), err.getvalue()


def between(first: dt.date, last: dt.date) -> list[str]:
    return [f"--from={first}", f"--to={last}"]


def test_a_statement_of_february() -> None:
    entity = a_lender()
    loan = a_loan(entity)
    close_through(entity, DUE - dt.timedelta(days=1))
    pay(loan, "5600.00", DUE, "debit-1")
    close_through(entity, dt.date(2025, 2, 28))
    code, told, line = run(f"--loan={loan.number}", *between(dt.date(2025, 2, 1), dt.date(2025, 2, 28)))

    assert (code, line.split(" in ")[0]) == (0, "1 lines")
    assert told["opening"] == {
        "fee": "0.00", "penalty": "0.00", "compound": "0.00", "interest": "781.15", "principal": "120000.00", "credit": "0.00",
    }  # fmt: skip
    assert told["closing"] == {
        "fee": "0.00", "penalty": "0.00", "compound": "0.00", "interest": "308.53", "principal": "115858.92", "credit": "3.14",
    }  # fmt: skip
    assert told["moved"]["charged"]["interest"] == "983.16"
    (payment,) = told["transactions"]
    assert (payment["kind"], payment["amount"], payment["allocated"]) == (
        "repayment", "5600.00", {"interest": "1455.78", "principal": "4141.08"},
    )  # fmt: skip
    assert (payment["principal_after"], payment["credit"], payment["credit_after"]) == ("115858.92", "3.14", "3.14")
    assert (payment["reference"], payment["booked_on"], payment["reversed_by"]) == ("debit-1", "2025-02-20", None)


def test_a_reversal_in_march_takes_back_what_february_had() -> None:
    entity = a_lender()
    loan = a_loan(entity)
    close_through(entity, DUE - dt.timedelta(days=1))
    paid = pay(loan, "5596.86", DUE)
    close_through(entity, dt.date(2025, 3, 4))
    services.reverse_transaction(
        loan_id=loan.id, transaction_id=paid.id, reason="bounced", reference="r", actor=SYSTEM, now=beijing(dt.date(2025, 3, 5), 10)
    )
    _code, february, _line = run(f"--loan={loan.number}", *between(dt.date(2025, 2, 1), dt.date(2025, 2, 28)))
    _code, march, _line = run(f"--loan={loan.number}", *between(dt.date(2025, 3, 1), dt.date(2025, 3, 5)))

    assert february["closing"] == march["opening"]
    (undone,) = march["transactions"]
    assert (undone["kind"], undone["allocated"]) == ("reversal", {"interest": "-1455.78", "principal": "-4141.08"})
    assert (undone["principal_after"], march["closing"]["principal"]) == ("120000.00", "120000.00")
    # 14 days late at the close of 5 March: 4,141.08 x 16.2 % x 14 / 365.
    assert march["closing"]["penalty"] == "25.73"
    _code, whole, _line = run(f"--loan={loan.number}", *between(START, dt.date(2025, 3, 5)))
    assert [(line["kind"], line["reversed_by"] is not None) for line in whole["transactions"]] == [
        ("disbursement", False), ("repayment", True), ("reversal", False),
    ]  # fmt: skip


def test_the_funders_statements_add_up_to_the_loan() -> None:
    entity = a_lender()
    loan = a_loan(entity, shared(entity))
    close_through(entity, DUE - dt.timedelta(days=1))
    pay(loan, "5596.86", DUE)
    close_through(entity, dt.date(2025, 2, 28))
    window = between(dt.date(2025, 2, 1), dt.date(2025, 2, 28))
    _code, whole, _line = run(f"--loan={loan.number}", *window)
    _code, bank, _line = run(f"--loan={loan.number}", "--party=bank-a", *window)
    _code, own, _line = run(f"--loan={loan.number}", "--party=own", *window)

    assert run(f"--loan={loan.number}", f"--party={entity.id}", *window)[1] == own
    assert (bank["parts"], own["parts"]) == (7000, 3000)
    assert bank["transactions"][0]["moved"] == {"interest": "-1019.05", "principal": "-2898.76"}
    assert own["transactions"][0]["moved"] == {"interest": "-436.73", "principal": "-1242.32"}
    assert (bank["closing"]["principal"], bank["closing"]["interest"]) == ("81101.24", "215.97")
    for block in ("opening", "closing"):
        for component in COMPONENTS:
            assert Decimal(bank[block][component]) + Decimal(own[block][component]) == Decimal(whole[block][component])
    for flow, amounts in whole["moved"].items():
        for component, amount in amounts.items():
            assert Decimal(bank["moved"][flow][component]) + Decimal(own["moved"][flow][component]) == Decimal(amount)


def test_a_party_s_totals_are_what_the_books_hold_for_it() -> None:
    entity = a_lender()
    loan = a_loan(entity, shared(entity))
    close_through(entity, DUE - dt.timedelta(days=1))
    pay(loan, "3333.33", DUE)
    close_through(entity, dt.date(2025, 3, 9))
    told = selectors.statement_for(loan, START, dt.date(2025, 3, 9))
    bank = selectors.party_statement(told, "bank-a").closing
    lines = JournalLine.objects.filter(entry__legal_entity=entity, party_ref="bank-a").values("account__code")
    held = {row["account__code"]: row["debits"] - row["credits"] for row in lines.annotate(debits=Sum("debit"), credits=Sum("credit"))}
    assert held["9004"] == bank.owed()[Component.PRINCIPAL]
    assert held["9005"] == sum(bank.owed().values(), start=ZERO) - bank.owed()[Component.PRINCIPAL]
    assert bank.owed()[Component.PENALTY] > 0
    collected = sum(bank.flows[Flow.COLLECTED].values(), start=ZERO)
    assert held["224101"] == bank.flows[Flow.DISBURSED][Component.PRINCIPAL] - collected


def test_for_any_funders_and_payments_the_parts_are_the_whole_and_what_the_books_hold() -> None:
    today = dt.date(2025, 5, 31)
    entity = a_lender(first_day=today)
    payment = st.tuples(st.integers(0, 140), st.integers(1, 2_000_000).map(lambda cents: cents * CENT))

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(funders(), st.lists(payment, min_size=1, max_size=3), st.integers(0, 140))
    def law(parties: tuple[Funder, ...], payments: list[tuple[int, Decimal]], cut: int) -> None:
        loan = a_loan(entity, replace(TERMS, funders=parties))
        for number, (days, amount) in enumerate(payments):
            when = START + dt.timedelta(days=days)
            reference, now = f"{loan.number}-{number}", beijing(today, 10)
            services.record_repayment(
                loan_id=loan.id, amount=amount, value_date=when, source="debit", reference=reference, actor=SYSTEM, now=now
            )
        told = selectors.statement_for(loan, START + dt.timedelta(days=cut), today)
        sides = selectors.party_statements(told)
        for component in COMPONENTS:
            assert sum((side.closing.owed()[component] for side in sides), start=ZERO) == told.statement.closing.owed()[component]
            for no, line in enumerate(told.statement.lines):
                assert sum((side.lines[no].part.get(component, ZERO) for side in sides), start=ZERO) == line.moved[component]
        rows = LoanAmount.objects.filter(loan=loan, event__in=("disbursement", "repayment")).exclude(component="credit")
        booked = {row[:3]: row[3] for row in rows.values_list("event", "component", "party_ref", "booked")}
        for side in sides:
            party = "" if side.party_ref == selectors.OWN else side.party_ref
            for event, flow in (("disbursement", Flow.DISBURSED), ("repayment", Flow.COLLECTED)):
                for component in COMPONENTS:
                    assert side.closing.flows[flow][component] == booked.get((event, component.value, party), ZERO)

    law()


def accrued_in_the_books(entity: Any, event: str, first: dt.date, last: dt.date) -> dict[dt.date, Decimal]:
    """Per day all that was accrued, tax and partners' parts included, non-accrual put back."""
    rows = JournalLine.objects.filter(
        entry__legal_entity=entity,
        entry__event=event,
        business_date__range=(first, last),
        account__code__in=("113201", "113202", "113203", "9005"),
    )
    sums = rows.values("business_date").annotate(debits=Sum("debit"), credits=Sum("credit")).order_by("business_date")
    return {row["business_date"]: row["debits"] - row["credits"] for row in sums}


def test_the_days_of_all_loans_add_up_to_the_accrual_in_the_books() -> None:
    entity = a_lender()
    one, two = a_loan(entity), a_loan(entity, shared(entity))
    five = (Funder("own", 1000), Funder("a", 3300), Funder("b", 3300), Funder("c", 1300), Funder("d", 1100))
    three = a_loan(entity, replace(TERMS, principal=Decimal("9999.99"), compound=True, funders=five))
    close_through(entity, DUE - dt.timedelta(days=1))
    pay(one, "5596.86", DUE)
    paid = pay(two, "30000.00", DUE)
    close_through(entity, dt.date(2025, 2, 24))
    # Booked on the 25th, one for the 22nd and one as if it had never been: their differences stand on the 25th.
    today = beijing(dt.date(2025, 2, 25), 10)
    services.record_repayment(
        loan_id=three.id,
        amount=Decimal("100.00"),
        value_date=dt.date(2025, 2, 22),
        source="counter",
        reference="late",
        actor=SYSTEM,
        now=today,
    )
    services.reverse_transaction(loan_id=two.id, transaction_id=paid.id, reason="bounced", reference="r", actor=SYSTEM, now=today)
    close_through(entity, dt.date(2025, 3, 3))

    days = {"accrual": dict[dt.date, Decimal](), "penalty": dict[dt.date, Decimal]()}
    for loan in (one, two, three):
        history = selectors.interest_history(loan.id, START, dt.date(2025, 3, 3))
        assert [row.day for row in history] == [START + dt.timedelta(days=no) for no in range(53)]
        for row in history:
            days["accrual"][row.day] = days["accrual"].get(row.day, ZERO) + row.ran[Component.INTEREST]
            days["penalty"][row.day] = days["penalty"].get(row.day, ZERO) + row.ran[Component.PENALTY] + row.ran[Component.COMPOUND]
            for component, whole in row.ran.items():
                assert sum((parts[component] for parts in row.parties.values()), start=ZERO) == whole
        assert selectors.accrued_on(loan.id, dt.date(2025, 2, 25)) == history[46]
    for event, told in days.items():
        booked = accrued_in_the_books(entity, event, START, dt.date(2025, 3, 3))
        assert {day: amount for day, amount in told.items() if amount} == {day: amount for day, amount in booked.items() if amount}


def test_days_on_the_command_line() -> None:
    entity = a_lender()
    loan = a_loan(entity, shared(entity))
    close_through(entity, dt.date(2025, 1, 12))
    code, told, _line = run(f"--loan={loan.number}", "--daily", *between(START, dt.date(2025, 1, 12)))

    assert code == 0
    assert [(day["date"], day["ran"]["interest"], day["to_date"]["interest"]) for day in told["days"]] == [
        ("2025-01-10", "35.51", "35.51"), ("2025-01-11", "35.50", "71.01"), ("2025-01-12", "35.51", "106.52"),
    ]  # fmt: skip
    assert told["days"][0]["parties"]["bank-a"]["interest"] == "24.86"
    assert told["days"][0]["parties"]["own"]["interest"] == "10.65"


def test_a_month_of_a_lender_is_a_list_of_statements() -> None:
    entity = a_lender()
    alone, together = a_loan(entity), a_loan(entity, shared(entity))
    close_through(entity, dt.date(2025, 1, 31))
    code, told, line = run(f"--entity={entity.code}", "--month=2025-01")

    assert (code, line.split(" in ")[0]) == (0, "2 statements, 0 failed")
    assert [one["number"] for one in told] == sorted([alone.number, together.number])
    single = {one["number"]: one for one in told}
    assert single[alone.number] == run(f"--loan={alone.number}", *between(dt.date(2025, 1, 1), dt.date(2025, 1, 31)))[1]
    code, told, _line = run(f"--entity={entity.code}", "--month=2025-01", "--party=bank-a")
    assert [(one["number"], one["closing"]["principal"]) for one in told] == [(together.number, "84000.00")]
    assert run(f"--entity={entity.code}", "--month=2024-12")[:2] == (0, [])
    table = io.StringIO()
    call_command("statement", entity=entity.code, month="2025-01", stdout=table, stderr=io.StringIO())
    call_command("statement", loan=alone.number, stdout=table, stderr=io.StringIO())
    assert alone.number in table.getvalue()


def test_a_settled_loan_is_in_the_month_of_its_end_and_in_none_after() -> None:
    entity = a_lender()
    loan = a_loan(entity)
    quote = selectors.payoff_quote(loan_id=loan.id, on=START)
    services.settle_early(loan_id=loan.id, value_date=START, amount=quote.total, reference="s", actor=SYSTEM, now=beijing(START, 12))
    close_through(entity, dt.date(2025, 2, 1))
    (told,) = run(f"--entity={entity.code}", "--month=2025-01")[1]
    assert set(told["closing"].values()) == {"0.00"}
    assert run(f"--entity={entity.code}", "--month=2025-02")[1] == []


def test_bad_input_is_one_line_and_exit_2() -> None:
    entity = a_lender()
    loan = a_loan(entity)
    one = f"--loan={loan.number}"
    for args in (
        [], [one, f"--entity={entity.code}"], [f"--entity={entity.code}"], [f"--entity={entity.code}", "--month=2025-13"],
        [f"--entity={entity.code}", "--month=2099-01"], [f"--entity={entity.code}", "--month=2025-01", "--daily"], ["--month=2025-01"],
        ["--entity=NOBODY", "--month=2025-01"], ["--loan=LN0"], [one, "--month=2025-01"], [one, "--from=2025-02-29"], [one, "--to=soon"],
        [one, *between(dt.date(2025, 2, 2), dt.date(2025, 2, 1))], [one, *between(dt.date(2024, 1, 1), dt.date(2024, 2, 1))],
        [one, "--party=stranger"], [one, "--daily", "--party=own"], [one, "--daily", *between(START, dt.date(2026, 1, 11))],
        [one, "--daily", *between(dt.date(2025, 1, 9), START)], [one, "--colour=blue"], [one, "stray"],
        ["--loan="],
    ):  # fmt: skip
        code, _answer, line = run(*args)
        assert (code, bool(line), "\n" in line) == (2, True, False), args
