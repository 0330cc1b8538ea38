from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class DocumentsConfig(AppConfig):
    name = "apps.documents"
    verbose_name = pgettext_lazy("app", "Documents")
