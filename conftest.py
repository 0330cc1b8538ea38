"""Fixtures that every context's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings as project
from django.db import connection, transaction
from django.test import override_settings
from django.utils import translation

from apps.integrations import http
from apps.integrations.sandbox.server import RunningSandbox, running
from apps.integrations.tests.support import SandboxInTests
from carloan import template


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Journeys and faults first, for they take long and one process alone can do each; pages in a browser last: they empty the database."""
    turns = {"journeys": 0, "faults": 0, "browser": 2}
    items.sort(key=lambda item: turns.get(item.path.parent.name, 1))


@pytest.fixture(autouse=True)
def language() -> Iterator[None]:
    """Every test begins in the project's language: a request leaves its own behind in the thread."""
    with translation.override(project.LANGUAGE_CODE):
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Test databases are copies of a template that holds this version's schema."""
    connection.settings_dict["TEST"]["TEMPLATE"] = template.ensure(project.DATABASE_URL)


@pytest.fixture(scope="module")
def module_db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A transaction around a module: what its fixtures of module scope write is seen by each of its tests, and gone after the last.

    Not for tests with `transaction=True`.
    """
    block = transaction.atomic()
    block._from_testcase = True  # Django's own mark: not a transaction of the product
    with django_db_blocker.unblock(), block:
        yield
        transaction.set_rollback(True)


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
    with _empty(sandbox_server):
        yield SandboxInTests(sandbox_server)


@contextmanager
def _empty(server: RunningSandbox) -> Iterator[None]:
    server.reset()
    http.breaker.cache_clear()  # one test's outage is not the next one's
    yield
    server.reset()


@pytest.fixture(scope="module")
def module_sandbox(sandbox_server: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The outside world and an archive for fixtures of module scope."""
    archive = tmp_path_factory.mktemp("archive")
    with override_settings(SANDBOX_URL=sandbox_server.url, CALLBACK_URL="", ARCHIVE_DIR=archive), _empty(sandbox_server):
        yield
