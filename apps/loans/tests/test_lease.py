"""Vehicle leases, worked out by hand in docs/rules/vehicle-lease.md."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import connection

from apps.common import approvals, clock, outbox
from apps.common.actors import Actor
from apps.common.clock import beijing
from apps.common.errors import BadInput, CarloanError
from apps.ledger import services as ledger_services
from apps.loans import selectors, services
from apps.loans.domain import build_schedule
from apps.loans.domain.lease import CarReturn, deposit_for_due, settle_return
from apps.loans.domain.parsing import parse_terms
from apps.loans.domain.terms import Funder
from apps.loans.models import Lease, Loan, LoanAmount, LoanRun, LoanTransaction, Pledge
from apps.loans.services.lease import deposit_held
from apps.loans.tests.factories import START, SYSTEM, a_lender, a_loan, assert_sound, books, business_day, close_through, pay
from apps.loans.tests.test_sums import LONG as MANY
from apps.loans.tests.test_sums import _pay_some, random_terms
from apps.organisations.tests.factories import UserFactory

pytestmark = pytest.mark.django_db
D = Decimal
ONE_DAY = dt.timedelta(days=1)
# 120,000.00 at 12 %, principal 40,000.00 a month: interest 1,200.00, 800.00, 400.00.
TERMS = parse_terms(
    {
        "principal": "120000.00",
        "annual_rate": "12",
        "installments": 3,
        "method": "equal_principal",
        "day_count": "30/360",
        "start": "2025-01-10",
        "first_due": "2025-02-10",
    }
)
DUE_1 = dt.date(2025, 2, 10)
RETURNED = dt.date(2025, 2, 25)
# The lease of docs/rules/plans.md: 36 instalments of 3,917.29, the last of 3,917.30, interest 21,022.45.
LONG = parse_terms(
    {
        "principal": "120000.00",
        "annual_rate": "10.8",
        "installments": 36,
        "method": "equal_installment",
        "day_count": "30/360",
        "start": "2022-03-10",
        "first_due": "2022-04-10",
    }
)


def a_lease(entity, terms=TERMS, **agreed):
    """A direct lease of a car, booked as a finance lease."""
    loan = a_loan(entity, terms, vat_parameter="vat.direct_lease", is_lease=True)
    on = max(business_day(entity.id), loan.opened_on)
    facts = services.LeaseTerms(**{"kind": "direct", "vehicle_price": D("130000.00"), **agreed})
    services.agree_lease(loan_id=loan.id, terms=facts, actor=SYSTEM, now=beijing(on, 11))
    services.identify_car(loan_id=loan.id, vehicle="LSVAA4182E2184847", on=on, actor=SYSTEM, now=beijing(on, 11))
    return loan


def do(loan, operation, **data):
    """Proposed by one, approved by another."""
    entity = loan.legal_entity
    now = beijing(business_day(entity.id), 15)
    clock.move_to(now)
    staff = [Actor.of(UserFactory(legal_entity=entity, roles=[role])) for role in ("finance", "entity_admin")]
    data.setdefault("value_date", str(business_day(entity.id)))
    change = services.propose_operation(operation=operation, loan_id=loan.id, data=data, reason="as agreed", actor=staff[0], now=now)
    done = approvals.approve(request_id=change.id, actor=staff[1], now=now)
    assert done.state == "executed", done.error
    assert [entry["lines"] for entry in done.preview["journal"]] == [entry["lines"] for entry in done.result["journal"]]
    return {
        entry["event"]: {line["account"]: D(line["debit"] or 0) - D(line["credit"] or 0) for line in entry["lines"]}
        for entry in done.result["journal"]
    }


def refused(loan, operation, **data):
    """The code with which an operation is refused."""
    try:
        do(loan, operation, **data)
    except CarloanError as problem:
        return problem.code
    return None


def lease_of(loan):
    return Lease.objects.get(loan=loan)


# -- sums -----------------------------------------------------------------------------------------------------------


def test_a_deposit_pays_the_last_instalments_first():
    last, other = D("3917.30"), D("3917.29")
    assert deposit_for_due(held=D("8000.00"), due=other, falling_due=other, coming=other + last) == D("0.00"), "165.41 pay no instalment"
    assert deposit_for_due(held=D("8000.00"), due=other, falling_due=other, coming=last) == other
    assert deposit_for_due(held=D("4082.71"), due=last, falling_due=last, coming=D("0.00")) == last
    assert deposit_for_due(held=D("8000.00"), due=other * 2, falling_due=other, coming=last) == D("4082.70"), "one before it is late"


def test_a_returned_car_pays_before_the_deposit():
    assert settle_return(claim=D(100), car_value=D(70), deposit=D(50)) == CarReturn(D(70), D(30), D(0))
    assert settle_return(claim=D(100), car_value=D(120), deposit=D(50)) == CarReturn(D(100), D(0), D(20))
    assert settle_return(claim=D(100), car_value=D(40), deposit=D(50)) == CarReturn(D(40), D(50), D(0))


def test_the_sum_of_penalties_follows_the_rules_of_leases():
    """A rule of party `lease` for penalty takes the share of leases out of the sum of the day, and nothing of other loans."""
    entity = a_lender()
    rules = [
        {"event": "penalty", "component": component, "party": "lease", "debit": "113202", "credit": credit}
        for component, credit in (("penalty", "601104"), ("penalty_vat", "222101"))
    ]
    ledger_services.install_rules(
        legal_entity_id=entity.id, version=2, effective_from=START, rules=rules, actor=SYSTEM, now=beijing(START, 9)
    )
    leased, lent = a_lease(entity), a_loan(entity, TERMS)
    close_through(entity, DUE_1 + 9 * ONE_DAY)
    assert LoanRun.objects.filter(loan__in=[leased, lent], is_plain=True).count() == 2
    earned = {loan: LoanAmount.objects.get(loan=loan, event="penalty", component="penalty", party_ref="").booked for loan in (leased, lent)}
    held = books(entity)
    assert earned[leased] > 0
    assert (held["601104"], held["601102"]) == (earned[leased], earned[lent])


# -- the books ------------------------------------------------------------------------------------------------------


def test_a_direct_lease_stands_as_lease_receivable_and_unearned_income():
    entity = a_lender()
    loan = a_lease(entity)
    found = books(entity)
    assert (found["153101"], found["1532"]) == (D("122400.00"), D("2400.00"))
    assert "130301" not in found
    assert_sound(entity)
    close_through(entity, START)
    found = books(entity)  # 120,000.00 x 12 % / 360 = 40.00, with 13 % in it 4.60
    assert (found["1532"], found["601101"], found["222101"]) == (D("2360.00"), D("35.40"), D("4.60"))
    assert "113201" not in found
    assert_sound(entity)
    close_through(entity, DUE_1 - ONE_DAY)
    pay(loan, "41200.00", DUE_1)
    found = books(entity)  # interest 1,200.00: 138.05 of tax
    assert (found["153101"], found["1532"], found["601101"], found["222101"]) == (D("81200.00"), D("1200.00"), D("1061.95"), D("138.05"))
    assert LoanRun.objects.get(loan=loan).is_plain, "it goes on by itself in the sums of the end of day"
    assert_sound(entity)


def test_a_prepayment_releases_what_will_not_be_earned_and_its_reversal_brings_it_back():
    entity = a_lender()
    loan = a_lease(entity)
    close_through(entity, DUE_1 - ONE_DAY)
    pay(loan, "41200.00", DUE_1)
    before = books(entity)
    done = services.prepay(
        loan_id=loan.id, amount=D("40000.00"), mode="reduce", value_date=DUE_1, reference="pre", actor=SYSTEM, now=beijing(DUE_1, 12)
    )
    found = books(entity)  # 40,000.00 left: 400.00 and 200.00 of interest
    assert (found["153101"], found["1532"]) == (D("40600.00"), D("600.00"))
    assert_sound(entity)
    services.reverse_transaction(
        loan_id=loan.id, transaction_id=done.id, reason="bounced", reference="undo", actor=SYSTEM, now=beijing(DUE_1, 13)
    )
    assert books(entity) == before
    assert_sound(entity)


def test_a_settled_lease_leaves_nothing_and_a_cancelled_one_never_was():
    entity = a_lender()
    first, second = a_lease(entity), a_loan(entity, TERMS, vat_parameter="vat.direct_lease", is_lease=True)
    close_through(entity, START + dt.timedelta(days=4))
    day = business_day(entity.id)
    services.settle_early(
        loan_id=first.id, value_date=day, amount=D("120200.00"), reference="all", actor=SYSTEM, now=beijing(day, 12)
    )  # five days of 40.00
    paid_out = LoanTransaction.objects.get(loan=second, kind="disbursement")
    services.reverse_transaction(
        loan_id=second.id, transaction_id=paid_out.id, reason="not delivered", reference="undo", actor=SYSTEM, now=beijing(day, 13)
    )
    found = books(entity)
    assert not {"153101", "1532"} & set(found)
    assert (found["601101"], found["222101"]) == (D("176.99"), D("23.01"))
    assert_sound(entity)


def test_a_lease_90_days_late_stops_earning_and_is_written_off():
    entity = a_lender()
    loan = a_lease(entity)
    close_through(entity, dt.date(2025, 5, 13))  # 93 days past due
    found = books(entity)
    assert found["153103"] == D("120000.00"), "principal of a non-accrual lease"
    assert found["153103"] + found.get("153101", D(0)) - found["1532"] == D("120000.00"), "nothing earned is left in it"
    assert "601101" not in found
    assert found["9002"] > D("2400.00"), "the interest of the whole plan and the penalty"
    assert_sound(entity)
    journal = do(loan, "write_off")
    assert journal["write_off"] == {"1304": D("120000.00"), "153101": D("-120000.00"), "9003": D("120000.00"), "9099": D("-120000.00")}
    assert not {"153101", "153102", "153103", "1532"} & set(books(entity))
    assert_sound(entity)
    do(loan, "recovery", amount="50000.00", means="cash")
    assert not {"153101", "153102", "153103", "1532"} & set(books(entity))
    assert_sound(entity)


def test_a_partner_s_part_of_a_lease_never_touches_the_lease_accounts():
    entity = a_lender()
    terms = replace(TERMS, funders=(Funder(str(entity.id), 3000), Funder("bank-a", 7000)))
    loan = a_lease(entity, terms)
    found = books(entity)
    assert (found["153101"], found["1532"], found["9004"]) == (D("36720.00"), D("720.00"), D("84000.00"))
    close_through(entity, DUE_1 - ONE_DAY)
    pay(loan, "41200.00", DUE_1)
    found = books(entity)
    assert (found["153101"], found["1532"]) == (D("24360.00"), D("360.00"))
    assert_sound(entity)


@pytest.mark.parametrize("seed", range(4 if MANY else 1))
def test_leases_by_sums_are_those_of_the_replay(seed):
    """Leases and loans of all kinds side by side, paid on time, late, in part, in advance or never."""
    dice = random.Random(seed + 100)
    entity = a_lender()
    loans = [a_loan(entity, random_terms(dice, start=START, most=12), is_lease=dice.random() < 0.6) for _ in range(16)]
    a_loan(entity, replace(TERMS, first_due=dt.date(2025, 1, 12), due_day=None), is_lease=True)  # never paid: non-accrual
    habits = {loan.id: dice.choice(["on time", "late", "part", "advance", "never"]) for loan in loans}
    day = START
    for _stretch in range(4):
        for _ in range(28):
            close_through(entity, day)
            day += ONE_DAY
            _pay_some(dice, loans, habits, day)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE loans_loan, loans_loanrun, loans_loanbalance, loans_instalment, loans_loanamount")
        assert_sound(entity)
    assert LoanRun.objects.filter(is_lease=True, is_plain=True).count() > 5
    assert LoanRun.objects.filter(is_lease=True, is_suspended=True).exists()
    for loan in Loan.objects.filter(id__in=[loan.id for loan in loans], state__in=["overdue", "terminated"])[:4]:
        services.record_change(
            loan_id=loan.id, kind="write_off", value_date=day, reference="wo", reason="lost", actor=SYSTEM, now=beijing(day, 12)
        )
    assert_sound(entity)


# -- stories --------------------------------------------------------------------------------------------------------


def test_a_direct_lease_to_its_end_with_the_deposit_offset_and_the_car_bought():
    first_day = dt.date(2025, 2, 5)
    entity = a_lender(first_day=first_day)
    loan = a_lease(entity, LONG, deposit=D("8000.00"), offsets_deposit=True, purchase_price=D("1130.00"))
    assert do(loan, "lease_deposit", amount="8000.00", means="cash")["deposit_received"] == {"1012": D("8000.00"), "224104": D("-8000.00")}
    for row in build_schedule(LONG).rows[:34]:
        pay(loan, "3917.29", row.due_date)
    assert selectors.amount_due(loan.id, first_day).total == D("0.00")

    close_through(entity, dt.date(2025, 2, 9))
    assert deposit_held(loan) == D("4082.71"), "the 35th instalment of 3,917.29 was paid from the deposit on its due day"
    assert selectors.amount_due(loan.id, dt.date(2025, 2, 10)).total == D("0.00")
    assert refused(loan, "lease_purchase", means="cash") == "lease_still_owed"
    assert refused(loan, "lease_refund", amount="1.00", means="cash") == "lease_deposit_secures"
    assert_sound(entity)

    close_through(entity, dt.date(2025, 3, 9))
    assert Loan.objects.get(id=loan.id).state == "settled", "the last one of 3,917.30, too"
    assert deposit_held(loan) == D("165.41")
    assert_sound(entity)

    journal = do(loan, "lease_purchase", means="cash", registration="京A-2025-0310")
    assert journal["lease_purchase"] == {"1012": D("1130.00"), "6301": D("-1000.00"), "222103": D("-130.00")}
    assert (lease_of(loan).state, lease_of(loan).is_customers, lease_of(loan).registration) == ("purchased", True, "京A-2025-0310")
    journal = do(loan, "lease_refund", amount="165.41", means="cash")
    assert journal["deposit_refunded"] == {"224104": D("165.41"), "1012": D("-165.41")}

    found = books(entity)
    assert not {"153101", "1532", "224104"} & set(found)
    assert found["601101"] + found["222101"] == D("21022.45"), "interest of 36 instalments"
    assert found["222101"] == D("2418.51"), "13 % in it"
    assert found["1001"] == D("8000.00") + D("1130.00") - D("165.41")
    assert refused(loan, "lease_return", condition="none") == "lease_ended"
    assert_sound(entity)


@pytest.mark.parametrize(
    ("car_value", "by_car", "left", "shortfall", "state"),
    [
        ("75000.00", "75000.00", "2340.00", "0.00", "settled"),
        ("90000.00", "82660.00", "17340.00", "0.00", "settled"),
        ("70000.00", "70000.00", "0.00", "2660.00", "terminated"),
    ],
)
def test_a_car_returned_early_with_damages(car_value, by_car, left, shortfall, state):
    entity = a_lender()
    loan = a_lease(entity, deposit=D("10000.00"))
    do(loan, "lease_deposit", amount="10000.00", means="cash")
    close_through(entity, DUE_1 - ONE_DAY)
    pay(loan, "41200.00", DUE_1)
    close_through(entity, RETURNED - ONE_DAY)
    # 80,000.00, 15 days of interest 400.00, damages 2,260.00: 82,660.00.
    journal = do(loan, "lease_return", car_value=car_value, damages="2260.00", condition="left door dented")
    assert journal["unearned"] == {"153101": D("-800.00"), "1532": D("800.00")}, "interest of the second and third month not run"
    assert journal["fee"] == {"122101": D("2260.00"), "6021": D("-2000.00"), "222101": D("-260.00")}
    assert journal["car_returned"]["1461"] == D(car_value)
    assert -journal["car_returned"]["1012"] == D(by_car)
    assert deposit_held(loan) == D(left)
    assert Loan.objects.get(id=loan.id).state == state
    assert selectors.amount_due(loan.id, RETURNED).total == D(shortfall)
    assert (lease_of(loan).state, lease_of(loan).condition) == ("returned", "left door dented")
    assert_sound(entity)
    if D(shortfall):
        pay(loan, shortfall, RETURNED, "rest")
    if D(left):
        do(loan, "lease_refund", amount=left, means="cash")
    found = books(entity)
    assert not {"153101", "1532", "224104", "122101"} & set(found)
    assert_sound(entity)


def test_what_a_returned_car_paid_is_not_undone_as_money():
    entity = a_lender()
    loan = a_lease(entity)
    do(loan, "lease_return", car_value="120000.00", condition="new")
    paid = LoanTransaction.objects.get(loan=loan, kind="repayment")
    assert refused(loan, "cancel_repayment", transaction=str(paid.id)) == "loan_paid_by_car"
    assert refused(loan, "chargeback", amount="1.00", transaction=str(paid.id)) == "loan_paid_by_car"


def test_damages_undone_leave_the_deposit_where_it_is():
    entity = a_lender()
    loan = a_lease(entity, deposit=D("10000.00"))
    do(loan, "lease_deposit", amount="10000.00", means="cash")
    do(loan, "lease_return", damages="2260.00", condition="dented")
    paid = LoanTransaction.objects.get(loan=loan, kind="repayment")
    assert refused(loan, "chargeback", amount="1.00", transaction=str(paid.id)) == "loan_not_by_bank"
    assert (deposit_held(loan), books(entity)["1012"]) == (D("0.00"), D("120000.00"))
    damages = LoanTransaction.objects.get(loan=loan, kind="fee")
    assert "deposit_received" not in do(loan, "cancel_change", transaction=str(damages.id))
    assert (deposit_held(loan), books(entity)["1012"]) == (D("0.00"), D("120000.00")), "it paid 10,000.00 of the rest"
    assert_sound(entity)
    do(loan, "cancel_repayment", transaction=str(paid.id))
    assert deposit_held(loan) == D("10000.00")
    assert_sound(entity)


def test_an_offset_of_the_deposit_is_undone_with_its_repayment():
    entity = a_lender()
    loan = a_lease(entity, deposit=D("10000.00"))
    do(loan, "lease_deposit", amount="10000.00", means="cash")
    close_through(entity, DUE_1 - ONE_DAY)
    assert refused(loan, "lease_offset", amount="10000.01") == "loan_amount_refused"
    before = books(entity)
    do(loan, "lease_offset", amount="10000.00")
    assert deposit_held(loan) == D("0.00")
    paid = LoanTransaction.objects.get(loan=loan, kind="repayment")
    do(loan, "cancel_repayment", transaction=str(paid.id))
    assert (deposit_held(loan), books(entity)) == (D("10000.00"), before)
    assert_sound(entity)


def test_damages_of_a_paid_up_lease_are_kept_from_the_deposit():
    entity = a_lender()
    loan = a_lease(entity, deposit=D("3000.00"))
    do(loan, "lease_deposit", amount="3000.00", means="cash")
    services.settle_early(loan_id=loan.id, value_date=START, amount=D("120000.00"), reference="all", actor=SYSTEM, now=beijing(START, 12))
    assert refused(loan, "lease_return", damages="3000.01", condition="wet") == "loan_amount_refused"
    journal = do(loan, "lease_return", damages="2260.00", condition="wet")
    assert journal["deposit_kept"] == {"224104": D("2260.00"), "6301": D("-2000.00"), "222103": D("-260.00")}
    assert deposit_held(loan) == D("740.00")
    assert_sound(entity)


def test_a_lease_goes_on_over_its_residual_with_its_deposit():
    entity = a_lender()
    loan = a_lease(entity, deposit=D("10000.00"), offsets_deposit=True, purchase_price=D("1130.00"))
    do(loan, "lease_deposit", amount="10000.00", means="cash")
    close_through(entity, DUE_1 - ONE_DAY)
    pay(loan, "41200.00", DUE_1)
    do(loan, "lease_renewal", installments="2", annual_rate="12", method="equal_principal", first_due="2025-03-10")
    assert lease_of(loan).state == "renewed"
    renewed = lease_of(loan).renewed_by
    assert (renewed.principal, renewed.is_lease, renewed.interest_vat_rate) == (D("80000.00"), True, D("0.130000"))
    assert (deposit_held(loan), deposit_held(renewed)) == (D("0.00"), D("10000.00"))
    assert (lease_of(renewed).purchase_price, lease_of(renewed).vehicle) == (D("1130.00"), "LSVAA4182E2184847")
    found = books(entity)  # 80,000.00 at 12 %: 800.00 and 400.00
    assert (found["153101"], found["1532"]) == (D("81200.00"), D("1200.00"))
    assert_sound(entity)


def test_a_leaseback_is_mortgaged_until_it_is_settled():
    clock.move_to(beijing(START, 10))
    entity = a_lender()
    loan = a_loan(entity, vat_parameter="vat.leaseback")
    terms = services.LeaseTerms(kind="leaseback", vehicle_name="秦 PLUS", vehicle_price=D("200000.00"), down_payment=D("80000.00"))
    for _ in range(2):
        services.agree_lease(loan_id=loan.id, terms=terms, actor=SYSTEM, now=beijing(START, 11))
        services.identify_car(loan_id=loan.id, vehicle="LSVAA4182E2184848", on=START, actor=SYSTEM, now=beijing(START, 11))
    assert selectors.security_of(loan.id, START).loan_to_value == D("0.6000")
    assert (books(entity)["130301"], lease_of(loan).is_customers) == (D("120000.00"), True)
    assert refused(loan, "lease_purchase", means="cash") == "lease_without_option"
    assert refused(loan, "lease_return", condition="good") == "lease_car_is_customers"
    services.settle_early(loan_id=loan.id, value_date=START, amount=D("120000.00"), reference="all", actor=SYSTEM, now=beijing(START, 12))
    outbox.dispatch()
    assert Pledge.objects.get(loan=loan).by_settlement
    assert_sound(entity)


# -- what is refused ------------------------------------------------------------------------------------------------


def test_a_lease_is_agreed_once_and_a_car_leased_once():
    entity = a_lender()
    a_lease(entity)
    other = a_loan(entity, TERMS, is_lease=True)
    who = {"loan_id": other.id, "actor": SYSTEM, "now": beijing(START, 11)}
    with pytest.raises(services.LeaseUnknown):
        services.identify_car(vehicle="LSV2", on=START, **who)
    for bad in ({"kind": "rent"}, {"kind": "direct", "deposit": D("-1")}, {"kind": "direct", "deposit": D("0.001")}):
        with pytest.raises(BadInput):
            services.agree_lease(terms=services.LeaseTerms(**bad), **who)
    services.agree_lease(terms=services.LeaseTerms(kind="direct"), **who)
    with pytest.raises(services.LeaseStands):
        services.agree_lease(terms=services.LeaseTerms(kind="direct", deposit=D("1.00")), **who)
    with pytest.raises(services.LeaseStands):
        services.identify_car(vehicle="LSVAA4182E2184847", on=START, **who)


def test_a_lease_that_is_sold_leaves_the_lease_accounts_and_comes_back():
    entity = a_lender()
    loan = a_lease(entity)
    close_through(entity, dt.date(2025, 1, 24))  # 15 days of 40.00
    do(loan, "sale", owner="trust-1", price="120600.00")
    assert not {"153101", "1532"} & set(books(entity))
    assert_sound(entity)
    close_through(entity, dt.date(2025, 1, 29))
    do(loan, "buy_back", price="120800.00")
    found = books(entity)
    assert found["153101"] - found["1532"] >= D("120000.00")
    assert_sound(entity)
    close_through(entity, DUE_1 - ONE_DAY)
    pay(loan, "41200.00", DUE_1)
    assert_sound(entity)
