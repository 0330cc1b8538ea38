"""Questions about payments out and in, vouchers and positions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet, Sum

from apps.common import clock
from apps.common.money import ZERO
from apps.disbursement.models import BankNotice, Disbursement, FundingAccount, RepaymentOrder, TransferOrder, Voucher

MOVED_IN = ("succeeded", "reversed", "refunded")
MOVED_OUT = ("succeeded", "reversed")
_HAS_COME = Q(state__in=MOVED_IN) | Q(booked_as="suspense")


@dataclass(frozen=True)
class PaymentFact:
    """A payment as reconciliation sees it; `direction` is seen from us, `amount` positive yuan, `at` when we knew its result."""

    kind: str
    order_no: str
    direction: str
    amount: Decimal
    state: str
    at: dt.datetime
    bank_ref: str


def disbursements_of(user: Any) -> QuerySet[Disbursement]:
    """Payments out that the user may see, newest first."""
    return Disbursement.objects.visible_to(user).select_related("account__funder").order_by("-created_at", "-id")


def disbursement_of(application_id: UUID) -> Disbursement | None:
    """The payment of an application that counts: the latest one."""
    return Disbursement.objects.filter(application_ref=application_id).order_by("-created_at", "-id").first()


def voucher_of(application_id: UUID) -> Voucher | None:
    """The voucher of an application; the latest one."""
    return Voucher.objects.filter(application_ref=application_id).order_by("-created_at", "-id").first()


def voucher_by_number(number: str) -> Voucher | None:
    """A voucher by the number that is printed on it."""
    return Voucher.objects.filter(number=number.strip().upper()).first()


def vouchers_run_out(legal_entity_id: UUID, day: dt.date) -> list[tuple[UUID, str]]:
    """Vouchers (id and number) that were valid until before `day` and neither used nor paid; without those whose money is on its way."""
    rows = Voucher.objects.filter(legal_entity_id=legal_entity_id, state=Voucher.State.ISSUED, valid_until__lt=day)
    under_way = [Disbursement.State.SUBMITTED, Disbursement.State.UNKNOWN]
    return list(rows.exclude(disbursement__state__in=under_way).order_by("number").values_list("id", "number"))


def transfer_succeeded(application_id: UUID) -> bool:
    """Whether the payee of an application has the money."""
    return Disbursement.objects.filter(application_ref=application_id, state=Disbursement.State.SUCCEEDED).exists()


def application_of_loan(loan_id: UUID) -> UUID | None:
    """Which application a loan was paid out for."""
    return Disbursement.objects.filter(loan_ref=loan_id).values_list("application_ref", flat=True).first()


def orders_of(user: Any, *, loan_id: UUID | None = None) -> QuerySet[RepaymentOrder]:
    """Payments in that the user may see, newest first."""
    orders = RepaymentOrder.objects.visible_to(user).order_by("-created_at", "-id")
    return orders.filter(loan_ref=loan_id) if loan_id else orders


def open_order_of(loan_id: UUID) -> RepaymentOrder | None:
    """The payment of a loan that has not ended."""
    return RepaymentOrder.objects.filter(loan_ref=loan_id, state__in=["created", "processing", "unknown"]).first()


def accounts_of(user: Any) -> QuerySet[FundingAccount]:
    """Funding accounts that the user may see."""
    return FundingAccount.objects.visible_to(user).select_related("funder").order_by("funder__code")


def notices_to_look_at(user: Any) -> QuerySet[BankNotice]:
    """What banks said that did not fit: staff look at these, newest first."""
    verdicts = ["wrong_amount", "contradiction", "unknown_order"]
    return BankNotice.objects.visible_to(user).filter(verdict__in=verdicts).order_by("-received_at", "-id")


def notices_of(user: Any, order_no: str) -> QuerySet[BankNotice]:
    """What the bank has said about one order, newest first."""
    return BankNotice.objects.visible_to(user).filter(order_no=order_no).order_by("-received_at", "-id")


def payment_under(user: Any, order_no: str) -> Disbursement | RepaymentOrder | None:
    """The payment out or in that goes under an order number now, if the user may see it."""
    out = Disbursement.objects.visible_to(user).select_related("account__funder").filter(order_no=order_no).first()
    return out or RepaymentOrder.objects.visible_to(user).filter(order_no=order_no).first()


def owners_of(order_nos: Iterable[str]) -> dict[str, UUID]:
    """Order number → legal entity, for those that are ours."""
    numbers = list(order_nos)
    owners = dict(TransferOrder.objects.filter(order_no__in=numbers).values_list("order_no", "legal_entity_id"))
    owners.update(RepaymentOrder.objects.filter(order_no__in=numbers).values_list("order_no", "legal_entity_id"))
    return owners


def payments(*, legal_entity_id: UUID, day: dt.date, order_nos: Iterable[str]) -> list[PaymentFact]:
    """Payments whose money moved on a day in Beijing, and those of the given numbers whatever their state."""
    numbers = list(order_nos)
    start, end = clock.beijing(day), clock.beijing(day + dt.timedelta(days=1))
    return [*_transfers(legal_entity_id, start, end, numbers), *_debits(legal_entity_id, start, end, numbers)]


def _transfers(legal_entity_id: UUID, start: dt.datetime, end: dt.datetime, numbers: list[str]) -> list[PaymentFact]:
    moved = Q(disbursement__state__in=MOVED_OUT, disbursement__finished_at__gte=start, disbursement__finished_at__lt=end)
    rows = TransferOrder.objects.filter(moved | Q(order_no__in=numbers), legal_entity_id=legal_entity_id).select_related("disbursement")
    return [
        PaymentFact(
            kind="transfer",
            order_no=row.order_no,
            direction="out",
            amount=row.amount,
            state=row.disbursement.state if row.disbursement.order_no == row.order_no else "failed",
            at=row.disbursement.finished_at or row.sent_at,
            bank_ref=row.disbursement.bank_ref if row.disbursement.order_no == row.order_no else "",
        )
        for row in rows
    ]


def _known_as(row: RepaymentOrder) -> str:
    """The state in reconciliation's eyes: money that came after its order had failed is there all the same."""
    return "succeeded" if row.booked_as == "suspense" and row.state not in MOVED_IN else row.state


