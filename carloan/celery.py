"""The Celery application: `celery -A carloan worker` and `celery -A carloan beat`."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_init
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "carloan.settings")

app = Celery("carloan")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.steps["worker"].add(DjangoStructLogInitStep)
app.autodiscover_tasks()


@worker_init.connect
def load_engines(**_kwargs: Any) -> None:
    """Before the worker forks its processes, which then share what draws and signs and need not load it one by one."""
    from apps.documents.services import load_engines as load

    load()
