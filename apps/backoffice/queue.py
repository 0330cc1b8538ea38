"""The queue of a workbench: tasks with what a person needs to choose the next one, in a fixed number of queries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.applications import selectors as applications
from apps.disbursement import selectors as disbursement
from apps.flows import selectors as flows
from apps.flows.selectors import TaskView

URGENT: Final = dt.timedelta(minutes=15)
ACTIVITIES: Final = {
    "credit_review": gettext_lazy("Credit review"),
    "disbursement_review": gettext_lazy("Disbursement review"),
    "transfer_failed": gettext_lazy("Failed payment"),
    "payment_unresolved": gettext_lazy("Payment without a result"),
    "payment_contradicted": gettext_lazy("The bank contradicts itself"),
    "money_in_suspense": gettext_lazy("Money in suspense"),
    "credit_left": gettext_lazy("Credit on a settled loan"),
}
PAGES: Final = {"application": "admin:review", "disbursement": "admin:disbursement", "loan": "admin:loan"}
ABOUT_ORDERS: Final = ("payment_unresolved", "payment_contradicted", "money_in_suspense")


@dataclass(frozen=True)
class Sla:
    """How a deadline stands: `tone` and `sign` of the tag, its words, and seconds left (negative: over) for the page's timer."""

    tone: str
    sign: str
    text: str
    due_at: dt.datetime | None
    seconds_left: int


@dataclass(frozen=True)
class QueueItem:
    """A task in the queue; `url` is empty for tasks that are done elsewhere."""

    task: TaskView
    activity: str
    url: str
    subject_id: UUID
    customer: str
    number: str
    about: str
    amount: Decimal | None
    sla: Sla
    is_mine: bool


def sla_of(due_at: dt.datetime | None, now: dt.datetime) -> Sla:
    """Green, amber under 15 minutes, red when missed."""
    if due_at is None:
        return Sla("", "todo", _("no deadline"), None, 0)
    left = due_at - now
    seconds = int(left.total_seconds())
    if seconds < 0:
        return Sla("overdue", "warn", _("%(time)s over") % {"time": span(-seconds)}, due_at, seconds)
    tone = "warn" if left < URGENT else "ok"
    return Sla(tone, "clock", _("%(time)s left") % {"time": span(seconds)}, due_at, seconds)


def span(seconds: int) -> str:
    """`39 min`, `2 h 05 min`, `3 d 4 h`."""
    minutes = seconds // 60
    if minutes < 60:
        return _("%(minutes)s min") % {"minutes": minutes}
    hours = minutes // 60
    if hours < 24:
        return _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": f"{minutes % 60:02}"}
    return _("%(days)s d %(hours)s h") % {"days": hours // 24, "hours": hours % 24}


def activity_name(activity: str) -> str:
    """The activity in words."""
    return str(ACTIVITIES.get(activity, activity.replace("_", " ")))


def items_of(tasks: Sequence[TaskView], user: Any, now: dt.datetime) -> list[QueueItem]:
    """Tasks with their orders, two queries for all of them, a third for payments in; orders that the person may not see stay nameless."""
    payments = {
        row.id: row
        for row in disbursement.disbursements_of(user).filter(
            id__in=[task.subject_ref for task in tasks if task.subject_kind == "disbursement"]
        )
    }
    debits = _debits_of(tasks, user)
    wanted = {task.subject_ref for task in tasks if task.subject_kind == "application"} | {row.application_ref for row in payments.values()}
    found = applications.orders_of(user).select_related("customer", "vehicle__series__brand").filter(id__in=wanted)
    orders = {row.id: row for row in found}
    return [_item(task, payments.get(task.subject_ref) or debits.get(task.subject_ref), orders, user, now) for task in tasks]


def _debits_of(tasks: Sequence[TaskView], user: Any) -> dict[UUID, Any]:
    """Payments in among the tasks' subjects; they are rare and asked for only then."""
    ids = [task.subject_ref for task in tasks if task.subject_kind == "repayment_order"]
    return {row.id: row for row in disbursement.orders_of(user).filter(id__in=ids)} if ids else {}


def _url_of(task: TaskView, payment: Any) -> str:
    """Where a task is done; an unresolved payment has a page of its own once it has an order number."""
    if task.activity in ABOUT_ORDERS and payment and payment.order_no:
        return reverse("admin:payment_result", args=[payment.order_no])
    page = PAGES.get(task.subject_kind)
    return reverse(page, args=[task.subject_ref]) if page else ""


def _item(task: TaskView, payment: Any, orders: dict[UUID, Any], user: Any, now: dt.datetime) -> QueueItem:
    order = orders.get(getattr(payment, "application_ref", task.subject_ref))
    amount = payment.amount if payment else order.requested_amount if order else None
    return QueueItem(
        task=task,
        activity=activity_name(task.activity),
        url=_url_of(task, payment),
        subject_id=task.subject_ref,
        customer=order.customer.masked_name if order else "–",
        number=order.number if order else getattr(payment, "application_number", "") or getattr(payment, "order_no", ""),
        about=str(order.vehicle) if order and order.vehicle_id else "",
        amount=amount,
        sla=sla_of(task.due_at, now),
        is_mine=task.claimed_by_id == user.id,
    )


def mine_and_waiting(user: Any, now: dt.datetime) -> list[QueueItem]:
    """What a case page shows at its side: the person's own tasks and those nobody has, the urgent ones first."""
    return items_of(flows.open_tasks(user), user, now)


def team(user: Any, now: dt.datetime) -> list[QueueItem]:
    """Every open task that the person may take, whoever holds it."""
    return items_of(flows.team_tasks(user), user, now)
