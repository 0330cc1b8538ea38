"""Whose address counts, behind how many proxies, and what strangers learn of the machine."""

import pytest
from axes.helpers import get_client_ip_address
from django.core.cache import cache
from django.db import OperationalError, connection
from django.test import RequestFactory
from rest_framework.test import APIClient
from structlog.testing import capture_logs

from apps.common.middleware import ClientAddressMiddleware, RequestLogMiddleware, client_address

SOCKET = "10.0.0.9"
CLIENT, PROXY, INVENTED = "203.0.113.7", "198.51.100.2", "192.0.2.66"


def seen_from(forwarded: str | None, proxies: int, settings) -> str | None:
    settings.TRUSTED_PROXIES = proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = RequestFactory().get("/", REMOTE_ADDR=SOCKET, headers=headers)
    ClientAddressMiddleware(lambda request: None)(request)
    assert get_client_ip_address(request) == client_address(request)
    return client_address(request)


@pytest.mark.parametrize(
    ("forwarded", "proxies", "seen"),
    [
        (None, 0, SOCKET),
        (INVENTED, 0, SOCKET),
        (None, 1, SOCKET),
        (CLIENT, 1, CLIENT),
        (f"{INVENTED}, {CLIENT}", 1, CLIENT),
        (f"{INVENTED}, {CLIENT}, {PROXY}", 2, CLIENT),
        (CLIENT, 2, CLIENT),
        ("2001:db8::7", 1, "2001:db8::7"),
        ("unknown", 1, SOCKET),
        (" , ", 1, SOCKET),
    ],
)
def test_the_address_behind_the_proxies_that_are_ours(forwarded, proxies, seen, settings):
    assert seen_from(forwarded, proxies, settings) == seen


@pytest.mark.django_db
@pytest.mark.parametrize(("proxies", "last"), [(0, 429), (1, 422)])
def test_an_invented_address_escapes_no_rate_limit(proxies, last, settings):
    settings.TRUSTED_PROXIES = proxies
    cache.clear()
    app = APIClient()
    statuses = [app.post("/api/v1/auth/codes", {}, headers={"X-Forwarded-For": f"203.0.113.{n}"}).status_code for n in range(31)]
    assert (statuses[0], statuses[-1]) == (422, last)


def test_request_logs_name_the_client_and_no_search():
    request = RequestFactory().get("/backoffice/customers/customer/", {"q": "13812345678"}, REMOTE_ADDR=CLIENT)
    assert RequestLogMiddleware.format_request(request) == "GET /backoffice/customers/customer/"


class TestMetrics:
    def ask(self, client, address=CLIENT, **headers):
        return client.get("/metrics", REMOTE_ADDR=address, headers=headers).status_code

    def test_strangers_get_nothing(self, client, settings):
        assert self.ask(client) == 403
        assert self.ask(client, Authorization="Bearer ") == 403
        settings.METRICS_TOKEN = "t0ken"
        assert self.ask(client, Authorization="Bearer other") == 403
        assert self.ask(client, Authorization="Bearer t0ken") == 200

    def test_networks_of_the_settings_get_them(self, client, settings):
        assert self.ask(client, "127.0.0.1") == 200
        assert self.ask(client, "::1") == 200
        assert self.ask(client, "172.18.0.5") == 403
        settings.METRICS_NETWORKS = ["172.16.0.0/12"]
        assert self.ask(client, "172.18.0.5") == 200

    def test_who_comes_through_a_proxy_on_this_machine_is_a_stranger(self, client):
        assert self.ask(client, "127.0.0.1", **{"X-Forwarded-For": CLIENT}) == 403


@pytest.mark.django_db
def test_readiness_tells_the_part_and_the_log_tells_why(client, settings, monkeypatch):
    def down(*_: object) -> None:
        raise OperationalError('connection to server at "db.internal", user "carloan" failed')

    settings.REDIS_URL = settings.CACHE_URL = "redis://carloan:s3cret@127.0.0.1:9/0"
    monkeypatch.setattr(connection, "cursor", down)
    with capture_logs() as logs:
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert not {word for word in ("s3cret", "db.internal", "127.0.0.1", "carloan") if word in answer.content.decode()}
    assert {"database_does_not_answer", "broker_does_not_answer"} <= {log["event"] for log in logs}
