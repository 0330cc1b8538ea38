from django.apps import AppConfig


class CustomersConfig(AppConfig):
    name = "apps.customers"

    def ready(self) -> None:
        from apps.common import purge
        from apps.customers import services

        purge.register("login_codes", services.expired_login_codes)
        purge.register("tokens", services.expired_tokens)