def _debits(legal_entity_id: UUID, start: dt.datetime, end: dt.datetime, numbers: list[str]) -> list[PaymentFact]:
    moved = _HAS_COME & Q(finished_at__gte=start, finished_at__lt=end)
    rows = RepaymentOrder.objects.filter(moved | Q(order_no__in=numbers), legal_entity_id=legal_entity_id)
    return [
        PaymentFact("debit", row.order_no, "in", row.amount, _known_as(row), row.finished_at or row.sent_at or row.created_at, row.bank_ref)
        for row in rows
    ]


def moved_out_total(legal_entity_id: UUID) -> Decimal:
    """All money that transfers have paid out, in yuan."""
    rows = Disbursement.objects.filter(legal_entity_id=legal_entity_id, state__in=MOVED_OUT)
    return rows.aggregate(total=Sum("amount"))["total"] or ZERO


def moved_in_total(legal_entity_id: UUID) -> Decimal:
    """All money that debits have brought in, in yuan."""
    rows = RepaymentOrder.objects.filter(_HAS_COME, legal_entity_id=legal_entity_id)
    return rows.aggregate(total=Sum("amount"))["total"] or ZERO


def booked_payments(legal_entity_id: UUID) -> dict[str, Decimal]:
    """Reference → amount in yuan, of payments in that stand; without what waits in suspense because its loan had ended."""
    rows = RepaymentOrder.objects.filter(legal_entity_id=legal_entity_id, state=RepaymentOrder.State.SUCCEEDED)
    return {row.reference: row.amount for row in rows.exclude(booked_as="suspense")}


def moved_amounts(legal_entity_id: UUID, *, order_nos: Iterable[str]) -> dict[str, Decimal]:
    """Order number → amount in yuan, of orders whose money has moved."""
    numbers = list(order_nos)
    out = TransferOrder.objects.filter(
        legal_entity_id=legal_entity_id,
        order_no__in=numbers,
        disbursement__state__in=MOVED_OUT,
        disbursement__order_no=F("order_no"),
    )
    came = RepaymentOrder.objects.filter(_HAS_COME, legal_entity_id=legal_entity_id, order_no__in=numbers)
    return {**dict(out.values_list("order_no", "amount")), **dict(came.values_list("order_no", "amount"))}


@dataclass(frozen=True)
class DebitFact:
    """A debit whose money has come in. `on_loan`: it stands on its loan under `reference`, neither given back nor in suspense."""

    order_no: str
    reference: str
    amount: Decimal
    finished_at: dt.datetime | None
    on_loan: bool


def debits_in(legal_entity_id: UUID) -> list[DebitFact]:
    """Every debit that has brought money in, by order number."""
    rows = RepaymentOrder.objects.filter(_HAS_COME, legal_entity_id=legal_entity_id).order_by("order_no")
    return [
        DebitFact(row.order_no, row.reference, row.amount, row.finished_at, row.state == "succeeded" and row.booked_as != "suspense")
        for row in rows.only("order_no", "amount", "finished_at", "state", "booked_as").iterator()
    ]


def guarantees_standing(legal_entity_id: UUID) -> Decimal:
    """Sum in yuan of vouchers whose guarantee stands: issued or used, and not paid yet."""
    rows = Voucher.objects.filter(legal_entity_id=legal_entity_id, state__in=[Voucher.State.ISSUED, Voucher.State.USED])
    return rows.aggregate(total=Sum("amount"))["total"] or ZERO


def position_offenders(legal_entity_id: UUID) -> list[tuple[str, Decimal, Decimal]]:
    """Sums of funding accounts that are not what their movements, or paid money that is not what their transfers make them.

    Each with the account and the sum's name, the sum as stored, and as it should be.
    """
    transfers = dict(
        TransferOrder.objects.filter(
            legal_entity_id=legal_entity_id, disbursement__state__in=MOVED_OUT, disbursement__order_no=F("order_no")
        )
        .order_by()
        .values_list("account_id")
        .annotate(total=Sum("amount"))
    )
    offenders = []
    for account in FundingAccount.objects.filter(legal_entity_id=legal_entity_id).select_related("funder").order_by("funder__code"):
        moved = dict(account.movements.order_by().values_list("kind").annotate(total=Sum("amount")))
        top_up, reserve, release, pay, returned = (moved.get(kind, ZERO) for kind in ("top_up", "reserve", "release", "pay", "return"))
        told = [
            ("topped_up", account.topped_up, top_up),
            ("reserved", account.reserved, reserve - release - pay),
            ("paid", account.paid, pay - returned),
            ("paid, by transfers", account.paid, transfers.get(account.id, ZERO) - returned),
        ]
        offenders += [(f"{account.funder.code} {name}", stored, wanted) for name, stored, wanted in told if stored != wanted]
    return offenders
