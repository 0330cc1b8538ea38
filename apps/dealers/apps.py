from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class DealersConfig(AppConfig):
    name = "apps.dealers"
    verbose_name = pgettext_lazy("app", "Dealers")
