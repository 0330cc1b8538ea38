"""The API's documentation in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect


def test_the_documentation_of_the_api_opens_under_its_policy(open_as: Callable[..., Page]) -> None:
    page = open_as(None, "/api/docs/")
    expect(page.locator(".opblock").first).to_be_visible()
    policy = page.request.get("/api/docs/").headers["content-security-policy"]
    assert "script-src 'self'" in [part.strip() for part in policy.split(";")]
