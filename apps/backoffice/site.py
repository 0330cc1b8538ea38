"""The admin site of the back office."""

from __future__ import annotations

from django.contrib.admin.apps import AdminConfig
from unfold.sites import UnfoldAdminSite


class CarloanAdminSite(UnfoldAdminSite):
    """Unfold's site for staff."""


class CarloanAdminConfig(AdminConfig):
    """Makes `CarloanAdminSite` the default admin site."""

    default_site = "apps.backoffice.site.CarloanAdminSite"
