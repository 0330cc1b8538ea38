"""The admin site of the back office: unfold's lists, our own pages, and a home that says what waits."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from django.template.response import TemplateResponse
from unfold.sites import UnfoldAdminSite


class CarloanAdminSite(UnfoldAdminSite):
    """Unfold's site for staff who have signed in with their second factor."""

    index_template = "backoffice/home.html"

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and request.user.is_verified()  # type: ignore[union-attr]

    def get_urls(self) -> list[Any]:
        # Imported late: the views need the apps that this module is read before.
        from apps.backoffice.urls import pages

        return [*pages(), *super().get_urls()]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        from apps.backoffice.home import home_of

        return super().index(request, {"home": home_of(request.user), **(extra_context or {})})


class CarloanAdminConfig(AdminConfig):
    """Makes `CarloanAdminSite` the default admin site."""

    default_site = "apps.backoffice.site.CarloanAdminSite"
