"""Laws that hold for every loan: random terms, random histories."""

import json
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
import pyxirr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.common.money import CENT, ZERO, allocate
from apps.loans.domain import (
    COMPONENTS,
    Advance,
    AllocationOrder,
    AllocationRule,
    AssetClass,
    BadTerms,
    Bucket,
    ClassBounds,
    Component,
    DayCount,
    FeeBasis,
    FeeRule,
    FeeTime,
    FirstInterest,
    Frequency,
    Funder,
    GraceInterest,
    Kind,
    LoanState,
    LoanStatus,
    LoanTerms,
    Method,
    MonthEnd,
    PrepaymentMode,
    Rounding,
    RowStatus,
    Tranche,
    Transaction,
    build_schedule,
    parse_terms,
    quote_from_json,
    replay,
    replay_from_json,
    split_flow,
    state_to_json,
    terms_to_json,
)
from apps.loans.domain.irr import periodic_irr
from apps.loans.domain.parsing import _TERMS_KEYS, _TRANSACTION_KEYS
from apps.loans.domain.terms import SHARES_WHOLE
from apps.loans.tests.builders import CAR_LOAN

CHEAP = settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))

START = date(2023, 1, 1)
CHANGES_OF_TERM = (Kind.TERM_CHANGE, Kind.EXTENSION)
LEVELLED = (Method.EQUAL_INSTALLMENT, Method.EQUAL_PRINCIPAL, Method.FLAT, Method.BALLOON)
MONEY_IN = (Kind.REPAYMENT, Kind.PREPAYMENT, Kind.EARLY_SETTLEMENT, Kind.RECOVERY)

cents = st.integers(1, 3_000_000).map(lambda count: count * CENT)


fee_lists = st.lists(
    st.sampled_from(
        [
            FeeRule(name="opening", when=FeeTime.DISBURSEMENT, of=FeeBasis.AMOUNT, value=Decimal("0.01"), maximum=Decimal("500.00")),
            FeeRule(name="service", when=FeeTime.INSTALMENT, of=FeeBasis.FLAT, value=Decimal("5.00")),
            FeeRule(name="guarantee", when=FeeTime.INSTALMENT, of=FeeBasis.INTEREST, value=Decimal("0.1"), minimum=CENT),
            FeeRule(name="late", when=FeeTime.OVERDUE, of=FeeBasis.OVERDUE, value=Decimal("0.05")),
        ]
    ),
    unique_by=lambda fee: fee.name,
    max_size=2,
).map(tuple)
PLACES = [(bucket, component) for bucket in (Bucket.OVERDUE, Bucket.DUE) for component in Component]
AHEAD = [(Bucket.ADVANCE, Component.INTEREST), (Bucket.ADVANCE, Component.PRINCIPAL)]
orders = st.builds(
    lambda due, ahead: (*due, *ahead),
    st.sampled_from([PLACES, PLACES[::-1], sorted(PLACES, key=lambda place: place[1])]),
    st.sampled_from([[], AHEAD, AHEAD[::-1], AHEAD[:1], AHEAD[1:]]),
)
kinds = st.sampled_from([frozenset[str](), frozenset({"repayment", "recovery"})])
classes = st.frozensets(st.sampled_from(AssetClass), max_size=2)
a_rule = st.builds(AllocationRule, orders, kinds, st.sampled_from([0, 0, 31]), classes, st.sampled_from(Advance))
allocation_rules = st.lists(a_rule, max_size=2).map(tuple)
class_bounds = st.sampled_from([ClassBounds(), ClassBounds(special_mention=0, substandard=5, doubtful=30, loss=60, non_accrual=20)])


def tranches_of(draw: st.DrawFn, principal: Decimal, start: date, first_due: date) -> tuple[Tranche, ...]:
    """The principal in two parts, the second before the first due date or on it."""
    first = (principal / draw(st.integers(2, 5))).quantize(CENT)
    second = start + timedelta(days=draw(st.integers(1, (first_due - start).days)))
    count_days = (first_due - start).days
    return (Tranche(start, first), Tranche(second, principal - first)) if count_days > 1 and second < first_due else ()


