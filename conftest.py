"""Fixtures that every context's tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings as project
from django.db import connection
from django.utils import translation

from apps.integrations import http
from apps.integrations.sandbox.server import RunningSandbox, running
from apps.integrations.tests.support import SandboxInTests
from carloan import template


@pytest.fixture(autouse=True)
def language() -> Iterator[None]:
    """Every test begins in the project's language: a request leaves its own behind in the thread."""
    with translation.override(project.LANGUAGE_CODE):
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Test databases are copies of a template that holds this version's schema."""
    connection.settings_dict["TEST"]["TEMPLATE"] = template.ensure(project.DATABASE_URL)


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[RunningSandbox]:
    """One sandbox process-wide, in a thread, on a free port."""
    with running(callback_delay_s=0.0) as server:
        yield server


@pytest.fixture
def sandbox(sandbox_server: RunningSandbox, settings) -> Iterator[SandboxInTests]:
    """The outside world, empty, over real HTTP. Its callbacks wait until `sandbox.deliver_callbacks()`.

    With `live_server`, `settings.CALLBACK_URL = live_server.url` lets them come by themselves.
    """
    settings.SANDBOX_URL = sandbox_server.url
    settings.CALLBACK_URL = ""
    sandbox_server.reset()
    http.breaker.cache_clear()  # one test's outage is not the next one's
    yield SandboxInTests(sandbox_server)
    sandbox_server.reset()
