"""The review page of an order: everything for the decision, computed once, shown by a template without questions of its own."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.applications import selectors as applications
from apps.applications import services as application_services
from apps.applications.selectors import ReviewCase
from apps.backoffice.queue import Sla, sla_of
from apps.common import clock
from apps.common.errors import CarloanError
from apps.common.money import ZERO
from apps.products import services as products
from apps.products.domain import MAX_PAYMENT_TO_INCOME
from apps.risk import selectors as risk

# The bureau's codes that a reviewer meets on the summary; the full list is the bureau's own.
BUSINESSES: Final = {
    "11": _("housing loan"),
    "12": _("business premises loan"),
    "13": _("housing fund loan"),
    "21": _("car loan"),
    "31": _("student loan"),
    "32": _("student loan"),
    "33": _("student loan"),
    "41": _("business loan"),
    "71": _("quasi-credit card"),
    "81": _("credit card"),
    "82": _("card, large special purpose"),
    "91": _("consumer loan"),
    "92": _("finance lease"),
}
FIVE_CLASSES: Final = {
    "1": _("normal"),
    "2": _("special mention"),
    "3": _("substandard"),
    "4": _("doubtful"),
    "5": _("loss"),
    "6": pgettext_lazy("five-category class", "default"),
    "9": _("not classified"),
}
PUBLIC_RECORDS: Final = {
    "tax": _("tax arrears"),
    "judgment": _("judgment"),
    "enforcement": _("enforcement"),
    "penalty": _("administrative penalty"),
}
HOUSING: Final = {"owned": _("owned"), "mortgaged": _("mortgaged"), "rented": _("rented"), "family": _("with family")}
REASONS: Final = {
    "review": (
        _("Risk verified, acceptable"),
        _("Income needs further proof"),
        _("Linked risk not ruled out"),
        _("Papers illegible or incomplete"),
    ),
    "disbursement": (
        _("All checks hold"),
        _("Contract to be made again"),
        _("Payee does not agree with the dealer"),
        _("Person not to be reached"),
    ),
}


@dataclass(frozen=True)
class Month:
    """One month of the 24: the bureau's sign and how it looks."""

    sign: str
    tone: str
    label: str


@dataclass(frozen=True)
class Sum:
    """What the calculator answers; money in yuan, shares as fractions, `apr` in percent; payments may take `cap` of the income.

    `problem` says why there is no answer.
    """

    amount: Decimal | None
    annual_rate: Decimal | None
    term: int | None
    installment: Decimal | None = None
    total_interest: Decimal | None = None
    apr: Decimal | None = None
    payment_to_income: Decimal | None = None
    most_within_income: Decimal | None = None
    cap: Decimal = MAX_PAYMENT_TO_INCOME
    problem: str = ""


@dataclass(frozen=True)
class CasePage:
    """An order as a reviewer sees it. `decision` is None where the machine has not spoken, or the person may not see it."""

    case: ReviewCase
    decision: Any
    months: tuple[Month, ...]
    first_month: dt.date | None
    accounts: tuple[dict[str, Any], ...]
    accounts_total: Decimal
    public: tuple[tuple[str, Decimal, dt.date], ...]
    sum: Sum
    sla: Sla
    ltv: Decimal | None
    housing: str
    held_by: str
    is_mine: bool
    may_decide: bool

    @property
    def amount(self) -> Decimal:
        """What an approval grants unless the reviewer writes another amount, in yuan."""
        return application_services.amount_by_default(self.case.order.requested_amount, self.limit)

    @property
    def amount_text(self) -> str:
        """The same as the form takes it."""
        return f"{self.amount:,.2f}"

    @property
    def limit(self) -> Decimal | None:
        """The machine's limit in yuan; None where it gave none."""
        return self.case.decision.limit if self.case.decision else None

    @property
    def grades(self) -> tuple[str, ...]:
        """The grades to choose from where the machine gave none."""
        return () if self.case.decision and self.case.decision.grade in application_services.GRADES else application_services.GRADES

    @property
    def rate_percent(self) -> str:
        """The machine's annual rate in percent; empty where it gave none."""
        rate = self.sum.annual_rate
        return "" if rate is None else f"{rate * 100:.2f}"


