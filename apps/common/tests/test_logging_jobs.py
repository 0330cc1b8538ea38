import datetime as dt

import pytest

from apps.common import jobs
from apps.common.actors import Actor
from apps.common.logging import mask_personal_data
from apps.common.models import Job

NOW = dt.datetime(2026, 11, 20, 6, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        ({"phone": "13812345678"}, {"phone": "***"}),
        ({"event": "sent to 13812345678"}, {"event": "sent to 138****5678"}),
        ({"event": "id 110101199003071234 seen"}, {"event": "id 110101********1234 seen"}),
        ({"event": "card 6222021234567890123"}, {"event": "card ****0123"}),
        (
            {"exc": ["boom", {"phone": "13812345678"}, "Key (phone)=(13812345678)"]},
            {"exc": ["boom", {"phone": "***"}, "Key (phone)=(138****5678)"]},
        ),
        ({"event": "order CL20261120-000482", "count": 3}, {"event": "order CL20261120-000482", "count": 3}),
    ],
)
def test_logs_carry_no_personal_data(event, shown):
    assert mask_personal_data(None, "info", event) == shown


@pytest.mark.django_db
def test_a_job_tells_how_far_it_is_and_how_it_ended():
    job = jobs.start("tests.count", params={"n": 2}, actor=Actor.system("tests"), now=NOW, total=2)
    jobs.advance(job, 1, failures=[("LN1", "odd")])
    assert (Job.objects.get().done, Job.objects.get().total, Job.objects.get().failures) == (1, 2, [["LN1", "odd"]])
    jobs.finish(job, now=NOW, result={"ok": True})
    assert Job.objects.get().state == "done"
    second = jobs.start("tests.count", params={}, actor=Actor.system("tests"), now=NOW)
    jobs.fail(second, "stopped at 3", now=NOW)
    assert Job.objects.get(id=second.id).error == "stopped at 3"
