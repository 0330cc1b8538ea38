"""What beat asks for exists, and the workers of the project listen to its queues."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.module_loading import import_string

from apps.backoffice.views.business_day import STEP_NAMES
from apps.organisations.business_day import PHASES, steps

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("entry", sorted(settings.CELERY_BEAT_SCHEDULE))
def test_a_scheduled_task_exists(entry):
    assert callable(import_string(settings.CELERY_BEAT_SCHEDULE[entry]["task"]).delay)


def test_every_queue_of_a_task_has_a_worker():
    queues = {queue for path in ROOT.glob("apps/*/tasks.py") for queue in re.findall(r'shared_task\(queue="(\w+)"', path.read_text())}
    for wiring in ("carloan/stack.py", "compose.yaml"):
        listened = set(re.findall(r"(?:queues = \"|-Q\", \")([\w,]+)\"", (ROOT / wiring).read_text())[0].split(","))
        assert queues <= listened, wiring


def test_the_steps_of_the_business_day_are_those_of_the_rule_book():
    text = (ROOT / "docs/rules/business-day.md").read_text()
    for phase in PHASES:
        row = re.findall(rf"^\| {phase} \|[^|]*\|([^|]*)\|$", text, re.MULTILINE)[0]
        told = [(name.strip().rsplit(" ", 1)[0].replace(" ", "_"), int(name.strip().rsplit(" ", 1)[1])) for name in row.split(",")]
        assert told == [(step.name, step.order) for step in steps(phase)]


def test_every_step_of_the_business_day_runs_and_has_a_name_for_people():
    registered = [step for phase in PHASES for step in steps(phase)]
    assert all(callable(step.function()) for step in registered)
    assert set(STEP_NAMES) == {step.name for step in registered}


def test_a_worker_loads_what_draws_and_signs_before_it_forks():
    """In a process of its own: this one has loaded it for other tests."""
    program = """
import sys
from celery.signals import worker_init
from carloan.celery import app
app.loader.import_default_modules()
print([name for name in ("weasyprint", "pyhanko") if name in sys.modules])
worker_init.send(sender=app.WorkController(app=app))
print([name for name in ("weasyprint", "pyhanko") if name in sys.modules])
"""
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "carloan.settings_test"}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, cwd=ROOT, env=env, check=False)
    assert done.stdout.splitlines()[-2:] == ["[]", "['weasyprint', 'pyhanko']"], done.stderr[-2000:]
