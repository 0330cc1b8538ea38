"""Statements as sums: closing = opening + what moved, and the funders' parts make the whole, per line, per day and in total."""

from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.common.money import ZERO
from apps.loans.domain import COMPONENTS, BadTerms, Component, Funder, Kind, LoanState, LoanTerms, Transaction, replay
from apps.loans.domain.subledger import CAPITALISED, FLOWS, Flow, Statement, Totals, statement_between, totals_of
from apps.loans.domain.terms import SHARES_WHOLE
from apps.loans.tests.builders import car_loan, day, on, paid_on_time, shown, tx
from apps.loans.tests.test_laws import histories

CHEAP = settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
ONE_DAY = timedelta(days=1)
PARTIES = ("bank-a", "own", "bank-b", "trust", "dealer")
# A correction, and what is capitalised, changes a claim by other flows than these.
_PLAIN = frozenset(
    {Kind.DISBURSEMENT, Kind.RATE_RESET, Kind.EXTENSION, Kind.TERM_CHANGE, Kind.DUE_DAY_CHANGE, Kind.RE_AMORTISE, Kind.FEE, Kind.WAIVER,
     Kind.REPAYMENT, Kind.PREPAYMENT, Kind.EARLY_SETTLEMENT, Kind.REFUND, Kind.WRITE_OFF, Kind.RECOVERY, Kind.REVERSAL}
)  # fmt: skip


@st.composite
def funders(draw: st.DrawFn) -> tuple[Funder, ...]:
    count = draw(st.integers(1, len(PARTIES)))
    cuts = sorted(draw(st.sets(st.integers(1, SHARES_WHOLE - 1), min_size=count - 1, max_size=count - 1)))
    edges = [0, *cuts, SHARES_WHOLE]
    return tuple(Funder(party, high - low) for party, low, high in zip(PARTIES, edges, edges[1:], strict=False))


@st.composite
def stories(draw: st.DrawFn) -> tuple[LoanTerms, list[Transaction], date, date]:
    """A shared loan with a history, and a period to look at it."""
    terms, transactions, last = draw(histories())
    first = terms.start + timedelta(days=draw(st.integers(0, max((last - terms.start).days, 0))))
    return replace(terms, funders=draw(funders())), transactions, first, max(first, last)


def state_on(terms: LoanTerms, transactions: list[Transaction], as_of: date) -> LoanState | None:
    return None if as_of < terms.start else replay(terms, transactions, as_of)


def statement(terms: LoanTerms, transactions: list[Transaction], first: date, last: date) -> Statement:
    after = state_on(terms, transactions, last)
    assert after is not None
    return statement_between(state_on(terms, transactions, first - ONE_DAY), after, first)


def whole(parts: list[Totals]) -> dict[Flow, dict[Component, object]]:
    return {flow: {c: sum((part.flows[flow][c] for part in parts), start=ZERO) for c in COMPONENTS} for flow in FLOWS}


@CHEAP
@given(stories())
def test_the_closing_is_the_opening_and_what_moved_and_the_parts_are_the_whole(
    story: tuple[LoanTerms, list[Transaction], date, date],
) -> None:
    terms, transactions, first, last = story
    with suppress(BadTerms):
        told = statement(terms, transactions, first, last)
        assert_it_adds_up(told)
        if {item.kind for item in transactions} <= _PLAIN:
            assert terms.capitalises or not any(told.closing.flows[Flow.ADJUSTED].values())
            assert told.closing_credit == (told.lines[-1].credit_after if told.lines else told.opening_credit)
            assert told.closing.owed()[Component.PRINCIPAL] == (
                told.lines[-1].principal if told.lines else told.opening.owed()[Component.PRINCIPAL]
            )


def assert_it_adds_up(told: Statement) -> None:
    moved, parties = told.moved, told.by_party()
    for component in COMPONENTS:
        signed = moved.flows[Flow.DISBURSED][component] + moved.flows[Flow.CHARGED][component] - moved.flows[Flow.COLLECTED][component]
        signed += moved.flows[Flow.ADJUSTED][component] - moved.flows[Flow.WAIVED][component]
        assert told.opening.owed()[component] + signed == told.closing.owed()[component]
    assert whole([opening for opening, _ in parties.values()]) == told.opening.flows
    assert whole([closing for _, closing in parties.values()]) == told.closing.flows
    moves = {party: dict.fromkeys(COMPONENTS, ZERO) for party in parties}
    for line in told.lines:
        for component in COMPONENTS:
            assert sum((part.get(component, ZERO) for part in line.parts.values()), start=ZERO) == line.moved[component]
        for party, part in line.parts.items():
            for component in COMPONENTS:
                moves[party][component] += part.get(component, ZERO)
    for party, (opening, closing) in parties.items():
        principal = closing.owed()[Component.PRINCIPAL] - opening.owed()[Component.PRINCIPAL]
        if not any(told.moved.flows[Flow.ADJUSTED].values()):
            assert moves[party][Component.PRINCIPAL] == principal
        for component in (Component.PENALTY, Component.COMPOUND, Component.INTEREST):
            flows = closing.less(opening).flows
            became = sum((line.parts[party][component] for line in told.lines if line.kind == CAPITALISED), start=ZERO)
            assert moves[party][component] == became - flows[Flow.COLLECTED][component] - flows[Flow.WAIVED][component]


