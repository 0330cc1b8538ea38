"""The workbench: what is mine, what waits for the team, and the next one at a key."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.applications import services as applications
from apps.backoffice import queue
from apps.backoffice.access import StaffRequest, show, staff_page
from apps.common.errors import NotFound
from apps.flows import selectors as flows
from apps.flows import services as flow_services
from apps.flows.selectors import TaskView

_TRIES = 5  # colleagues press the same key at the same moment


@require_GET
@staff_page()
def workbench(request: StaffRequest) -> HttpResponse:
    """All open tasks that the person may do, the urgent ones first."""
    tasks = queue.team(request.user, request.now)
    context = {
        "mine": [item for item in tasks if item.is_mine],
        "waiting": [item for item in tasks if item.task.state == "waiting"],
        "others": [item for item in tasks if item.task.state == "claimed" and not item.is_mine],
    }
    return show(request, "backoffice/workbench.html", context)


@require_POST
@staff_page()
def claim(request: StaffRequest, task_id: UUID) -> HttpResponse:
    """Take a task and go to its page."""
    return _take(request, _task(request, task_id))


@require_POST
@staff_page()
def claim_next(request: StaffRequest) -> HttpResponse:
    """Take the most urgent task that nobody has; of two who press at once, the second gets the next one."""
    for _try in range(_TRIES):
        task = flows.next_task(request.user)
        if task is None:
            break
        try:
            return _take(request, task)
        except flow_services.TaskTaken:
            continue
    messages.info(request, _("Nothing waits for you. Well done."))
    return redirect("admin:workbench")


@require_POST
@staff_page()
def hand_back(request: StaffRequest, task_id: UUID) -> HttpResponse:
    """Let somebody else do it."""
    flow_services.hand_back_task(task_id=task_id, reason=request.POST.get("reason", "").strip(), actor=request.actor, now=request.now)
    messages.success(request, _("The task waits for somebody else now."))
    return redirect("admin:workbench")


def _task(request: HttpRequest, task_id: UUID) -> TaskView:
    found = next((task for task in flows.team_tasks(request.user) if task.id == task_id), None)
    if found is None:
        raise NotFound(_("There is no such open task. Somebody may have done it meanwhile."))
    return found


def _take(request: StaffRequest, task: TaskView) -> HttpResponse:
    if task.subject_kind == "application" and task.activity == "credit_review":
        # Asks more than the task itself: nobody reviews an order of their own.
        applications.claim_review(application_id=task.subject_ref, actor=request.actor, now=request.now)
    else:
        flow_services.claim_task(task_id=task.id, actor=request.actor, now=request.now)
    return redirect(page_of(task))


def page_of(task: TaskView) -> str:
    """Where a task is done."""
    page = queue.PAGES.get(task.subject_kind)
    return reverse(page, args=[task.subject_ref]) if page else reverse("admin:workbench")
