"""The admin site of the back office."""

from __future__ import annotations

from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from unfold.sites import UnfoldAdminSite


class CarloanAdminSite(UnfoldAdminSite):
    """Unfold's site for staff who have signed in with their second factor."""

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and request.user.is_verified()  # type: ignore[union-attr]


class CarloanAdminConfig(AdminConfig):
    """Makes `CarloanAdminSite` the default admin site."""

    default_site = "apps.backoffice.site.CarloanAdminSite"
