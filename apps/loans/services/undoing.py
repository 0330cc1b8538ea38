"""What undoes at the counter what was done: a payment taken back by its bank, and deeds that never were."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from apps.ledger import selectors as ledger_selectors
from apps.loans import selectors
from apps.loans.models import Lease, Loan, LoanTransaction
from apps.loans.services.deeds import Order, Values, change, move
from apps.loans.services.errors import ChargedBack, NotByBank, PaidByCar, TermsRefused, TransactionUnknown
from apps.loans.services.reversal import reverse_transaction
from apps.loans.services.servicing import hold_loan

Kind = LoanTransaction.Kind
_PAID: Final = (Kind.REPAYMENT, Kind.PREPAYMENT, Kind.EARLY_SETTLEMENT, Kind.RECOVERY)
_PAYMENT_UNDONE_BY: Final = {
    "cash_received": "cash_paid",
    "suspense_released": "suspense_received",
    "goodwill_granted": "goodwill_taken_back",
    "deposit_offset": "deposit_received",
}
_CHANGE_UNDONE_BY: Final = {"cash_paid": "cash_received", "suspense_received": "suspense_released", "clearing_out": "clearing_in"}
_HALVES: Final = {"out": "in", "in": "out", "new": "settle", "settle": "new"}


def charge_back(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """The payer's bank takes a payment back, or part of it. Raises `NotByBank`, `PaidByCar`."""
    target = _target(loan, values, _PAID)
    _check_no_car(loan, target)
    if not _standing(loan).filter(id=target.id).exists():
        raise selectors.LoanNotRunning(_("This transaction is a reversal, or reversed already."), transaction=target.id)
    if target.source != LoanTransaction.Source.DEBIT and not _has_posted("suspense_released", loan, target):
        raise NotByBank(loan=loan.number)
    change(loan, Kind.CHARGEBACK, values, order, amount=values["amount"], particulars={"reverses": str(values["transaction"])})
    move("clearing_out", loan, values["amount"], order)
    return (loan.id,)


def cancel_repayment(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """A payment that never came."""
    return _cancel(loan, values, order, _PAID)


def cancel_disbursement(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """撤销放款: the loan never was; what was paid on it is credit to be refunded."""
    return _cancel(loan, values, order, (Kind.DISBURSEMENT,))


def cancel_change(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """A waiver, write-off or new terms that never were."""
    return _cancel(loan, values, order, tuple(kind for kind in Kind if kind not in (*_PAID, Kind.DISBURSEMENT, Kind.REVERSAL)))


def _cancel(loan: Loan, values: Values, order: Order, kinds: tuple[str, ...]) -> tuple[UUID, ...]:
    target = _target(loan, values, kinds)
    _check_no_car(loan, target)
    if _standing(loan).filter(kind=Kind.CHARGEBACK, params__reverses=str(target.id)).exists():
        raise ChargedBack(loan=loan.number)
    undone = {target.id: (loan.id, order.reference)}
    if other := _other_half(loan, target):
        undone[other.id] = other.loan_id, f"{order.reference}/other"
    for loan_id in sorted(loan_id for loan_id, _reference in undone.values()):
        hold_loan(loan_id)
    for transaction_id, (loan_id, reference) in undone.items():
        reverse_transaction(
            loan_id=loan_id,
            transaction_id=transaction_id,
            reason=order.reason,
            reference=reference,
            actor=order.actor,
            now=order.now,
        )
    _move_back(loan, target, order)
    return tuple(loan_id for loan_id, _reference in undone.values())


def _standing(loan: Loan) -> QuerySet[LoanTransaction]:
    return LoanTransaction.objects.filter(loan=loan, reversed_by=None)


def _other_half(loan: Loan, target: LoanTransaction) -> LoanTransaction | None:
    """What the operation did to another loan with the same money, which only passed clearing: both stand, or neither."""
    asked, _slash, part = target.reference.partition("/")
    if part not in _HALVES:
        return None
    other: LoanTransaction | None = (
        LoanTransaction.objects.filter(reference=f"{asked}/{_HALVES[part]}", reversed_by=None, loan__legal_entity_id=loan.legal_entity_id)
        .exclude(loan=loan)
        .first()
    )
    if other and Lease.objects.filter(loan_id__in=(loan.id, other.loan_id), renewed_by_id__in=(loan.id, other.loan_id)).exists():
        raise TermsRefused(_("The lease was renewed. A renewal is not undone: settle the new lease."))
    return other


def _move_back(loan: Loan, target: LoanTransaction, order: Order) -> None:
    """Money that the cancelled operation took in or paid out goes back where it lay."""
    undone_by = _PAYMENT_UNDONE_BY if target.kind in _PAID else _CHANGE_UNDONE_BY
    for event, opposite in undone_by.items():
        if target.amount and _has_posted(event, loan, target):
            move(opposite, loan, target.amount, order)


def _check_no_car(loan: Loan, target: LoanTransaction) -> None:
    if _has_posted("car_returned", loan, target):
        raise PaidByCar(loan=loan.number)


def _has_posted(event: str, loan: Loan, target: LoanTransaction) -> bool:
    """Whether the operation that recorded a transaction moved money by an event; its other parts have the same reference up to `/`."""
    asked = target.reference.partition("/")[0]
    return bool(ledger_selectors.references_of(loan.legal_entity_id, event, [asked]))


def _target(loan: Loan, values: Values, kinds: tuple[str, ...]) -> LoanTransaction:
    target = LoanTransaction.objects.filter(loan=loan, id=values["transaction"], kind__in=kinds).first()
    if target is None:
        raise TransactionUnknown(transaction=values["transaction"])
    return target
