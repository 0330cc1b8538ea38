from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "apps.ledger"

    def ready(self) -> None:
        from apps.organisations import business_day

        business_day.register(business_day.Step(name="totals", phase="close", order=60, run="apps.ledger.eod.totals"))
