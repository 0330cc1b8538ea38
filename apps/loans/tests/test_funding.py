"""Fees between the parties of a shared loan: in pace with principal, to the 分, in the books of the lender when it is one of them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.common.actors import Actor
from apps.common.clock import beijing
from apps.common.errors import NotPermitted
from apps.common.money import CENT, ZERO
from apps.common.scope import DataScope
from apps.ledger.models import JournalEntry
from apps.loans import selectors, services
from apps.loans.domain import BadTerms
from apps.loans.domain.funding import FundingFeeKind, FundingFeeLine
from apps.loans.models import FundingAgreement, FundingFee, FundingFeeTotal
from apps.loans.services.funding import AgreementInUse, agree_funding, funding_fees
from apps.loans.tests.factories import START, SYSTEM, a_lender, a_loan, books, close_through, pay, shared

GUIDE = FundingFeeLine(kind=FundingFeeKind.GUIDE, payer_ref="bank-a", payee_ref="own", basis_ref="bank-a", rate=Decimal("0.02"))
GUARANTEE = FundingFeeLine(kind=FundingFeeKind.GUARANTEE, payer_ref="own", payee_ref="guarantor", rate=Decimal("0.005"))
SERVICE = FundingFeeLine(kind=FundingFeeKind.SERVICE, payer_ref="bank-a", payee_ref="dealer-hub", amount=Decimal("99.99"))
DUE = dt.date(2025, 2, 20)
CHEAP = settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
yuan = st.integers(1, 10**12).map(lambda cents: cents * CENT)


@CHEAP
@given(yuan, st.lists(st.integers(0, 100), max_size=60), st.integers(1, 999_999), st.one_of(st.none(), yuan.filter(lambda a: a <= 10**10)))
def test_a_fee_in_pace_with_principal_adds_up_to_what_was_agreed(
    principal: Decimal, paces: list[int], millionths: int, amount: Decimal | None
) -> None:
    rate = None if amount else Decimal(millionths) / 10**6
    line = FundingFeeLine(kind=FundingFeeKind.GUIDE, payer_ref="a", payee_ref="b", rate=rate, amount=amount)
    repaid, before, paid = ZERO, ZERO, ZERO
    for pace in [*paces, 100]:
        repaid += ((principal - repaid) * pace / 100).quantize(CENT)
        due = line.due(principal, repaid)
        assert due >= before
        assert abs(due - line.agreed(principal) * repaid / principal) <= CENT / 2
        paid, before = paid + due - before, due
    assert paid == line.agreed(principal)


@pytest.mark.parametrize(
    "change",
    [{"rate": None}, {"amount": Decimal(1)}, {"rate": Decimal(0)}, {"rate": Decimal(1)}, {"rate": Decimal("NaN")},
     {"rate": Decimal("-0.1")},
     {"rate": Decimal("0.1234567")}, {"payee_ref": "bank-a"}, {"payer_ref": ""}, {"rate": None, "amount": Decimal("0.001")},
     {"rate": None, "amount": Decimal(0)}, {"rate": None, "amount": Decimal("Infinity")},
     {"rate": None, "amount": Decimal("10000000000.01")}],
)  # fmt: skip
def test_a_fee_that_cannot_be_right_is_refused(change: dict[str, Any]) -> None:
    told: dict[str, Any] = {"kind": FundingFeeKind.GUIDE, "payer_ref": "bank-a", "payee_ref": "own", "rate": Decimal("0.02")}
    with pytest.raises(BadTerms):
        FundingFeeLine(**told | change)


def test_more_principal_cannot_come_back_than_was_lent() -> None:
    with pytest.raises(ValueError, match="repaid"):
        GUIDE.due(Decimal(100), Decimal("100.01"))


def agreed(
    entity: Any, number: str = "FA-1", since: dt.date = START, fees: tuple[FundingFeeLine, ...] = (GUIDE, GUARANTEE, SERVICE)
) -> UUID:
    return agree_funding(
        legal_entity_id=entity.id, party_ref="bank-a", number=number, effective_from=since, fees=fees, actor=SYSTEM, now=beijing(START, 9)
    )


def entries() -> list[tuple[str, dict[str, str]]]:
    """Entries of funding fees: day, and account to debit less credit."""
    found = JournalEntry.objects.filter(event="funding_fee").order_by("business_date")
    return [
        (
            str(entry.business_date),
            {f"{line.account.code} {line.party_ref}": str(line.debit - line.credit) for line in entry.lines.select_related("account")},
        )
        for entry in found
    ]


@pytest.mark.django_db
def test_the_first_instalment_brings_its_part_of_every_fee() -> None:
    entity = a_lender()
    assert agreed(entity) == agreed(entity)
    loan = a_loan(entity, shared(entity))
    close_through(entity, DUE - dt.timedelta(days=1))
    assert entries() == []
    pay(loan, "5596.86", DUE)
    close_through(entity, DUE)

    # 84,000.00 x 2 % x 2,898.76 / 84,000.00 = 57.98, tax 3.28; 120,000.00 x 0.5 % x 4,141.08 / 120,000.00 = 20.71.
    assert entries() == [
        ("2025-02-20", {"224101 bank-a": "57.98", "6051 bank-a": "-54.70", "222102 bank-a": "-3.28",
                        "6421 guarantor": "20.71", "224101 guarantor": "-20.71"}),
    ]  # fmt: skip
    told = selectors.statement_for(loan, DUE, DUE)
    fees = [(fee.line.kind.value, str(fee.agreed), str(fee.opening), str(fee.closing)) for fee in selectors.fees_between_parties(told)]
    assert fees == [
        ("guide", "1680.00", "0.00", "57.98"), ("guarantee", "600.00", "0.00", "20.71"), ("service", "99.99", "0.00", "3.45"),
    ]  # fmt: skip
    assert set(FundingFeeTotal.objects.values_list("booked", flat=True)) == {Decimal("57.98"), Decimal("20.71"), Decimal("3.45")}


@pytest.mark.django_db
def test_a_reversed_payment_takes_its_fees_back_and_a_settled_loan_has_paid_them_whole() -> None:
    entity = a_lender()
    agreed(entity)
    loan = a_loan(entity, shared(entity))
    close_through(entity, DUE - dt.timedelta(days=1))
    paid = pay(loan, "5596.86", DUE)
    close_through(entity, DUE)
    now = beijing(dt.date(2025, 2, 21), 10)
    services.reverse_transaction(loan_id=loan.id, transaction_id=paid.id, reason="bounced", reference="r", actor=SYSTEM, now=now)
    close_through(entity, dt.date(2025, 2, 21))
    assert set(FundingFeeTotal.objects.values_list("booked", flat=True)) == {ZERO}
    assert not {"6051", "222102", "6421"} & set(books(entity))
    quote = services.payoff_quote(loan_id=loan.id, on=dt.date(2025, 2, 22))
    services.settle_early(
        loan_id=loan.id,
        value_date=dt.date(2025, 2, 22),
        amount=quote.total,
        reference="s",
        actor=SYSTEM,
        now=beijing(dt.date(2025, 2, 22), 10),
    )
    close_through(entity, dt.date(2025, 2, 22))
    totals = dict(FundingFeeTotal.objects.values_list("fee__kind", "booked"))
    assert totals == {"guide": Decimal("1680.00"), "guarantee": Decimal("600.00"), "service": Decimal("99.99")}
    assert books(entity)["6051"] + books(entity)["222102"] == Decimal("1680.00")
    assert books(entity)["6421"] == Decimal("600.00")


@pytest.mark.django_db
def test_the_step_again_moves_nothing() -> None:
    entity = a_lender()
    agreed(entity)
    loan = a_loan(entity, shared(entity))
    close_through(entity, DUE - dt.timedelta(days=1))
    pay(loan, "5596.86", DUE)
    first = funding_fees(entity_id=entity.id, day=DUE, partition={}, now=beijing(DUE, 23))
    again = funding_fees(entity_id=entity.id, day=DUE, partition={}, now=beijing(DUE, 23))
    assert (first.done, again.done, len(entries())) == (3, 0, 1)


@pytest.mark.django_db
def test_a_newer_agreement_holds_for_loans_opened_from_its_day_on() -> None:
    entity = a_lender()
    agreed(entity, fees=(GUIDE,))
    old = a_loan(entity, shared(entity))
    with pytest.raises(AgreementInUse):
        agreed(entity, "FA-2", START)
    agreed(entity, "FA-2", dt.date(2025, 1, 11), (SERVICE,))
    told = selectors.fees_between_parties(selectors.statement_for(old, START, START))
    assert [(fee.agreement, fee.line.kind.value) for fee in told] == [("FA-1", "guide")]
    with pytest.raises(NotPermitted):
        agree_funding(
            legal_entity_id=entity.id, party_ref="bank-a", number="FA-3", effective_from=dt.date(2026, 1, 1), fees=(GUIDE,),
            actor=Actor("staff", "nobody"), now=beijing(START, 9),
        )  # fmt: skip
    assert FundingFee.objects.count() == 2


@pytest.mark.django_db
def test_another_lender_s_staff_see_no_agreement_and_no_fee() -> None:
    entity, other = a_lender(), a_lender()
    agreed(entity)
    loan = a_loan(entity, shared(entity))
    pay(loan, "5596.86", START)
    funding_fees(entity_id=entity.id, day=START, partition={}, now=beijing(START, 23))
    ours, theirs = (DataScope("entity", lender.id) for lender in (entity, other))
    FundingFeeTotal.objects.bulk_create(
        [FundingFeeTotal(loan=loan, fee=fee, booked=1) for fee in FundingFee.objects.all()], ignore_conflicts=True
    )
    for model in (FundingAgreement, FundingFee, FundingFeeTotal):
        assert model.objects.within(ours).exists()
        assert not model.objects.within(theirs).exists()
