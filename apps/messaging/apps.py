from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class MessagingConfig(AppConfig):
    name = "apps.messaging"
    verbose_name = pgettext_lazy("app", "Messages")
