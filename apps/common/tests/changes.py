"""A kind of change that only the kernel's tests know."""

from collections.abc import Callable

from apps.common import approvals
from apps.common.errors import Conflict
from apps.common.models import WorkingDay

besides: list[Callable[[], object]] = []
approvals.register(
    approvals.Kind(
        name="tests.holiday",
        propose_permission="organisations.edit",
        check_permission="approvals.check",
        preview="apps.common.tests.changes.preview",
        execute="apps.common.tests.changes.execute",
    )
)


def preview(payload, now):
    return {"before": None, "after": payload["day"]}


def execute(payload, actor, now, reference):
    if WorkingDay.objects.filter(day=payload["day"]).exists():
        raise Conflict("That day is there already.")
    WorkingDay.objects.create(day=payload["day"], is_working=False)
    for deed in besides:
        deed()
    return {"reference": reference}
