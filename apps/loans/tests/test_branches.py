"""Loans at branches and between them (docs/rules/branches.md): the story with its numbers, and the law of the balances by branch."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction
from rest_framework.test import APIClient

from apps.common import approvals, clock
from apps.common.actors import Actor
from apps.common.clock import beijing
from apps.common.errors import BadInput
from apps.ledger import services as ledger
from apps.ledger.domain import Posting
from apps.loans import selectors, services
from apps.loans.models import BranchStay, Loan
from apps.loans.services.branches import AtThisBranch, MovedLater
from apps.loans.services.errors import ReferenceReused, TermsRefused, ValueDateRefused
from apps.loans.tests.factories import START, SYSTEM, TERMS, a_lender, a_loan, assert_sound, books, business_day, close_through, pay, shared
from apps.organisations.models import Branch
from apps.organisations.tests.factories import UserFactory

pytestmark = pytest.mark.django_db
D = Decimal
SOON = replace(TERMS, first_due=dt.date(2025, 1, 15), due_day=None)
DUE_1, MOVED = dt.date(2025, 2, 20), dt.date(2025, 3, 1)


def staff(entity, *roles):
    return Actor.of(UserFactory(legal_entity=entity, roles=list(roles)))


def now(entity):
    return beijing(business_day(entity.id), 15)


def move_to(day):
    clock.move_to(beijing(day, 10))


def do(loan, operation, **data):
    """Proposed by one, approved by another who may approve anything."""
    entity = loan.legal_entity
    data.setdefault("value_date", str(business_day(entity.id)))
    change = services.propose_operation(
        operation=operation, loan_id=loan.id, data=data, reason="the borrower moved", actor=staff(entity, "finance"), now=now(entity)
    )
    done = approvals.approve(request_id=change.id, actor=staff(entity, "entity_admin"), now=now(entity))
    assert done.state == "executed", done.error
    return done


def transfer(loan, code, day, reference="r-1"):
    return services.transfer_branch(
        loan_id=loan.id,
        branch_code=code,
        value_date=day,
        reason="the borrower moved",
        reference=reference,
        actor=SYSTEM,
        now=now(loan.legal_entity),
    )


def by_branch(entity, *codes):
    """Account → the balances of these branches, `rest` and `total`, of accounts that have any."""
    found = services.balances_by_branch(entity.id)
    at = [[column.code for column in found.columns].index(code) for code in codes]
    return {row.code: (*(row.branches[each] for each in at), row.rest, row.total) for row in found.rows}


@pytest.fixture
def entity():
    move_to(START)
    return a_lender(first_day=START)


@pytest.fixture
def branches(entity):
    return {code: Branch.objects.create(legal_entity=entity, code=code, name=name) for code, name in (("GZ", "广州"), ("SH", "上海"))}


def at(branch, terms=TERMS):
    return replace(terms, branch_ref=str(branch.id))


# -- the worked example -------------------------------------------------------------------------------------


def test_a_loan_goes_to_another_branch_and_its_balances_with_it(entity, branches):
    stays, goes, other = a_loan(entity, at(branches["GZ"])), a_loan(entity, at(branches["GZ"])), a_loan(entity, at(branches["SH"]))
    close_through(entity, DUE_1 - dt.timedelta(days=1))
    move_to(DUE_1)
    for loan in (stays, goes, other):
        pay(loan, "5596.86", DUE_1)
    close_through(entity, MOVED - dt.timedelta(days=1))
    move_to(MOVED)
    held = by_branch(entity, "GZ", "SH")
    assert held["130301"] == (D("231717.84"), D("115858.92"), 0, D("347576.76"))
    assert held["113201"] == (D("617.06"), D("308.53"), 0, D("925.59"))
    standing = books(entity)

    done = do(goes, "branch_transfer", branch="SH")

    assert done.result["journal"] == [], "the books know no branches"
    held = by_branch(entity, "GZ", "SH")
    assert held["130301"] == (D("115858.92"), D("231717.84"), 0, D("347576.76"))
    assert held["113201"] == (D("308.53"), D("617.06"), 0, D("925.59"))
    assert books(entity) == standing
    assert [(stay.code, stay.since, stay.reason) for stay in selectors.branches_of(goes)] == [
        ("GZ", START, ""), ("SH", MOVED, "the borrower moved"),
    ]  # fmt: skip
    assert selectors.branch_on(goes, MOVED - dt.timedelta(days=1)).code == "GZ"
    assert selectors.branch_on(goes, MOVED).code == "SH"
    assert_sound(entity)


# -- the law ------------------------------------------------------------------------------------------------


def test_a_branch_holds_what_a_lender_of_its_loans_alone_would(entity, branches):
    """Paid, late beyond non-accrual, shared, with cash at the counter, a fee and credit: as if each branch kept books of its own."""
    twins = {code: a_lender(first_day=START) for code in ("GZ", "SH")}
    no_branch = a_loan(entity, SOON)
    for lender, where in ((entity, branches), (twins["GZ"], {"GZ": None}), (twins["SH"], {"SH": None})):
        opened = {}
        for code, branch in where.items():
            for name, terms in (("own", SOON), ("shared", replace(shared(lender), first_due=SOON.first_due, due_day=None))):
                opened[code, name] = a_loan(lender, at(branch, terms) if branch else terms)
        move_to(START)
        for (code, name), loan in opened.items():
            if (code, name) == ("GZ", "own"):
                do(loan, "repayment", amount="6000.00", means="cash")
                do(loan, "fee", amount="50.00")
        close_through(lender, dt.date(2025, 4, 20))
    held = by_branch(entity, "GZ", "SH", "")
    expected = {code: books(twin) for code, twin in twins.items()}
    assert "9002" in expected["SH"], "interest of a loan late beyond 90 days stands off balance"
    for position, code in enumerate(("GZ", "SH")):
        assert {account: abs(row[position]) for account, row in held.items() if row[position]} == expected[code]
    assert held["130303"][2] == 120000, "the loan of no branch is late, too"
    assert no_branch.branch_id is None
    assert all(rest == 0 for *_parts, rest, _total in held.values())
    assert {code: abs(row[-1]) for code, row in held.items() if row[-1]} == books(entity)


def test_what_is_about_no_loan_stands_apart(entity, branches):
    a_loan(entity, at(branches["GZ"]))
    ledger.post(
        legal_entity_id=entity.id,
        business_date=START,
        event="bank_fee",
        amounts=[Posting("fee", D("5.00"))],
        reference="fee",
        actor=SYSTEM,
        now=now(entity),
    )
    held = by_branch(entity, "GZ", "SH")
    assert held["6421"] == (0, 0, 5, 5)
    assert sum(row[2] for row in held.values()) == 0
    assert all(sum(row[:-1]) == row[-1] for row in held.values())


# -- what is refused, what is safe --------------------------------------------------------------------------


def test_a_transfer_is_safe_to_repeat_and_goes_on_in_time(entity, branches):
    loan = a_loan(entity, at(branches["GZ"]))
    close_through(entity, DUE_1 - dt.timedelta(days=1))
    move_to(DUE_1)
    first = transfer(loan, "SH", dt.date(2025, 2, 1))
    assert transfer(loan, "SH", dt.date(2025, 2, 1)).id == first.id
    with pytest.raises(ReferenceReused):
        transfer(loan, "GZ", DUE_1)
    with pytest.raises(AtThisBranch):
        transfer(loan, "SH", DUE_1, "r-2")
    with pytest.raises(MovedLater):
        transfer(loan, "GZ", dt.date(2025, 1, 31), "r-3")
    with pytest.raises(ValueDateRefused):
        transfer(loan, "GZ", DUE_1 + dt.timedelta(days=1), "r-4")
    with pytest.raises(BadInput):
        transfer(loan, "XX", DUE_1, "r-5")
    transfer(loan, "GZ", dt.date(2025, 2, 1), "r-6")
    assert selectors.branch_on(loan, dt.date(2025, 2, 1)).code == "GZ", "of one day the last one counts"
    assert Loan.objects.get(id=loan.id).branch_id == branches["GZ"].id


def test_another_legal_entitys_branch_is_none(entity, branches):
    stranger = Branch.objects.create(legal_entity=a_lender(), code="BJ", name="北京")
    with pytest.raises(BadInput):
        transfer(a_loan(entity), "BJ", START)
    with pytest.raises(TermsRefused):
        a_loan(entity, at(stranger), reference="transfer-2")


def test_stays_are_never_changed(entity, branches):
    a_loan(entity, at(branches["GZ"]))
    for deed in (lambda: BranchStay.objects.update(reason="x"), lambda: BranchStay.objects.all().delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            deed()


def test_a_refinanced_loan_stays_at_its_branch(entity, branches):
    loan = a_loan(entity, at(branches["GZ"]))
    transfer(loan, "SH", START)
    do(Loan.objects.get(id=loan.id), "refinance", installments="12", annual_rate="9", method="equal_installment", first_due="2025-02-20")
    assert set(Loan.objects.filter(legal_entity=entity).values_list("branch__code", flat=True)) == {"SH"}


def test_the_api_tells_the_branches_of_a_loan(entity, branches):
    loan = a_loan(entity, at(branches["GZ"]))
    transfer(loan, "SH", START)
    client = APIClient()
    client.force_authenticate(UserFactory(legal_entity=entity, roles=["finance"]))
    told = client.get(f"/api/v1/loans/{loan.id}/branches")
    assert told.status_code == 200, told.content
    assert [(row["code"], row["since"]) for row in told.json()] == [("GZ", str(START)), ("SH", str(START))]
    client.force_authenticate(UserFactory(legal_entity=a_lender(), roles=["finance"]))
    assert client.get(f"/api/v1/loans/{loan.id}/branches").status_code == 404
