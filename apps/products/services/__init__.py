"""Deeds on the catalogue and on products; plans for a customer."""

from apps.products.domain import build_terms
from apps.products.services.catalogue import SHIPPED_VEHICLES, ImportReport, import_vehicles
from apps.products.services.plans import calculate, match_plans, matching
from apps.products.services.versions import (
    TermsIncomplete,
    check_further_terms,
    create_version,
    install_shipped_products,
    put_on_sale,
    set_further_terms,
    withdraw_version,
)

__all__ = [
    "SHIPPED_VEHICLES",
    "ImportReport",
    "TermsIncomplete",
    "build_terms",
    "calculate",
    "check_further_terms",
    "create_version",
    "import_vehicles",
    "install_shipped_products",
    "match_plans",
    "matching",
    "put_on_sale",
    "set_further_terms",
    "withdraw_version",
]
