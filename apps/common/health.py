"""Is this process alive (`/healthz`), and can it serve (`/readyz`): database, migrations and broker."""

from __future__ import annotations

from collections.abc import Callable

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET


def database_answers() -> str:
    """Empty when the database answers, else what is wrong."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return f"The database does not answer: {error}"
    return ""


def migrations_applied() -> str:
    """Empty when the schema is that of this version, else what to do."""
    try:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return f"The database does not answer: {error}"
    return f"{len(waiting)} migrations wait; run `manage.py migrate`." if waiting else ""


def broker_answers() -> str:
    """Empty when the broker answers, else what to do."""
    if not settings.REDIS_URL:
        return "REDIS_URL is not set."
    try:
        redis.Redis.from_url(settings.REDIS_URL.replace("redis+socket://", "unix://"), socket_timeout=2).ping()
    except (redis.RedisError, OSError) as error:
        return f"The broker does not answer: {error}"
    return ""


CHECKS: dict[str, Callable[[], str]] = {
    "database": database_answers,
    "migrations": migrations_applied,
    "broker": broker_answers,
}


@require_GET
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers."""
    return JsonResponse({"status": "ok"})


@require_GET
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every part answers, else 503 with the part and what to do."""
    found = {name: check() for name, check in CHECKS.items()}
    ready = not any(found.values())
    return JsonResponse(
        {"status": "ok" if ready else "not ready", "checks": {name: error or "ok" for name, error in found.items()}},
        status=200 if ready else 503,
    )
