"""Vehicle leases: agreed, the car identified, the deposit held. Rules: docs/rules/vehicle-lease.md."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.common.actors import Actor
from apps.common.errors import BadInput, CarloanError, Conflict, NotFound
from apps.common.money import CENT, MAX_MONEY, ZERO
from apps.ledger import selectors as ledger_selectors
from apps.ledger import services as ledger
from apps.ledger.domain import Posting
from apps.loans import selectors
from apps.loans.domain.installments import Installment
from apps.loans.domain.lease import deposit_for_due
from apps.loans.domain.state import LoanState
from apps.loans.models import LIVE, Collateral, Lease, Loan, LoanTransaction
from apps.loans.selectors import LoanUnknown
from apps.loans.services import payments
from apps.loans.services.security import pledge_collateral, register_collateral
from apps.organisations.business_day import StepResult
from apps.organisations.selectors import business_date

DEPOSITS: Final = "224104"
_ACTOR: Final = Actor.system("lease")
_MAX_NAME: Final = 64


class LeaseUnknown(NotFound):
    """The loan is no vehicle lease."""

    code = "lease_unknown"
    title = gettext_lazy("This loan is no vehicle lease.")


class LeaseStands(Conflict):
    """The lease was agreed with other contents, or its car is another."""

    code = "lease_stands"
    title = gettext_lazy("This lease was recorded with other contents.")


class LeaseEnded(Conflict):
    """The car was bought or returned, or the lease renewed."""

    code = "lease_ended"
    title = gettext_lazy("This lease has ended: the car was bought or returned, or the lease renewed.")


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """What a vehicle lease agrees beside the loan, in yuan. `purchase_price` None: the customer has no option to buy.

    `offsets_deposit`: the deposit pays the last instalments; otherwise it is refunded at the end.
    """

    kind: str
    vehicle_name: str = ""
    vehicle_price: Decimal = ZERO
    down_payment: Decimal = ZERO
    deposit: Decimal = ZERO
    offsets_deposit: bool = False
    purchase_price: Decimal | None = None

    def check(self) -> None:
        """Raises `BadInput` for an unknown kind or an amount that is none."""
        wrong: dict[str, list[str]] = {}
        if self.kind not in Lease.Kind.values:
            wrong["kind"] = [_("Choose direct or leaseback.")]
        for name in ("vehicle_price", "down_payment", "deposit", "purchase_price"):
            amount = getattr(self, name)
            if amount is not None and not (amount.is_finite() and ZERO <= amount <= MAX_MONEY and amount == amount.quantize(CENT)):
                wrong[name] = [_("An amount is not negative and has at most two decimals.")]
        if self.kind == Lease.Kind.LEASEBACK and (self.deposit or self.purchase_price is not None):
            wrong["deposit"] = [_("In a leaseback the customer owns the car: there is neither deposit nor option to buy.")]
        if wrong:
            raise BadInput(fields=wrong)


@transaction.atomic
def agree_lease(*, loan_id: UUID, terms: LeaseTerms, actor: Actor, now: dt.datetime) -> Lease:
    """Record that a loan is a vehicle lease. The same again changes nothing. Raises `LoanUnknown`, `BadInput`, `LeaseStands`."""
    loan = _held(loan_id, actor)
    actor.require("loans.open")
    terms.check()
    facts = {name: getattr(terms, name) for name in LeaseTerms.__slots__}
    lease, _made = Lease.objects.get_or_create(loan=loan, defaults={**facts, "created_at": now})
    if any(getattr(lease, name) != value for name, value in facts.items()):
        raise LeaseStands(loan=loan.number)
    return lease


@transaction.atomic
def identify_car(*, loan_id: UUID, vehicle: str, on: dt.date, actor: Actor, now: dt.datetime) -> Lease:
    """Note the frame number of a lease's car. In a leaseback the customer mortgages the car to the lender from that day on.

    The same again changes nothing. Raises `LeaseUnknown`, `LeaseEnded`, `LeaseStands` when the lease has another car, or the car a lease.
    """
    loan = _held(loan_id, actor)
    actor.require("loans.adjust")
    lease = lease_under_lock(loan)
    vehicle = vehicle.strip()
    if not vehicle or len(vehicle) > _MAX_NAME:
        raise BadInput(fields={"vehicle": [_("Enter the frame number of the car.")]})
    if lease.vehicle == vehicle:
        return lease
    if lease.state != Lease.State.RUNNING:
        raise LeaseEnded(loan=loan.number)
    taken = Lease.objects.filter(vehicle=vehicle, state=Lease.State.RUNNING, kind=Lease.Kind.DIRECT)
    if lease.vehicle or (lease.kind == Lease.Kind.DIRECT and taken.exists()):
        raise LeaseStands(loan=loan.number, vehicle=vehicle)
    lease.vehicle = vehicle
    lease.save(update_fields=["vehicle"])
    if lease.kind == Lease.Kind.LEASEBACK:
        pledged = register_collateral(
            legal_entity_id=loan.legal_entity_id,
            kind=Collateral.Kind.VEHICLE,
            identifier=vehicle,
            owner_ref=loan.borrower_ref,
            value=lease.vehicle_price,
            valued_on=on,
            description=lease.vehicle_name,
            basis=_("price of the car"),
            actor=actor,
            now=now,
        )
        pledge_collateral(loan_id=loan.id, number=pledged.number, pledged_on=on, actor=actor, now=now)
    return lease


def lease_under_lock(loan: Loan) -> Lease:
    """The lease of a loan, held until the caller's transaction ends. Raises `LeaseUnknown`."""
    lease: Lease | None = Lease.objects.select_for_update(of=("self",)).filter(loan=loan).first()
    if lease is None:
        raise LeaseUnknown(loan=loan.number)
    return lease


