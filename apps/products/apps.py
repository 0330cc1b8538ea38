from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class ProductsConfig(AppConfig):
    name = "apps.products"
    verbose_name = pgettext_lazy("app", "Products")
