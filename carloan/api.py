"""The published interface under /api/v1/, with its schema and its documentation."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

v1 = [
    path("", include("apps.customers.api.urls")),
    path("", include("apps.products.api.urls")),
    path("", include("apps.applications.api.urls")),
    path("", include("apps.contracts.api.urls")),
    path("", include("apps.disbursement.api.urls")),
    path("", include("apps.loans.api.urls")),
    path("", include("apps.documents.api.urls")),
]
urlpatterns = [
    path("v1/", include(v1)),
    path("schema/", SpectacularAPIView.as_view(permission_classes=[], authentication_classes=[]), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="schema", permission_classes=[], authentication_classes=[]), name="api-docs"),
]
