from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class IntegrationsConfig(AppConfig):
    name = "apps.integrations"
    verbose_name = pgettext_lazy("app", "Outside parties")
