from django.apps import AppConfig


class ReconciliationConfig(AppConfig):
    name = "apps.reconciliation"

    def ready(self) -> None:
        from apps.ledger import audit

        audit.register("apps.reconciliation.audit.checks")
