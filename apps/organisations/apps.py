from django.apps import AppConfig


class OrganisationsConfig(AppConfig):
    name = "apps.organisations"

    def ready(self) -> None:
        from apps.organisations.business_day import Step, register

        register(Step(name="close", phase="close", order=90, run="apps.organisations.end_of_day.close_day"))
