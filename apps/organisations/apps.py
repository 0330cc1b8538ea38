from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class OrganisationsConfig(AppConfig):
    name = "apps.organisations"
    verbose_name = pgettext_lazy("app", "Organisation")

    def ready(self) -> None:
        from apps.common import approvals
        from apps.organisations.business_day import Step, register

        register(Step(name="close", phase="close", order=90, run="apps.organisations.end_of_day.close_day"))
        approvals.register(
            approvals.Kind(
                name="organisations.parameter",
                propose_permission="organisations.edit",
                check_permission="approvals.check",
                preview="apps.organisations.services.parameters.preview_change",
                execute="apps.organisations.services.parameters.execute_change",
            )
        )
