"""Every address of the project, by audience."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("apps.portal.urls")),
    path("backoffice/", admin.site.urls),
    path("api/", include("carloan.api")),
    path("callbacks/", include("apps.integrations.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("apps.common.urls")),
]
