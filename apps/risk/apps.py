from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class RiskConfig(AppConfig):
    name = "apps.risk"
    verbose_name = pgettext_lazy("app", "Risk")
