"""The vehicle catalogue from a file: previewed, checked row by row, taken over whole or not at all."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tablib
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from import_export import fields, resources, widgets
from import_export.results import Result

from apps.common.actors import Actor
from apps.common.errors import BadInput
from apps.products.models import Brand, Series, VehicleModel

SHIPPED_VEHICLES: Final = Path(__file__).parent.parent / "data" / "vehicles.csv"
COLUMNS: Final = ("brand", "series", "model_year", "trim", "guide_price", "power")
MAX_ROWS: Final = 20_000


class CatalogueFileInvalid(BadInput):
    """The file is not a table with the expected columns, or rows are wrong; nothing was taken over. `fields` name rows."""

    code = "catalogue_file_invalid"
    title = gettext_lazy("The file has errors; nothing was imported.")


@dataclass(frozen=True)
class ImportReport:
    """What an import did, or in a preview would do, in rows."""

    added: int
    changed: int
    unchanged: int
    preview: bool


class _SeriesWidget(widgets.Widget):
    """Brand and series by name, made when they are new."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Series:
        brand_name, series_name = str(row["brand"] or "").strip(), str(value or "").strip()
        if not brand_name or not series_name:
            raise ValidationError(_("Brand and series are needed."))
        brand, _created = Brand.objects.get_or_create(name=brand_name)
        series, _created = Series.objects.get_or_create(brand=brand, name=series_name)
        return series

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return value.name if value else ""


class VehicleResource(resources.ModelResource):
    """A row is a trim of a model year; known ones are updated, unknown ones added, none removed."""

    brand = fields.Field(column_name="brand", attribute="series__brand__name", readonly=True)
    series = fields.Field(column_name="series", attribute="series", widget=_SeriesWidget())
    trim = fields.Field(column_name="trim", attribute="trim", widget=widgets.CharWidget())

    class Meta:
        model = VehicleModel
        fields = COLUMNS
        import_order = COLUMNS
        export_order = COLUMNS
        import_id_fields = ("series", "model_year", "trim")
        skip_unchanged = True
        report_skipped = True
        clean_model_instances = True
        use_transactions = True

    def before_import(self, dataset: tablib.Dataset, **kwargs: Any) -> None:
        missing = [column for column in COLUMNS if column not in (dataset.headers or [])]
        if missing:
            raise CatalogueFileInvalid(_("Columns are missing: %(names)s.") % {"names": ", ".join(missing)})
        if len(dataset) > MAX_ROWS:
            raise CatalogueFileInvalid(_("The file has more than %(limit)s rows.") % {"limit": MAX_ROWS})


def import_vehicles(*, content: bytes, actor: Actor, now: dt.datetime, preview: bool = False) -> ImportReport:
    """Take over a CSV file in UTF-8 with the columns brand, series, model_year, trim, guide_price (yuan), power (ice or nev).

    All or nothing; a preview checks everything and keeps nothing. Raises `CatalogueFileInvalid`, naming each wrong row.
    """
    actor.require("products.edit")
    try:
        dataset = tablib.Dataset().load(content.decode("utf-8-sig"), format="csv")
    except (UnicodeDecodeError, tablib.exceptions.TablibException) as error:
        raise CatalogueFileInvalid(_("The file is not a CSV table in UTF-8.")) from error
    result = VehicleResource().import_data(dataset, dry_run=preview, raise_errors=False, rollback_on_validation_errors=True)
    faults = _faults(result)
    if faults:
        raise CatalogueFileInvalid(fields=faults)
    return ImportReport(added=result.totals["new"], changed=result.totals["update"], unchanged=result.totals["skip"], preview=preview)


def _faults(result: Result) -> dict[str, list[str]]:
    """Messages by row (the first row after the heads is row 1)."""
    faults: dict[str, list[str]] = {}
    for error in result.base_errors:
        if isinstance(error.error, CatalogueFileInvalid):
            raise error.error
        faults.setdefault("file", []).append(str(error.error))
    for number, errors in result.row_errors():
        faults.setdefault(f"row {number}", []).extend(_row_message(error.error) for error in errors)
    for row in result.invalid_rows:
        messages = [f"{name}: {text}" for name, texts in row.field_specific_errors.items() for text in texts]
        faults.setdefault(f"row {row.number}", []).extend([*messages, *map(str, row.non_field_specific_errors)])
    return faults


def _row_message(error: Exception) -> str:
    return " ".join(error.messages) if isinstance(error, ValidationError) else str(error)
