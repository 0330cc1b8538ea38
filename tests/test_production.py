"""Production mode: nothing has a silent default, and a start that cannot succeed says why in one line."""

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from carloan import embedded

ROOT = Path(__file__).resolve().parent.parent
KEY = base64.b64encode(bytes(32)).decode()
PARTIES = ("sms", "identity", "bureau", "bank", "timestamp")
STATED = {
    "CARLOAN_PRODUCTION": "1",
    "SECRET_KEY": "k" * 60,
    "CRYPTO_KEY_K1": KEY,
    "BLIND_INDEX_KEY": KEY,
    "DATABASE_URL": settings.DATABASE_URL,
    "REDIS_URL": "redis://redis.example:6379/0",
    "ALLOWED_HOSTS": "loans.example",
    "PUBLIC_URL": "https://loans.example",
    "GATEWAYS": ",".join(f"{party}={settings.SANDBOX_ADAPTERS[party]}" for party in PARTIES),
    "GATEWAY_URLS": ",".join(f"{party}=https://{party}.example" for party in PARTIES),
    "GATEWAY_SECRETS": ",".join(f"{party}=s3cret" for party in PARTIES),
}
LOADED = "from carloan.start import load_settings as load; load(); from carloan import settings; "
OURS = ("CARLOAN_", "DJANGO_", "GATEWAY", "SANDBOX_")


def start(*program: str, **stated: str) -> subprocess.CompletedProcess[str]:
    """A program of ours with these settings and no others."""
    rest = {name: value for name, value in os.environ.items() if name not in STATED and not name.startswith(OURS)}
    return subprocess.run([sys.executable, *program], cwd=ROOT, env=rest | stated, capture_output=True, text=True, timeout=60, check=False)


def test_production_starts_with_everything_stated():
    told = start("-c", LOADED + "print(settings.GATEWAY_URLS)", **STATED)
    assert (told.returncode, "https://bank.example" in told.stdout) == (0, True), told.stderr


@pytest.mark.parametrize("name", sorted(set(STATED) - {"CARLOAN_PRODUCTION"}))
def test_what_is_missing_is_named_in_one_line(name):
    told = start("manage.py", "check", **{key: value for key, value in STATED.items() if key != name})
    assert told.returncode == 2
    assert f"Set {name}:" in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "1"),
        ("CLOCK_MOVABLE", "1"),
        ("BLIND_INDEX_KEY", "------"),
        ("CRYPTO_KEY_K1", "c2hvcnQ="),
        ("CRYPTO_KEYS_MORE", "k2=c2hvcnQ="),
        ("CRYPTO_CURRENT_KEY", "k9"),
    ],
)
def test_what_would_take_protection_away_is_refused(name, value):
    told = start("-c", LOADED, **STATED | {name: value})
    assert (told.returncode, name in told.stderr) == (2, True), told.stderr
    assert len(told.stderr.strip().splitlines()) == 1


def test_web_processes_share_their_counters(tmp_path):
    url, server = embedded.start_redis(tmp_path)
    try:
        add = (
            "-c",
            "from carloan.start import load_settings as load; load()\n"
            "from django.core.cache import cache; cache.add('limit', 0); print(cache.incr('limit'))",
        )
        assert [start(*add, **STATED | {"REDIS_URL": url}).stdout.strip() for _ in range(2)] == ["1", "2"]
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize(("proxies", "believed"), [("0", "None"), ("1", "('HTTP_X_FORWARDED_PROTO', 'https')")])
def test_a_header_about_https_is_believed_only_behind_a_proxy(proxies, believed):
    assert (
        start("-c", LOADED + "print(settings.SECURE_PROXY_SSL_HEADER)", **STATED | {"TRUSTED_PROXIES": proxies}).stdout.strip() == believed
    )


@pytest.mark.parametrize("name", ["GATEWAYS", "GATEWAY_URLS", "GATEWAY_SECRETS"])
def test_a_party_that_is_forgotten_is_named(name):
    told = start("manage.py", "check", **STATED | {name: STATED[name].replace("bank=", "banc=")})
    assert (told.returncode, f"Set {name}: it names nothing for bank," in told.stderr) == (2, True)


def test_the_sandbox_does_not_run_in_production():
    told = start("manage.py", "sandbox", "--port", "0", **STATED)
    assert told.returncode == 2
    assert "does not run in production" in told.stderr


def test_tests_speak_with_the_sandbox_alone():
    assert (settings.PRODUCTION, settings.GATEWAYS, settings.GATEWAY_URLS) == (False, settings.SANDBOX_ADAPTERS, {})
