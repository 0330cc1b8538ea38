"""Collateral with values over time, shared by loans; co-borrowers and guarantors; all free when the loan is settled."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.common import clock, outbox
from apps.common.actors import Actor
from apps.common.clock import beijing
from apps.common.errors import BadInput, NotPermitted
from apps.common.models import new_id
from apps.loans import selectors, services
from apps.loans.models import Collateral, Loan, LoanParty, LoanTransaction, Pledge
from apps.loans.tests.factories import START, SYSTEM, a_lender, a_loan, assert_sound
from apps.organisations.models import LegalEntity
from apps.organisations.tests.factories import UserFactory

pytestmark = pytest.mark.django_db
DAY = dt.date(2025, 2, 10)
NOW: dict[str, Any] = {"actor": SYSTEM, "now": beijing(DAY, 10)}


@pytest.fixture
def lender() -> LegalEntity:
    clock.move_to(beijing(DAY, 10))
    return a_lender()


def a_car(lender: LegalEntity, value: str = "200000.00", identifier: str = "LSVAA4182E2184847", **facts: Any) -> Collateral:
    facts = {"kind": "vehicle", "owner_ref": new_id(), "valued_on": START} | facts
    return services.register_collateral(legal_entity_id=lender.id, identifier=identifier, value=Decimal(value), **facts, **NOW)


def pledge(loan: Loan, car: Collateral, day: dt.date = START) -> Pledge:
    return services.pledge_collateral(loan_id=loan.id, number=car.number, pledged_on=day, **NOW)


def test_loan_to_value_follows_the_values_of_the_collateral(lender: LegalEntity) -> None:
    loan, car = a_loan(lender), a_car(lender)
    pledge(loan, car)
    assert selectors.security_of(loan.id, START).loan_to_value == Decimal("0.6000")
    services.value_collateral(number=car.number, value=Decimal("160000.00"), valued_on=dt.date(2025, 2, 1), **NOW)
    assert selectors.security_of(loan.id, dt.date(2025, 1, 31)).loan_to_value == Decimal("0.6000")
    assert selectors.security_of(loan.id, dt.date(2025, 2, 1)).loan_to_value == Decimal("0.7500")


def test_a_collateral_of_two_loans_counts_for_each_by_its_principal(lender: LegalEntity) -> None:
    first, second, car = a_loan(lender), a_loan(lender), a_car(lender, "300000.00")
    pledge(first, car)
    pledge(second, car, dt.date(2025, 1, 20))
    assert selectors.security_of(first.id, dt.date(2025, 1, 19)).loan_to_value == Decimal("0.4000")
    security = selectors.security_of(first.id, dt.date(2025, 1, 20))
    assert (security.collateral[0].value, security.collateral[0].part) == (Decimal("300000.00"), Decimal("150000.00"))
    assert security.loan_to_value == Decimal("0.8000")


def test_several_collateral_items_add_up_and_none_has_no_ratio(lender: LegalEntity) -> None:
    loan = a_loan(lender)
    assert selectors.security_of(loan.id, DAY).loan_to_value is None
    pledge(loan, a_car(lender, "100000.00"))
    pledge(loan, a_car(lender, "50000.00", "flat 7", kind="property"))
    assert selectors.security_of(loan.id, DAY).loan_to_value == Decimal("0.8000")


def test_a_collateral_is_registered_and_pledged_once(lender: LegalEntity) -> None:
    loan, owner = a_loan(lender), new_id()
    car = a_car(lender, owner_ref=owner)
    assert a_car(lender, owner_ref=owner).number == car.number
    assert pledge(loan, car).id == pledge(loan, car).id
    with pytest.raises(services.ValueStands):
        a_car(lender, "210000.00", owner_ref=owner)
    with pytest.raises(services.ValueStands):
        a_car(lender)


def test_a_neighbour_s_collateral_is_unknown(lender: LegalEntity) -> None:
    with pytest.raises(services.CollateralUnknown):
        pledge(a_loan(a_lender()), a_car(lender))


def test_a_release_needs_a_reason_and_a_day_that_can_be(lender: LegalEntity) -> None:
    loan, car = a_loan(lender), a_car(lender)
    asked: dict[str, Any] = {"loan_id": loan.id, "number": car.number, **NOW}
    with pytest.raises(services.NotSecured):
        services.release_collateral(released_on=DAY, reason="exchange", **asked)
    pledge(loan, car, dt.date(2025, 1, 15))
    for day in (dt.date(2025, 1, 14), DAY + dt.timedelta(days=1)):
        with pytest.raises(services.SecurityDayRefused):
            services.release_collateral(released_on=day, reason="exchange", **asked)
    with pytest.raises(BadInput):
        services.release_collateral(released_on=DAY, reason=" ", **asked)
    services.release_collateral(released_on=DAY, reason="exchange", **asked)
    assert selectors.security_of(loan.id, DAY).collateral == ()
    assert len(selectors.security_of(loan.id, DAY - dt.timedelta(days=1)).collateral) == 1


def test_guarantors_and_co_borrowers_answer_with_their_parts_for_their_time(lender: LegalEntity) -> None:
    loan, person = a_loan(lender), new_id()
    asked: dict[str, Any] = {"loan_id": loan.id, "person_ref": person, "role": "guarantor", **NOW}
    services.add_party(parts=5000, since=START, **asked)
    services.add_party(parts=5000, since=START, **asked)
    with pytest.raises(services.ValueStands):
        services.add_party(parts=6000, since=START, **asked)
    with pytest.raises(BadInput):
        services.add_party(loan_id=loan.id, person_ref=loan.borrower_ref, role="co_borrower", parts=10_000, since=START, **NOW)
    services.end_party(ended_on=DAY, reason="another guarantor", **asked)
    assert [(party.person_ref, party.parts) for party in selectors.security_of(loan.id, START).parties] == [(person, 5000)]
    assert selectors.security_of(loan.id, DAY).parties == ()


def test_settlement_frees_all_and_its_reversal_binds_again(lender: LegalEntity) -> None:
    loan, other, car = a_loan(lender), a_loan(lender), a_car(lender)
    pledge(loan, car)
    pledge(other, car)
    services.add_party(loan_id=loan.id, person_ref=new_id(), role="co_borrower", parts=10_000, since=START, **NOW)
    total = services.payoff_quote(loan_id=loan.id, on=DAY).total
    services.settle_early(loan_id=loan.id, value_date=DAY, amount=total, reference="end", **NOW)
    outbox.dispatch()
    assert (Pledge.objects.get(loan=loan).released_on, Pledge.objects.get(loan=other).released_on) == (DAY, None)
    assert LoanParty.objects.get(loan=loan).ended_on == DAY
    assert selectors.security_of(other.id, DAY).loan_to_value == Decimal("0.6000")
    paid = LoanTransaction.objects.get(loan=loan, reference="end")
    services.reverse_transaction(loan_id=loan.id, transaction_id=paid.id, reference="back", reason="bounced", **NOW)
    outbox.dispatch()
    assert (Pledge.objects.get(loan=loan).released_on, LoanParty.objects.get(loan=loan).ended_on) == (None, None)
    with pytest.raises(NotPermitted):
        services.pledge_collateral(loan_id=loan.id, number=car.number, pledged_on=DAY, actor=_clerk_of(lender), now=beijing(DAY, 10))
    assert_sound(lender)


def _clerk_of(lender: LegalEntity) -> Any:
    return Actor.of(UserFactory(legal_entity=lender, roles=["collector"]))


def test_staff_apps_register_value_pledge_and_ask(lender: LegalEntity) -> None:
    loan, client = a_loan(lender), APIClient()
    client.force_authenticate(UserFactory(legal_entity=lender, roles=["finance"]))

    def post(path: str, data: dict[str, Any], status: int = 200) -> Any:
        answer = client.post(f"/api/v1/{path}", data, format="json")
        assert answer.status_code == status, answer.content
        return answer.json() if answer.content else None

    car = {"kind": "vehicle", "identifier": "VIN1", "owner_ref": str(new_id()), "value": "200000.00", "valued_on": "2025-01-10"}
    number = post("collateral", car, 201)["number"]
    post("collateral-values", {"number": number, "value": "240000.00", "valued_on": "2025-01-20"}, 204)
    post(f"loans/{loan.id}/pledges", {"number": number, "pledged_on": "2025-01-10"})
    post(f"loans/{loan.id}/pledges", {"number": number}, 422)
    person = {"person_ref": str(new_id()), "role": "guarantor"}
    post(f"loans/{loan.id}/parties", person | {"parts": 10_000, "since": "2025-01-10"})
    told = client.get(f"/api/v1/loans/{loan.id}/security", {"on": "2025-01-25"}).json()
    assert (told["principal"], told["loan_to_value"], told["parties"][0]["parts"]) == ("120000.00", "0.5000", 10_000)
    post(f"loans/{loan.id}/parties", person | {"ended_on": "2025-02-01", "reason": "left"})
    post(f"loans/{loan.id}/pledges", {"number": number, "released_on": "2025-02-01", "reason": "exchange"})
    assert client.get(f"/api/v1/loans/{loan.id}/security", {"on": "someday"}).status_code == 422
    client.force_authenticate(UserFactory(legal_entity=a_lender(), roles=["finance"]))
    assert client.get(f"/api/v1/loans/{loan.id}/security").status_code == 404
    post("collateral-values", {"number": number, "value": "1.00", "valued_on": "2025-01-21"}, 404)
    post(f"loans/{loan.id}/pledges", {"number": number, "pledged_on": "2025-01-21"}, 404)
