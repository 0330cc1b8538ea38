"""What beat asks for exists, and the workers of the project listen to its queues."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.module_loading import import_string

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("entry", sorted(settings.CELERY_BEAT_SCHEDULE))
def test_a_scheduled_task_exists(entry):
    assert callable(import_string(settings.CELERY_BEAT_SCHEDULE[entry]["task"]).delay)


def test_every_queue_of_a_task_has_a_worker():
    queues = {queue for path in ROOT.glob("apps/*/tasks.py") for queue in re.findall(r'shared_task\(queue="(\w+)"', path.read_text())}
    for wiring in ("carloan/stack.py", "compose.yaml"):
        listened = set(re.findall(r"(?:queues = \"|-Q\", \")([\w,]+)\"", (ROOT / wiring).read_text())[0].split(","))
        assert queues <= listened, wiring
