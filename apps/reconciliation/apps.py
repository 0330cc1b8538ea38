from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class ReconciliationConfig(AppConfig):
    name = "apps.reconciliation"
    verbose_name = pgettext_lazy("app", "Reconciliation")

    def ready(self) -> None:
        from apps.ledger import audit

        audit.register("apps.reconciliation.audit.checks")
