"""Home: what waits for me, today's figures, how the system stands. Each part only for those who may see it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.db.models import Count, Q, Sum
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.applications import selectors as applications
from apps.backoffice.navigation import TASK_PERMISSIONS
from apps.backoffice.queue import Sla, activity_name, sla_of, span
from apps.common import clock
from apps.common.models import ChangeRequest, Job, OutboxDelivery
from apps.common.money import ZERO
from apps.disbursement import selectors as disbursement
from apps.flows import selectors as flows
from apps.loans import selectors as loans
from apps.organisations import selectors as organisations
from apps.postloan import selectors as postloan
from apps.reconciliation import selectors as reconciliation

LIVE: Final = ("active", "overdue")
# An order approved today stands in one of these, or came through them.
NOT_APPROVED: Final = ("draft", "submitted", "screening", "manual_review", "more_info", "declined", "withdrawn", "expired")
BUCKETS: Final = (
    (gettext_lazy("1–4 days"), 1, 4),
    (gettext_lazy("5–30 days"), 5, 30),
    (gettext_lazy("31–60 days"), 31, 60),
    (gettext_lazy("61–90 days"), 61, 90),
    (gettext_lazy("over 90 days"), 91, None),
)


@dataclass(frozen=True)
class Waiting:
    """A pile of work: how many, since when, how urgent the first of it is, and where it is done."""

    name: str
    count: int
    mine: int
    oldest: str
    sla: Sla | None
    url: str


@dataclass(frozen=True)
class Figure:
    """One of today's figures; `unit` small behind it, `note` below, `tone` of the value."""

    name: str
    value: str
    unit: str
    note: str
    url: str
    tone: str = ""


@dataclass(frozen=True)
class Bucket:
    """Overdue loans of a range of days: `width` in hundredths of the widest bar."""

    name: str
    count: int
    amount: Decimal
    width: int


@dataclass(frozen=True)
class Lamp:
    """One line of the system strip."""

    name: str
    text: str
    tone: str
    sign: str
    url: str


@dataclass(frozen=True)
class Home:
    """The page."""

    waiting: tuple[Waiting, ...]
    figures: tuple[Figure, ...]
    buckets: tuple[Bucket, ...]
    lamps: tuple[Lamp, ...]
    has_workbench: bool
    now: dt.datetime
    today: dt.date


def home_of(user: Any) -> Home:
    """What somebody sees first in the morning."""
    now = clock.now()
    return Home(
        waiting=(*_tasks(user, now), *_other_work(user, now)),
        figures=tuple(_figures(user, now)),
        buckets=_buckets(user),
        lamps=tuple(_lamps(user)) if user.can("jobs.view") or user.can("eod.run") else (),
        has_workbench=any(user.can(name) for name in TASK_PERMISSIONS),
        now=now,
        today=clock.local_date(now),
    )


def _tasks(user: Any, now: dt.datetime) -> list[Waiting]:
    piles: dict[str, list[Any]] = {}
    for task in flows.team_tasks(user):
        piles.setdefault(task.activity, []).append(task)
    return [
        Waiting(
            name=activity_name(activity),
            count=len(tasks),
            mine=sum(task.claimed_by_id == user.id for task in tasks),
            oldest=span(int((now - min(task.opened_at for task in tasks)).total_seconds())),
            sla=sla_of(tasks[0].due_at, now),  # tasks come the most urgent first
            url=reverse("admin:workbench"),
        )
        for activity, tasks in piles.items()
    ]


def _other_work(user: Any, now: dt.datetime) -> list[Waiting]:
    piles = []
    if user.can("approvals.check"):
        waiting = ChangeRequest.objects.visible_to(user).filter(state="proposed").exclude(maker_id=user.id)
        piles.append(_pile(_("Approvals by two"), waiting, "proposed_at", now, reverse("admin:approvals")))
    if user.can("reconciliation.work"):
        url = reverse("admin:reconciliation_difference_changelist")
        piles.append(_pile(_("Differences of reconciliation"), reconciliation.open_differences(user), "created_at", now, url))
    if user.can("disbursement.pay"):
        url = reverse("admin:disbursement_banknotice_changelist")
        piles.append(_pile(_("Notices of banks to look at"), disbursement.notices_to_look_at(user), "received_at", now, url))
    if user.can("postloan.collect"):
        url = reverse("admin:postloan_collectioncase_changelist")
        piles.append(_pile(_("Collection cases"), postloan.cases_of(user).exclude(state="closed"), "created_at", now, url))
    return [pile for pile in piles if pile.count]


def _pile(name: str, rows: Any, since: str, now: dt.datetime, url: str) -> Waiting:
    moments = list(rows.order_by(since).values_list(since, flat=True)[:1])
    oldest = span(max(int((now - moments[0]).total_seconds()), 0)) if moments else ""
    return Waiting(name, rows.count(), 0, oldest, None, url)


def _figures(user: Any, now: dt.datetime) -> list[Figure]:
    start = clock.beijing(clock.local_date(now))
    figures: list[Figure] = []
    if user.can("applications.view"):
        figures += _order_figures(user, start)
    if user.can("disbursement.view"):
        figures += _money_figures(user, start)
    if user.can("loans.view"):
        figures += _loan_figures(user)
    return figures


