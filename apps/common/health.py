"""Is this process alive (`/healthz`), can it serve (`/readyz`: database, migrations, broker), and what it counts (`/metrics`).

The first two are for anybody, so they name the part that fails and nothing else; the reason stands in the log.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable

import redis
import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from django_prometheus.exports import ExportToDjangoView

from apps.common.middleware import client_address

log = structlog.get_logger(__name__)


def database_answers() -> str:
    """Empty when the database answers, else what is wrong."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        log.warning("database_does_not_answer", error=str(error))
        return "The database does not answer."
    return ""


def migrations_applied() -> str:
    """Empty when the schema is that of this version, else what to do."""
    try:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        log.warning("database_does_not_answer", error=str(error))
        return "The database does not answer."
    return f"{len(waiting)} migrations wait; run `manage.py migrate`." if waiting else ""


def broker_answers() -> str:
    """Empty when the broker answers, else what to do."""
    if not settings.REDIS_URL:
        return "REDIS_URL is not set."
    try:
        redis.Redis.from_url(settings.CACHE_URL, socket_timeout=2).ping()
    except (redis.RedisError, OSError) as error:
        log.warning("broker_does_not_answer", error=str(error))
        return "The broker does not answer."
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


@require_GET
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Counters for Prometheus: with the bearer token of settings, or asked directly from one of their networks."""
    if not (_has_token(request) or _is_near(request)):
        return HttpResponseForbidden("Send METRICS_TOKEN as bearer token, or ask from METRICS_NETWORKS.", content_type="text/plain")
    return ExportToDjangoView(request)


def _has_token(request: HttpRequest) -> bool:
    expected = f"Bearer {settings.METRICS_TOKEN}"
    return bool(settings.METRICS_TOKEN) and hmac.compare_digest(request.headers.get("Authorization", "").encode(), expected.encode())


def _is_near(request: HttpRequest) -> bool:
    """Whoever comes through a proxy is not near, wherever the proxy stands."""
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    address = ipaddress.ip_address(client_address(request) or "0.0.0.0")  # noqa: S104  (no address: near to nobody)
    return any(address in ipaddress.ip_network(network.strip()) for network in settings.METRICS_NETWORKS)
