from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class CustomersConfig(AppConfig):
    name = "apps.customers"
    verbose_name = pgettext_lazy("app", "Customers")

    def ready(self) -> None:
        from apps.common import purge
        from apps.customers import services

        purge.register("login_codes", services.expired_login_codes)
        purge.register("tokens", services.expired_tokens)
