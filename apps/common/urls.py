from django.urls import path

from apps.common import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("metrics", health.metrics, name="metrics"),
    path("readyz", health.readyz, name="readyz"),
]
