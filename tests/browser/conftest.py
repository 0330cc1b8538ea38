"""Pages in a real Chromium: people with their sessions, at the width of a phone and of a desk.

Every page that a test opens is watched: no request may leave for another host, no script may fail.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from apps.organisations.models import User
from apps.organisations.tests.support import sign_in

# Playwright keeps an event loop in this thread, for which Django would refuse its synchronous database calls.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

CHROMIUM = "/usr/bin/chromium"
WIDTHS = {"phone": (360, 800), "desk": (1280, 900)}
expect.set_options(timeout=15_000)  # what is waited for comes at once, but on a busy machine
SERIOUS = {"serious", "critical"}
T = TypeVar("T")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; as root it wants no sandbox of its own. It ends with the module, and its event loop with it: tests of other
    modules run in this thread, too, and some start a loop of their own."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield chromium
        chromium.close()


@dataclass
class Watch:
    """What went wrong behind a page's back."""

    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def over(self, page: Page, host: str) -> None:
        page.on("request", lambda request: self._note(request.url, host))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if "Content Security Policy" in message.text else None)

    def _note(self, url: str, host: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and parts.netloc != host:
            self.foreign.append(url)


@pytest.fixture
def server(live_server: LiveServer) -> LiveServer:
    """The server that pages are opened on: one with an empty database for each test, unless a module says otherwise."""
    return live_server


@pytest.fixture
def open_as(server: LiveServer, browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page as somebody (None: nobody) at a width of `WIDTHS`: `page = open_as(user, "/backoffice/", "phone")`."""
    contexts: list[BrowserContext] = []
    watch = Watch()

    def enter(user: User | None, path: str, width: str = "desk", **options: Any) -> Page:
        size = WIDTHS[width]
        context = browser.new_context(
            base_url=server.url,
            viewport={"width": size[0], "height": size[1]},
            locale=options.pop("locale", "zh-CN"),
            has_touch=width == "phone",
            **options,
        )
        contexts.append(context)
        if user is not None:
            context.add_cookies([{"name": "sessionid", "value": session_of(user), "url": server.url}])
        page = context.new_page()
        watch.over(page, urlsplit(server.url).netloc)
        page.goto(path)
        return page

    yield enter
    for context in contexts:
        context.close()
    assert (watch.foreign, watch.errors) == ([], [])


def session_of(user: User) -> str:
    """The session key of somebody signed in with both factors."""
    client = Client()
    sign_in(client, user)
    key = client.session.session_key
    assert key
    return str(key)


def elsewhere(make: Callable[[], T]) -> T:
    """What `make` returns, called in a thread of its own: some libraries start an event loop, and this thread has Playwright's."""

    def call() -> T:
        try:
            return make()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        return threads.submit(call).result()


def assert_accessible(page: Page, **options: Any) -> None:
    """No serious finding of axe (WCAG 2.1 A and AA, best practices). `options` go to axe, such as `runOnly=["color-contrast"]`."""
    found = [
        f"{violation['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:240]}"
        for violation in Axe().run(page, options=options or None).response["violations"]
        if violation["impact"] in SERIOUS
        for node in violation["nodes"]
    ]
    assert found == [], "\n".join([page.url, *found])


def assert_fits(page: Page) -> None:
    """Nothing sticks out at the side: the page scrolls downwards only."""
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    wide = page.evaluate(
        """() => [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1
              && !e.closest('.scroll, [data-simplebar], dialog, .skip, .hide')).slice(0, 5).map((e) => e.outerHTML.slice(0, 120))"""
    )
    assert overflow <= 0, f"{page.url} is {overflow} px too wide: {wide}"
