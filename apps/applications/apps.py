from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class ApplicationsConfig(AppConfig):
    name = "apps.applications"
    verbose_name = pgettext_lazy("app", "Orders")
