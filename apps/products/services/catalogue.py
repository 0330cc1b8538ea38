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
    """Brand and series by name, made when they are new; each is looked up once in an import."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[tuple[str, str], Series] = {}

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Series:
        names = _text(row["brand"]), _text(value)
        if not all(names):
            raise ValidationError(_("Brand and series are needed."))
        if names not in self.known:
            brand, _created = Brand.objects.get_or_create(name=names[0])
            self.known[names], _created = Series.objects.get_or_create(brand=brand, name=names[1])
        return self.known[names]

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return value.name if value else ""


def _text(value: Any) -> str:
    return str(value or "").strip()


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
        rows = VehicleModel.objects.select_related("series__brand")
        self._known = {(row.series.brand.name, row.series.name, str(row.model_year), row.trim): row for row in rows}
        self.fields["series"].widget.known = {}

    def get_instance(self, instance_loader: Any, row: Any) -> VehicleModel | None:
        """The known trim of a row, from one query for the whole file. A trim that stands twice in a file is told by the unique key."""
        return self._known.get((_text(row["brand"]), _text(row["series"]), _text(row["model_year"]), _text(row["trim"])))

    def validate_instance(self, instance: VehicleModel, import_validation_errors: Any = None, validate_unique: bool = True) -> None:
        """Field by field; keys and ranges are the database's."""
        errors = dict(import_validation_errors or {})
        try:
            instance.clean_fields(exclude=["series", *errors])
        except ValidationError as error:
            errors = error.update_error_dict(errors)
        if errors:
            raise ValidationError(errors)


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