def _order_figures(user: Any, start: dt.datetime) -> list[Figure]:
    orders = applications.orders_of(user).order_by()
    decided = Q(decided_at__gte=start)
    told = orders.aggregate(
        handed_in=Count("id", filter=Q(submitted_at__gte=start)),
        approved=Count("id", filter=decided & ~Q(state__in=NOT_APPROVED)),
        declined=Count("id", filter=decided & Q(state="declined")),
    )
    url = reverse("admin:applications_application_changelist")
    ends = told["approved"] + told["declined"]
    rate = _("approval rate %(rate)s%%") % {"rate": f"{100 * told['approved'] / ends:.0f}"} if ends else _("none decided yet")
    return [
        Figure(_("Applications today"), f"{told['handed_in']:,}", "", "", url),
        Figure(_("Approved today"), f"{told['approved']:,}", "", rate, url),
    ]


def _money_figures(user: Any, start: dt.datetime) -> list[Figure]:
    out = disbursement.disbursements_of(user).order_by().filter(state="succeeded", finished_at__gte=start)
    came = disbursement.orders_of(user).order_by().filter(state="succeeded", finished_at__gte=start)
    figures = [
        _sum_figure(_("Disbursed today"), out, reverse("admin:disbursement_disbursement_changelist")),
        _sum_figure(_("Collected today"), came, reverse("admin:disbursement_repaymentorder_changelist")),
    ]
    accounts = list(disbursement.accounts_of(user))
    if accounts:
        available = sum((account.position.available for account in accounts), start=ZERO)
        low = [account.funder.name for account in accounts if account.position.runs_low(account.warn_share)]
        note = _("running low: %(names)s") % {"names": ", ".join(low)} if low else _("%(count)s accounts") % {"count": len(accounts)}
        url = reverse("admin:disbursement_fundingaccount_changelist")
        figures.append(Figure(_("Positions available"), f"{available:,.2f}", _("yuan"), note, url, "warn" if low else ""))
    return figures


def _sum_figure(name: str, rows: Any, url: str) -> Figure:
    told = rows.aggregate(total=Sum("amount"), count=Count("id"))
    return Figure(name, f"{told['total'] or ZERO:,.2f}", _("yuan"), _("%(count)s payments") % {"count": told["count"]}, url)


def _loan_figures(user: Any) -> list[Figure]:
    told = (
        loans.loans(user)
        .order_by()
        .filter(state__in=LIVE)
        .aggregate(
            count=Count("id"),
            owed=Sum("balance__principal"),
            late=Count("id", filter=Q(state="overdue")),
            overdue=Sum("balance__overdue", filter=Q(state="overdue")),
        )
    )
    url = reverse("admin:loans_loan_changelist")
    overdue, count = told["overdue"] or ZERO, {"count": told["late"]}
    return [
        Figure(_("Principal outstanding"), f"{told['owed'] or ZERO:,.2f}", _("yuan"), _("%(count)s loans") % {"count": told["count"]}, url),
        Figure(
            _("Overdue"),
            f"{overdue:,.2f}",
            _("yuan"),
            _("%(count)s loans") % count,
            f"{url}?state__exact=overdue",
            "overdue" if overdue else "",
        ),
    ]


def _buckets(user: Any) -> tuple[Bucket, ...]:
    """Overdue loans by days past due; empty where the person may not see loans, or none is overdue."""
    if not user.can("loans.view"):
        return ()
    sums: dict[str, Any] = {}
    for number, (_name, least, most) in enumerate(BUCKETS):
        days = Q(balance__dpd__gte=least) & (Q(balance__dpd__lte=most) if most else Q())
        sums |= {f"count{number}": Count("id", filter=days), f"amount{number}": Sum("balance__principal", filter=days)}
    told = loans.loans(user).order_by().filter(state__in=LIVE).aggregate(**sums)
    highest = max((told[f"amount{number}"] or ZERO for number in range(len(BUCKETS))), default=ZERO)
    if not highest:
        return ()
    return tuple(
        Bucket(str(name), told[f"count{number}"], amount := told[f"amount{number}"] or ZERO, int(100 * amount / highest))
        for number, (name, _least, _most) in enumerate(BUCKETS)
    )


def _lamps(user: Any) -> list[Lamp]:
    lamps = _day_lamps(user)
    deliveries = dict(
        OutboxDelivery.objects.filter(state__in=["waiting", "failed"]).order_by().values_list("state").annotate(count=Count("id"))
    )
    url = reverse("admin:common_outboxdelivery_changelist")
    failed, waiting = deliveries.get("failed", 0), deliveries.get("waiting", 0)
    text = _("%(waiting)s waiting, %(failed)s failed") % {"waiting": waiting, "failed": failed}
    lamps.append(
        Lamp(
            _("Events"), text, "overdue" if failed else "ok", "warn" if failed else "check", f"{url}?state__exact=failed" if failed else url
        )
    )
    jobs = dict(Job.objects.visible_to(user).filter(state__in=["running"]).order_by().values_list("state").annotate(count=Count("id")))
    running = jobs.get("running", 0)
    lamps.append(
        Lamp(
            _("Jobs"),
            _("%(count)s running") % {"count": running},
            "info" if running else "ok",
            "clock" if running else "check",
            reverse("admin:eod"),
        )
    )
    return lamps


def _day_lamps(user: Any) -> list[Lamp]:
    """Each entity's books: the open day, and whether a day before it has not closed."""
    days: dict[Any, dict[str, Any]] = {}
    for day in organisations.business_days(user).filter(state__in=["open", "closing"]):
        days.setdefault(day.legal_entity, {})[day.state] = day
    lamps = []
    for entity, states in days.items():
        closing, opened = states.get("closing"), states.get("open")
        text = _("open %(day)s") % {"day": opened.date} if opened else "–"
        if closing:
            text = _("closing %(day)s") % {"day": closing.date}
        lamps.append(
            Lamp(
                _("Books of %(entity)s") % {"entity": entity},
                text,
                "warn" if closing else "ok",
                "clock" if closing else "check",
                reverse("admin:eod"),
            )
        )
    return lamps
