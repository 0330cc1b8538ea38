from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import pgettext_lazy


class CommonConfig(AppConfig):
    name = "apps.common"
    verbose_name = pgettext_lazy("app", "Shared mechanisms")

    def ready(self) -> None:
        from apps.common import triggers

        triggers.install()
        autodiscover_modules("handlers")
