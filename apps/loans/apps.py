from django.apps import AppConfig
from django.utils.translation import pgettext_lazy

_EOD = "apps.loans.eod"


class LoansConfig(AppConfig):
    name = "apps.loans"
    verbose_name = pgettext_lazy("app", "Loans")

    def ready(self) -> None:
        from apps.ledger import audit
        from apps.loans.services.counter import register_approvals
        from apps.loans.services.funding_by_two import register_funding
        from apps.loans.services.pools import register_pools
        from apps.loans.services.takeover_by_two import register_take_over
        from apps.organisations.business_day import Step, register

        register_approvals()
        register_take_over()
        register_pools()
        register_funding()

        audit.register("apps.loans.audit.checks")
        register(Step(name="late", phase="close", order=10, run=f"{_EOD}.late", partitions=f"{_EOD}.event_parts"))
        register(Step(name="penalty", phase="close", order=20, run=f"{_EOD}.penalty", partitions=f"{_EOD}.late_parts"))
        register(Step(name="marks", phase="close", order=25, run=f"{_EOD}.marks", partitions=f"{_EOD}.mark_parts"))
        register(Step(name="accrual", phase="close", order=30, run=f"{_EOD}.accrual", partitions=f"{_EOD}.ranges"))
        register(Step(name="classification", phase="close", order=40, run=f"{_EOD}.classification"))
        register(Step(name="provisions", phase="close", order=50, run=f"{_EOD}.provisions"))
        fees = "apps.loans.services.funding"
        register(Step(name="funding_fees", phase="close", order=55, run=f"{fees}.funding_fees", partitions=f"{fees}.funding_parts"))
        register(Step(name="falls_due", phase="open", order=10, run=f"{_EOD}.falls_due", partitions=f"{_EOD}.turning_parts"))
        register(Step(name="lease_deposits", phase="open", order=15, run="apps.loans.services.lease.offset_deposits"))
        register(Step(name="rate_resets", phase="open", order=20, run=f"{_EOD}.rate_resets"))
