"""What each program needs loaded; the server that forks them imports it once. Nothing here connects to anything."""

from importlib import import_module

import django

django.setup()
for _name in ("carloan.celery", "celery.apps.worker", "celery.concurrency.prefork", "kombu.transport.redis"):
    import_module(_name)
import_module("apps.documents.services").load_engines()
import_module("carloan.celery").app.loader.import_default_modules()
_registry = import_module("apps.organisations.business_day")
for _phase in _registry.PHASES:
    for _step in _registry.steps(_phase):
        _step.function()
        _step.partition_function()
