from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class DisbursementConfig(AppConfig):
    name = "apps.disbursement"
    verbose_name = pgettext_lazy("app", "Payments")

    def ready(self) -> None:
        from apps.common import approvals
        from apps.organisations.business_day import Step, register

        register(Step(name="vouchers", phase="open", order=25, run="apps.disbursement.eod.end_vouchers"))
        parts = "apps.disbursement.eod.debit_parts"
        register(Step(name="debit_orders", phase="open", order=30, run="apps.disbursement.eod.order_debits", partitions=parts))
        approvals.register(
            approvals.Kind(
                name="disbursement.payment_result",
                propose_permission="disbursement.pay",
                check_permission="approvals.check",
                preview="apps.disbursement.services.by_hand.preview_result",
                execute="apps.disbursement.services.by_hand.execute_result",
            )
        )
