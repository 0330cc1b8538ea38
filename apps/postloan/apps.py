from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class PostloanConfig(AppConfig):
    name = "apps.postloan"
    verbose_name = pgettext_lazy("app", "After the payout")

    def ready(self) -> None:
        from apps.organisations.business_day import Step, register

        parts = "apps.postloan.eod.reminder_parts"
        register(Step(name="reminders", phase="open", order=40, run="apps.postloan.eod.send_reminders", partitions=parts))
        parts = "apps.postloan.eod.intake_parts"
        register(Step(name="collection_intake", phase="open", order=50, run="apps.postloan.eod.take_in_overdue", partitions=parts))