@CHEAP
@given(stories(), st.integers(0, 200))
def test_one_period_closes_as_the_next_opens_and_days_add_up(story: tuple[LoanTerms, list[Transaction], date, date], skipped: int) -> None:
    terms, transactions, first, last = story
    with suppress(BadTerms):
        cut = min(first + timedelta(days=skipped), last)
        early = statement(terms, transactions, first, cut)
        if cut < last:
            late, both = statement(terms, transactions, cut + ONE_DAY, last), statement(terms, transactions, first, last)
            assert (late.opening, late.opening_credit) == (early.closing, early.closing_credit)
            assert whole([early.moved, late.moved]) == both.moved.flows
            for party, (opening, closing) in both.by_party().items():
                parts = [side.by_party()[party] for side in (early, late)]
                assert whole([end.less(begin) for begin, end in parts]) == closing.less(opening).flows


def test_a_month_of_the_worked_example_shared_30_to_70() -> None:
    terms = car_loan(funders=[{"party_ref": "own", "parts": 3000}, {"party_ref": "bank-a", "parts": 7000}])
    told = statement(terms, paid_on_time(terms, 1), day("2025-02-01"), day("2025-02-28"))

    assert shown(told.opening.owed()) == {"interest": "781.15", "principal": "120000.00"}
    assert [(line.on.isoformat(), line.kind, shown(line.moved), str(line.principal)) for line in told.lines] == [
        ("2025-02-20", "repayment", {"interest": "-1455.78", "principal": "-4141.08"}, "115858.92")
    ]
    assert {party: shown(part) for party, part in told.lines[0].parts.items()} == {
        "own": {"interest": "-436.73", "principal": "-1242.32"},
        "bank-a": {"interest": "-1019.05", "principal": "-2898.76"},
    }
    assert shown(told.moved.flows[Flow.CHARGED]) == {"interest": "983.16"}
    assert shown(told.closing.owed()) == {"interest": "308.53", "principal": "115858.92"}
    bank_opening, bank = told.by_party()["bank-a"]
    assert shown(bank.less(bank_opening).flows[Flow.CHARGED]) == {"interest": "688.21"}
    assert shown(bank_opening.owed()) == {"interest": "546.81", "principal": "84000.00"}
    assert shown(bank.owed()) == {"interest": "215.97", "principal": "81101.24"}
    own_opening, own = told.by_party()["own"]
    assert shown(own_opening.owed()) == {"interest": "234.34", "principal": "36000.00"}
    assert shown(own.less(own_opening).flows[Flow.CHARGED]) == {"interest": "294.95"}
    assert shown(own.owed()) == {"interest": "92.56", "principal": "34757.68"}


def test_credit_is_used_on_the_due_day_and_a_reversed_payment_moves_nothing() -> None:
    terms = car_loan()
    story = [
        tx("a", "repayment", "2025-02-10", "6000"),
        tx("b", "repayment", "2025-02-12", "100"),
        tx("c", "reversal", "2025-02-13", reverses="b"),
        tx("d", "refund", "2025-02-21", "403.14"),
    ]
    told = statement(terms, story, day("2025-01-01"), day("2025-02-28"))

    assert [(line.kind, line.transaction_id, str(line.credit), str(line.credit_after), line.reversed_by) for line in told.lines] == [
        ("disbursement", "", "0.00", "0.00", None),
        ("repayment", "a", "6000.00", "6000.00", None),
        ("repayment", "b", "0.00", "6000.00", "c"),
        ("reversal", "c", "0.00", "6000.00", None),
        ("credit_used", "a", "-5596.86", "403.14", None),
        ("refund", "d", "-403.14", "0.00", None),
    ]
    assert [str(line.principal) for line in told.lines][-3:] == ["120000.00", "115858.92", "115858.92"]


def test_what_a_loan_totals_at_the_close_of_a_day_is_what_the_books_hold() -> None:
    terms = car_loan()
    late = totals_of(on(terms, paid_on_time(terms, 2), "2025-04-29"))

    # The close of 29 April is the worked example's 30 April: ten days of penalty.
    assert str(late.owed()[Component.PENALTY]) == "20.31"
    assert late.flows[Flow.COLLECTED][Component.PRINCIPAL] == 120000 - late.owed()[Component.PRINCIPAL]
