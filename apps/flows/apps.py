from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class FlowsConfig(AppConfig):
    name = "apps.flows"
    verbose_name = pgettext_lazy("app", "Flows of work")
