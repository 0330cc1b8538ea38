"""The admin site of the back office: unfold's lists, our own pages, and a home that says what waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp_replace
from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from unfold.sites import UnfoldAdminSite

# What unfold's pages need beyond the project's policy: its Alpine evaluates expressions, and its templates carry styles. No inline scripts.
_OF_UNFOLD = csp_replace({"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]})


class CarloanAdminSite(UnfoldAdminSite):
    """Unfold's site for staff who have signed in with their second factor."""

    index_template = "backoffice/home.html"

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and request.user.is_verified()  # type: ignore[union-attr]

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        return _OF_UNFOLD(super().admin_view(view, cacheable))  # type: ignore[no-any-return]

    @method_decorator([never_cache, _OF_UNFOLD])
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().login(request, extra_context)

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
