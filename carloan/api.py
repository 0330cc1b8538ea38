"""The published interface under /api/v1/, with its schema and its documentation."""

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_replace
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

_docs = SpectacularSwaggerSplitView.as_view(url_name="schema", permission_classes=[], authentication_classes=[])

v1 = [
    path("", include("apps.customers.api.urls")),
    path("", include("apps.products.api.urls")),
    path("", include("apps.applications.api.urls")),
    path("", include("apps.contracts.api.urls")),
    path("", include("apps.disbursement.api.urls")),
    path("", include("apps.loans.api.urls")),
    path("", include("apps.postloan.api.urls")),
    path("", include("apps.documents.api.urls")),
]
urlpatterns = [
    path("v1/", include(v1)),
    path("schema/", SpectacularAPIView.as_view(permission_classes=[], authentication_classes=[]), name="schema"),
    path("docs/", csp_replace({"style-src": [SELF, UNSAFE_INLINE]})(_docs), name="api-docs"),  # Swagger's page carries styles
]