def case_page(case: ReviewCase, user: Any, now: dt.datetime) -> CasePage:
    """The page of a case. The caller holds the scope."""
    decision = case.decision if user.can("risk.view") or user.can("applications.review") else None
    bureau = decision.bureau if decision else None
    rate = decision.annual_rate if decision else None
    task = case.task
    order = case.order
    mine = bool(task and task.claimed_by_id == user.id)
    waits = order.state == "manual_review" and task is not None
    return CasePage(
        case=case,
        decision=decision,
        months=tuple(_month(sign) for sign in bureau.worst_months) if bureau else (),
        first_month=_months_back(clock.local_date(bureau.queried_at), len(bureau.worst_months)) if bureau and bureau.worst_months else None,
        accounts=tuple(_account(line) for line in bureau.accounts) if bureau else (),
        accounts_total=sum((line.balance for line in bureau.accounts), start=ZERO) if bureau else ZERO,
        public=tuple((str(PUBLIC_RECORDS.get(kind, kind)), amount, on) for kind, amount, on in bureau.public) if bureau else (),
        sum=sum_of(case, amount=order.requested_amount, annual_rate=rate, term=order.requested_term, now=now),
        sla=sla_of(order.sla_due_at if order.awaits_decision else None, now),
        ltv=order.requested_amount / min(order.price, case.vehicle.guide_price) if order.price and case.vehicle else None,
        housing=str(HOUSING.get(case.customer.housing, case.customer.housing)),
        held_by=task.claimed_label if task and task.claimed_label and not mine else "",
        is_mine=mine,
        may_decide=waits and user.can("applications.review") and (mine or task is None or task.claimed_by_id is None),
    )


def _month(sign: str) -> Month:
    if sign in "1234567":
        return Month(sign, "late" if sign in "12" else "bad", str(_("overdue")))
    if sign in "DZBG":
        return Month(sign, "bad", str(_("defaulted")))
    return Month(sign, "", str(_("normal")) if sign == "N" else "")


def _months_back(day: dt.date, count: int) -> dt.date:
    months = day.year * 12 + day.month - 1 - count
    return dt.date(months // 12, months % 12 + 1, 1)


def _account(line: Any) -> dict[str, Any]:
    return {
        "name": str(BUSINESSES.get(line.business, _("other credit"))),
        "amount": line.amount,
        "balance": line.balance,
        "overdue": line.overdue_amount,
        "five_class": str(FIVE_CLASSES.get(line.five_class, line.five_class)),
        "tone": "" if line.five_class in ("1", "9") else "warn" if line.five_class == "2" else "overdue",
    }


def sum_of(case: ReviewCase, *, amount: Decimal | None, annual_rate: Decimal | None, term: int | None, now: dt.datetime) -> Sum:
    """The monthly payment of free terms and what it takes of the income, other debts included."""
    if amount is None or annual_rate is None or term is None:
        return Sum(amount, annual_rate, term)
    application = applications.by_id(case.order.id)
    try:
        quote = products.calculate(
            legal_entity_id=application.legal_entity_id,
            principal=amount,
            annual_rate=annual_rate,
            installments=term,
            on=clock.local_date(now),
        )
    except CarloanError as error:
        return Sum(amount, annual_rate, term, problem=_detail(error))
    income = case.customer.monthly_income
    debts = risk.monthly_obligations(case.decision.id) if case.decision else ZERO
    share = (quote.installment + debts) / income if income else None
    room = MAX_PAYMENT_TO_INCOME * income - debts if income else None
    return Sum(
        amount,
        annual_rate,
        term,
        installment=quote.installment,
        total_interest=quote.total_interest,
        apr=quote.apr_irr,
        payment_to_income=share,
        most_within_income=None if room is None else max(_most(amount, quote.installment, room), ZERO),
    )


def _most(amount: Decimal, installment: Decimal, room: Decimal) -> Decimal:
    """The payment grows with the amount in proportion; rounded down to hundreds, as offers are."""
    if not installment:
        return ZERO
    return (amount * room / installment / 100).to_integral_value(ROUND_DOWN) * 100


def _detail(error: CarloanError) -> str:
    fields = getattr(error, "fields", {})
    return " ".join([error.detail, *(text for texts in fields.values() for text in texts)])
