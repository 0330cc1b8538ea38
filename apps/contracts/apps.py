from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class ContractsConfig(AppConfig):
    name = "apps.contracts"
    verbose_name = pgettext_lazy("app", "Contracts")
