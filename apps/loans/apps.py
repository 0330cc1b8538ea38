from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class LoansConfig(AppConfig):
    name = "apps.loans"
    verbose_name = pgettext_lazy("app", "Loans")

    def ready(self) -> None:
        from apps.ledger import audit
        from apps.loans.services.counter import register_approvals
        from apps.organisations.business_day import Step, register

        register_approvals()

        audit.register("apps.loans.audit.checks")
        late, running = "apps.loans.eod.late_partitions", "apps.loans.eod.partitions"
        register(Step(name="late", phase="close", order=10, run="apps.loans.eod.late", partitions=late))
        register(Step(name="penalty", phase="close", order=20, run="apps.loans.eod.penalty"))
        register(Step(name="accrual", phase="close", order=30, run="apps.loans.eod.accrual", partitions=running))
        register(Step(name="classification", phase="close", order=40, run="apps.loans.eod.classification"))
        register(Step(name="provisions", phase="close", order=50, run="apps.loans.eod.provisions"))
        register(Step(name="falls_due", phase="open", order=10, run="apps.loans.eod.falls_due"))
