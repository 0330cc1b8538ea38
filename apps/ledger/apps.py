from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class LedgerConfig(AppConfig):
    name = "apps.ledger"
    verbose_name = pgettext_lazy("app", "Ledger")

    def ready(self) -> None:
        from apps.organisations import business_day

        business_day.register(business_day.Step(name="totals", phase="close", order=60, run="apps.ledger.eod.totals"))
