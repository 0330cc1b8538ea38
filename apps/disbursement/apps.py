from django.apps import AppConfig


class DisbursementConfig(AppConfig):
    name = "apps.disbursement"