def deposit_held(loan: Loan, on: dt.date | None = None) -> Decimal:
    """What is held for a loan's customer: deposit, and what a returned car was worth above the claim. At the end of `on`, or now."""
    return ledger_selectors.balance(DEPOSITS, loan.legal_entity_id, on, loan.id)


def post_lease(event: str, loan: Loan, amounts: dict[str, Decimal], *, reference: str, actor: Actor, now: dt.datetime) -> None:
    """Post an event of a lease on the open day; amounts of zero are left out. The same reference again posts nothing."""
    ledger.post(
        legal_entity_id=loan.legal_entity_id,
        business_date=ledger.hold_day(loan.legal_entity_id, not_before=business_date(loan.legal_entity_id)),
        event=event,
        amounts=[Posting(component, amount, subject_ref=loan.id) for component, amount in amounts.items() if amount],
        reference=reference,
        narrative=_("Vehicle lease %(number)s") % {"number": loan.number},
        actor=actor,
        now=now,
    )


def pay_from_deposit(loan: Loan, amount: Decimal, day: dt.date, *, reference: str, actor: Actor, now: dt.datetime) -> None:
    """Let the deposit pay what is due; clearing is passed, not moved. Under the loan's lock."""
    post_lease("deposit_offset", loan, {"money": amount}, reference=reference, actor=actor, now=now)
    payments.record_repayment(
        loan_id=loan.id,
        amount=amount,
        value_date=day,
        source=LoanTransaction.Source.MANUAL,
        reference=reference,
        actor=actor,
        now=now,
    )


def due_of(state: LoanState) -> Decimal:
    """All that is due and unpaid, less the customer's credit."""
    return max(sum((sum(row.owed.values(), start=ZERO) for row in state.rows), start=ZERO) - state.credit, ZERO)


def coming_of(state: LoanState) -> Decimal:
    """Principal and interest of the instalments that are not due yet."""
    return sum((_unpaid(row.installment) for row in state.rows if row.installment.due_date > state.as_of), start=ZERO)


def _unpaid(row: Installment) -> Decimal:
    return row.unpaid_principal + row.unpaid_interest


def offset_deposits(*, entity_id: UUID, day: dt.date, partition: dict[str, object], now: dt.datetime) -> StepResult:
    """The last instalments that fall due on the day that opens are paid from the deposit, where that was agreed."""
    leases = Lease.objects.filter(
        loan__legal_entity=entity_id,
        loan__state__in=LIVE,
        loan__instalments__due_date=day,
        state=Lease.State.RUNNING,
        offsets_deposit=True,
        deposit__gt=F("loan__balance__principal") - F("loan__balance__principal_due"),
    )
    done = 0
    set_aside: list[tuple[str, str]] = []
    for loan_id, number in leases.order_by("loan_id").values_list("loan_id", "loan__number"):
        try:
            with transaction.atomic():
                done += _offset(loan_id, day, now)
        except (CarloanError, ValueError, ArithmeticError) as problem:
            set_aside.append((number, problem.detail if isinstance(problem, CarloanError) else str(problem)))
    return StepResult(done=done, set_aside=set_aside)


def _offset(loan_id: UUID, day: dt.date, now: dt.datetime) -> int:
    loan = _held(loan_id, _ACTOR)
    reference = f"deposit:{loan.number}:{day}"
    if LoanTransaction.objects.filter(loan=loan, reference=reference).exists():
        return 0
    state = selectors.state_on(loan.id, day)
    falling_due = sum((_unpaid(row.installment) for row in state.rows if row.installment.due_date == day), start=ZERO)
    amount = deposit_for_due(held=deposit_held(loan), due=due_of(state), falling_due=falling_due, coming=coming_of(state))
    if amount <= ZERO:
        return 0
    pay_from_deposit(loan, amount, day, reference=reference, actor=_ACTOR, now=now)
    return 1


def renewed_terms(lease: Lease, *, deposit: Decimal, price: Decimal) -> LeaseTerms:
    """What goes on in the lease that renews another one: the same car at what is still owed, with the deposit held."""
    known = LeaseTerms(**{name: getattr(lease, name) for name in LeaseTerms.__slots__})
    return replace(known, deposit=deposit, vehicle_price=price, down_payment=ZERO)


def _held(loan_id: UUID, actor: Actor) -> Loan:
    loan: Loan | None = Loan.objects.select_for_update().within(actor.data_scope).filter(id=loan_id).first()
    if loan is None:
        raise LoanUnknown(loan_id=loan_id)
    return loan