@st.composite
def grace_terms(draw: st.DrawFn, method: Method, rows: int) -> dict[str, Any]:
    """Grace of principal and of interest, and what becomes of interest that is not asked for: often into the principal."""
    principal = draw(st.integers(0, min(3, rows - 1))) if method in LEVELLED and draw(st.booleans()) else 0
    interest = draw(st.integers(0, min(3, rows - 1))) if draw(st.booleans()) else 0
    fits = method is Method.INTEREST_FIRST or (method in CAPITALISING and principal >= interest)
    into = GraceInterest.CAPITALISED if interest and fits and draw(st.booleans()) else GraceInterest.NEXT
    may_grow = method in CAPITALISING and not principal and not interest
    first = draw(st.sampled_from(FirstInterest if may_grow else [FirstInterest.BLENDED, FirstInterest.ADDED]))
    return {"principal_grace": principal, "interest_grace": interest, "grace_interest": into, "first_interest": first}


CAPITALISING = (Method.EQUAL_INSTALLMENT, Method.EQUAL_PRINCIPAL, Method.BALLOON)


@st.composite
def loan_terms(draw: st.DrawFn, *, most: int = 40) -> LoanTerms:
    method = draw(st.sampled_from(Method))
    count = draw(st.integers(1, most))
    principal = draw(st.integers(10_000, 100_000_000)) * CENT
    start = START + timedelta(days=draw(st.integers(0, 800)))
    first_due = start + timedelta(days=draw(st.integers(1, 70)))
    month_end = draw(st.sampled_from(MonthEnd))
    last_day, stands_in = (first_due + timedelta(days=1)).day == 1, first_due.day == 1 and (first_due - timedelta(days=1)).day < 31
    at_month_end = last_day if month_end is MonthEnd.LAST_DAY else stands_in
    frequency = draw(st.sampled_from([Frequency.MONTH, Frequency.MONTH, Frequency.WEEK, Frequency.DAY]))
    rows = 1 if method is Method.BULLET else count
    graces = draw(grace_terms(method, rows))
    even_out = draw(st.booleans()) and graces["first_interest"] is not FirstInterest.CAPITALISED
    weights = [draw(st.integers(0, 50)) for _ in range(count - 1)] if method in (Method.CUSTOM, Method.STEP) else []
    shares = [(Decimal(weight) / Decimal(50 * count)).quantize(Decimal("1E-18")) for weight in weights]
    return LoanTerms(
        principal=principal,
        annual_rate=Decimal(draw(st.integers(0, 2400))) / 10_000,
        installments=count,
        method=method,
        day_count=draw(st.sampled_from(DayCount)),
        start=start,
        first_due=first_due,
        due_day=31 if at_month_end and frequency is Frequency.MONTH and draw(st.booleans()) else None,
        frequency=frequency,
        every=draw(st.integers(1, 3)) if frequency is not Frequency.DAY else draw(st.integers(5, 40)),
        balloon=(principal / draw(st.integers(2, 10))).quantize(CENT) if method is Method.BALLOON else ZERO,
        shares=(*shares, 1 - sum(shares, start=Decimal(0))) if method in (Method.CUSTOM, Method.STEP) else (),
        multiple=draw(st.sampled_from([CENT, CENT, Decimal("0.1"), Decimal(1)])),
        rounding=draw(st.sampled_from(Rounding)),
        even_out=even_out,
        month_end=month_end,
        **graces,
        interest_free=draw(st.integers(0, min(3, rows))) if draw(st.booleans()) else 0,
        fees=draw(fee_lists),
        allocation_rules=draw(allocation_rules),
        class_bounds=draw(class_bounds),
        tranches=tranches_of(draw, principal, start, first_due) if draw(st.integers(0, 4)) == 0 else (),
        grace_days=draw(st.sampled_from([0, 0, 3, 10])),
        compound=draw(st.booleans()),
        prepay_fee_rate=draw(st.sampled_from([Decimal(0), Decimal("0.03")])),
        prepay_fee_floor=draw(st.sampled_from([ZERO, Decimal("50.00")])),
        prepay_fee_free_after=draw(st.sampled_from([None, 6])),
        waterfall=tuple(draw(st.permutations(COMPONENTS))) if draw(st.booleans()) else COMPONENTS,
        allocation=draw(st.sampled_from(AllocationOrder)),
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[LoanTerms, list[Transaction], date]:
    """Terms, a history with instalments paid more or less on time and much else besides, and a day to look at it."""
    terms = draw(loan_terms(most=9))
    rows = build_schedule(terms).rows
    last = (rows[-1].due_date - terms.start).days + 60
    transactions: list[Transaction] = []

    def add(kind: Kind, when: date, **more: Any) -> None:
        transactions.append(Transaction(id=f"t{len(transactions)}", kind=kind, value_date=when, **more))

    for row in rows[: draw(st.integers(0, len(rows)))]:
        late = draw(st.sampled_from([0, 0, 0, -4, 2, 12, 45]))
        short = draw(st.sampled_from([1, 1, 1, 2]))
        add(Kind.REPAYMENT, max(row.due_date + timedelta(days=late), terms.start), amount=max(row.total / short, CENT).quantize(CENT))
    for _ in range(draw(st.integers(0, 5))):
        when = terms.start + timedelta(days=draw(st.integers(0, last)))
        kind = draw(st.sampled_from(EXTRA))
        if not is_refused(kind, terms):
            add(kind, when, **draw(details(kind, terms, when, transactions)))
    for target in list(transactions):
        if draw(st.integers(0, 9)) == 0:
            add(Kind.REVERSAL, target.value_date + timedelta(days=draw(st.integers(0, 20))), reverses=target.id)
    return terms, transactions, terms.start + timedelta(days=draw(st.integers(0, last + 30)))


EXTRA = (*(kind for kind in Kind if kind not in (Kind.DISBURSEMENT, Kind.REVERSAL)), Kind.PREPAYMENT, Kind.PREPAYMENT)


def is_refused(kind: Kind, terms: LoanTerms) -> bool:
    """Whether the kind can never go with these terms."""
    if kind in CHANGES_OF_TERM:
        return terms.method in (Method.CUSTOM, Method.STEP)
    if kind is Kind.DUE_DAY_CHANGE:
        return terms.frequency is not Frequency.MONTH
    return kind is Kind.RE_AGE and terms.method is Method.BULLET


def details(kind: Kind, terms: LoanTerms, when: date, before: list[Transaction]) -> st.SearchStrategy[dict[str, Any]]:
    some = st.one_of(cents, st.integers(1, 120).map(lambda part: (terms.principal * part / 100).quantize(CENT)))
    by_kind: dict[Kind, dict[str, st.SearchStrategy[Any]]] = {
        Kind.PREPAYMENT: {"amount": some, "mode": st.sampled_from(PrepaymentMode)},
        Kind.RATE_RESET: {"annual_rate": st.integers(0, 2400).map(lambda rate: Decimal(rate) / 10_000)},
        Kind.DUE_DAY_CHANGE: {"due_day": st.integers(1, 31)},
        Kind.INTEREST_PAUSE: {"until": st.integers(1, 100).map(lambda days: when + timedelta(days=days))},
        Kind.ADJUSTMENT: {"components": st.dictionaries(st.sampled_from(COMPONENTS), st.one_of(some, some.map(lambda a: -a)), min_size=1)},
        Kind.CHARGEBACK: {"amount": some, "reverses": st.sampled_from([None, *(item.id for item in before)])},
        Kind.OWNER_TRANSFER: {"owner_ref": st.sampled_from(["", "abs-1"])},
    }
    by_kind |= {kind: {"installments": st.integers(1, 20)} for kind in CHANGES_OF_TERM}
    by_kind |= {kind: {} for kind in (Kind.WRITE_OFF, Kind.TERMINATION, Kind.RE_AMORTISE)}
    by_kind[Kind.RE_AGE] = {} if terms.shares else {"installments": st.one_of(st.none(), st.integers(1, 20))}
    return st.fixed_dictionaries(by_kind.get(kind, {"amount": some}))


@CHEAP
@given(loan_terms())
def test_principal_adds_up_and_no_balance_is_ever_negative(terms: LoanTerms) -> None:
    schedule = build_schedule(terms)
    rows, grown = schedule.rows, schedule.capitalised

    assert sum(row.principal for row in rows) == terms.principal + sum(grown)
    assert all(amount >= 0 for amount in grown)
    balance = terms.principal
    for place, row in enumerate(rows):
        balance += (grown[place] if place < len(grown) else 0) - row.principal
        assert row.balance == balance >= 0
        assert row.principal >= 0
        assert row.interest >= 0
        assert row.total == row.principal + row.interest
        assert row.days > 0
    assert balance == 0
    if terms.method is Method.EQUAL_INSTALLMENT:
        special = 1 if terms.first_interest is FirstInterest.ADDED else 0
        special = max(special, len(grown))
        plain = rows[terms.interest_grace + 1 if terms.interest_grace else special :]
        level = {row.total for row in plain[:-1] if row.principal and row.balance}
        assert len(level) <= 1


@CHEAP
@given(loan_terms())
def test_the_disclosed_rate_is_the_internal_rate_of_return(terms: LoanTerms) -> None:
    totals = [row.total for row in build_schedule(terms).rows]

    ours = periodic_irr(terms.principal, totals)

    worth = sum(float(total) / (1 + ours) ** no for no, total in enumerate(totals, start=1))
    assert worth == pytest.approx(float(terms.principal), rel=1e-9)
    theirs = pyxirr.irr([-float(terms.principal), *map(float, totals)])
    if theirs is not None:
        assert ours == pytest.approx(theirs, abs=1e-7)


@CHEAP
@given(histories(), st.randoms(use_true_random=False))
def test_any_booking_order_gives_the_same_state(story: tuple[LoanTerms, list[Transaction], date], random: Any) -> None:
    terms, transactions, as_of = story
    shuffled = transactions[:]
    random.shuffle(shuffled)

    assert replay(terms, [*shuffled, *transactions[:3]], as_of) == replay(terms, transactions, as_of)


def bare(state: LoanState) -> dict[str, Any]:
    """The public state without the transactions that never happened."""
    answer = state_to_json(state)
    kept = [item for item in answer["transactions"] if item["kind"] != "reversal" and item["reversed_by"] is None]
    return answer | {"transactions": kept}


@CHEAP
@given(histories(), st.data())
def test_a_reversed_transaction_never_happened(story: tuple[LoanTerms, list[Transaction], date], data: st.DataObject) -> None:
    terms, transactions, as_of = story
    plain = [item for item in transactions if item.kind is not Kind.REVERSAL]
    if not plain:
        return
    target = data.draw(st.sampled_from(plain))
    when = target.value_date + timedelta(days=data.draw(st.integers(0, 30)))
    as_of = max(as_of, when)
    reversal = Transaction(id="z", kind=Kind.REVERSAL, value_date=when, reverses=target.id)

    without = [item for item in plain if item is not target]

    assert bare(replay(terms, [*plain, reversal], as_of)) == bare(replay(terms, without, as_of))
    back = Transaction(id="zz", kind=Kind.REVERSAL, value_date=when, reverses="z")
    assert bare(replay(terms, [*plain, reversal, back], as_of)) == bare(replay(terms, plain, as_of))


@CHEAP
@given(histories())
def test_paying_the_payoff_settles_the_loan_with_zero_everywhere(story: tuple[LoanTerms, list[Transaction], date]) -> None:
    terms, transactions, as_of = story
    known = [item for item in transactions if item.value_date <= as_of]
    if any(item.value_date == as_of and item.kind in LATER_ON_THE_DAY for item in known):
        return
    before = replay(terms, known, as_of)
    settlement = Transaction(id="zzz", kind=Kind.EARLY_SETTLEMENT, value_date=as_of, amount=before.payoff.total)

    after = replay(terms, [*known, settlement], as_of)

    assert after.status is LoanStatus.SETTLED
    assert not any(after.outstanding.values())
    assert after.accrued_interest == after.payoff.total == 0
    assert after.dpd == 0
    assert all(row.status is RowStatus.PAID for row in after.rows)
    assert after.credit == max(before.credit - _claims(before), ZERO)


LATER_ON_THE_DAY = (Kind.REFUND, Kind.CHARGEBACK, Kind.WRITE_OFF, Kind.RECOVERY, Kind.TERMINATION)


def _claims(state: LoanState) -> Decimal:
    payoff = state.payoff
    return payoff.due_total + payoff.interest + payoff.fee + payoff.principal


@CHEAP
@given(histories())
def test_every_cent_is_accounted_for(story: tuple[LoanTerms, list[Transaction], date]) -> None:
    terms, transactions, as_of = story
    state = replay(terms, transactions, as_of)
    alive = [told for told in state.transactions if told.reversed_by is None]
    kinds = {told.transaction.id: told.transaction.kind for told in state.transactions}

    def moved(component: Component, *wanted: Kind) -> Decimal:
        parts = (part.amount for part in state.allocations if part.component is component and kinds[part.transaction_id] in wanted)
        return sum(parts, start=ZERO)

    def brought(*wanted: Kind) -> Decimal:
        return sum((told.transaction.amount or ZERO for told in alive if told.transaction.kind in wanted), start=ZERO)

    settling = (*MONEY_IN, Kind.CHARGEBACK, Kind.WAIVER)
    used = sum((moved(component, *MONEY_IN, Kind.CHARGEBACK) for component in COMPONENTS), start=ZERO)
    assert brought(*MONEY_IN) - brought(Kind.CHARGEBACK) == used + state.credit + brought(Kind.REFUND)

    outstanding = state.outstanding
    charged = state.fees_charged + moved(Component.FEE, Kind.FEE, Kind.ADJUSTMENT) + fees_ahead(state)
    assert outstanding[Component.FEE] == charged - moved(Component.FEE, *settling)
    paid_out = moved(Component.PRINCIPAL, Kind.DISBURSEMENT) if terms.tranches else terms.principal
    lent = paid_out + moved(Component.PRINCIPAL, Kind.ADJUSTMENT, Kind.CAPITALISED_INCOME) + state.capitalised
    assert outstanding[Component.PRINCIPAL] == lent - moved(Component.PRINCIPAL, *settling)
    planned = sum((row.installment.capitalised for row in state.rows), start=ZERO)
    assert planned >= state.capitalised
    assert sum((row.installment.principal for row in state.rows), start=ZERO) + ahead(state) == lent - state.capitalised + planned
    interest = state.interest_accrued_to(as_of)
    settled = moved(Component.INTEREST, *settling) + state.capitalised
    assert interest == settled + outstanding[Component.INTEREST] + state.accrued_interest
    assert state.penalty_accrued_to(as_of) == moved(Component.PENALTY, *settling) + outstanding[Component.PENALTY]
    assert state.compound_accrued_to(as_of) == moved(Component.COMPOUND, *settling) + outstanding[Component.COMPOUND]
    assert all(amount >= 0 for amount in outstanding.values())
    assert all(amount >= 0 for row in state.rows for amount in (row.installment.principal, row.installment.interest, *row.owed.values()))
    assert all(part.amount > 0 for part in state.allocations if kinds[part.transaction_id] not in SIGNED)
    assert all(not any(told.allocated.values()) for told in state.transactions if told.reversed_by)


SIGNED = (Kind.CHARGEBACK, Kind.ADJUSTMENT)


def fees_ahead(state: LoanState) -> Decimal:
    """Fees of prepayments, charged as they were paid."""
    parts = (part.amount for part in state.allocations if part.component is Component.FEE and part.ahead and part.amount > 0)
    return sum(parts, start=ZERO)


def ahead(state: LoanState) -> Decimal:
    """Principal paid apart from the rows of the plan."""
    parts = (part.amount for part in state.allocations if part.component is Component.PRINCIPAL and part.ahead)
    return sum(parts, start=ZERO)


@CHEAP
@given(histories(), st.integers(1, 70))
def test_interest_and_penalty_accrue_and_never_run_back(story: tuple[LoanTerms, list[Transaction], date], days: int) -> None:
    terms, transactions, as_of = story
    state = replay(terms, transactions, as_of)
    later = as_of + timedelta(days=days)

    for to in (state.interest_accrued_to, state.penalty_accrued_to, state.compound_accrued_to):
        assert to(as_of) <= to(as_of + timedelta(days=1)) <= to(later + timedelta(days=1))
    planned = any(as_of < tranche.on <= later for tranche in terms.tranches)
    if not planned and not any(as_of < item.value_date <= later for item in transactions):
        assert replay(terms, transactions, later).interest_accrued_to(later) == state.interest_accrued_to(later)


@CHEAP
@given(st.integers(0, 10**12), st.lists(st.integers(0, 10_000), min_size=1, max_size=5))
def test_parts_add_up_to_the_whole(count: int, parts: list[int]) -> None:
    if not sum(parts):
        parts[0] = 1
    amount = count * CENT

    shares = allocate(amount, parts)

    assert sum(shares) == amount
    assert all(share >= 0 for share in shares)
    for share, part in zip(shares[1:], parts[1:], strict=True):
        assert abs(share - amount * part / sum(parts)) <= CENT * 2


@st.composite
def funder_lists(draw: st.DrawFn) -> list[Funder]:
    cuts = sorted(draw(st.sets(st.integers(1, SHARES_WHOLE - 1), max_size=4)))
    edges = [0, *cuts, SHARES_WHOLE]
    return [Funder(f"p{index}", high - low) for index, (low, high) in enumerate(pairwise(edges))]


@CHEAP
@given(funder_lists(), st.lists(cents, min_size=1, max_size=30))
def test_flows_split_by_share_add_up_per_flow_and_per_party(funders: list[Funder], flows: list[Decimal]) -> None:
    totals = dict.fromkeys((funder.party_ref for funder in funders), ZERO)
    before = ZERO
    for flow in flows:
        parts = split_flow(before, flow, funders)
        assert sum(parts.values()) == flow
        before += flow
        for party_ref, part in parts.items():
            totals[party_ref] += part

    assert totals == split_flow(ZERO, before, funders)


@CHEAP
@given(
    st.dictionaries(
        st.sampled_from(["principal", "installments", "first_due", "due_day", "method", "x"]),
        st.none() | st.text() | st.integers() | st.floats(),
    )
)
def test_bad_requests_are_refused_by_name_never_by_a_crash(changes: dict[str, Any]) -> None:
    with suppress(BadTerms):
        quote_from_json(CAR_LOAN | changes)


@CHEAP
@given(loan_terms())
def test_terms_written_out_and_read_back_are_the_same(terms: LoanTerms) -> None:
    written = terms_to_json(terms)

    assert parse_terms(json.loads(json.dumps(written))) == terms
    assert written.keys() == _TERMS_KEYS.keys()


ODD_TEXTS = [
    "",
    "-1",
    "0",
    "1",
    "12.5",
    "NaN",
    "sNaN",
    "Infinity",
    "1e9",
    "0.0000000000001",
    "10000000000.01",
    "2025-02-29",
    "2025-02-20",
    "x",
]
odd_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5000) | st.floats() | st.sampled_from(ODD_TEXTS) | st.decimals(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "on", "amount", "order", "fee", "principal"]), inner)
    ),
    max_leaves=5,
)
odd_objects = st.dictionaries(st.sampled_from(sorted({*_TERMS_KEYS, *_TRANSACTION_KEYS})), odd_values, max_size=4)


@CHEAP
@given(odd_objects, odd_objects, st.sampled_from(Kind))
def test_bad_loans_are_refused_by_name_never_by_a_crash(terms: dict[str, Any], transaction: dict[str, Any], kind: Kind) -> None:
    known = {"id": "t", "kind": kind.value, "value_date": "2025-03-01", "amount": "5"}
    wrong_terms = {key: value for key, value in terms.items() if key in _TERMS_KEYS}
    wrong = {key: value for key, value in transaction.items() if key in _TRANSACTION_KEYS}
    with suppress(BadTerms):
        replay_from_json({"id": "x", "terms": CAR_LOAN | wrong_terms}, "2025-04-01")
    with suppress(BadTerms):
        replay_from_json({"id": "x", "terms": CAR_LOAN, "transactions": [known | wrong]}, "2025-04-01")
    with suppress(BadTerms):
        replay_from_json(transaction, "2025-04-01")
