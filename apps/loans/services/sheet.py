"""Lines of a spreadsheet as text by column: CSV, or the first sheet of an XLSX file. Formulas are refused: only what was typed is read."""

from __future__ import annotations

import csv
import datetime as dt
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from pathlib import PurePosixPath
from typing import Final
from xml.etree import ElementTree as Xml

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.common.errors import BadInput

MAX_BYTES: Final = 20_000_000
MAX_LINES: Final = 5_000
_MAX_UNPACKED: Final = 200_000_000
_MAX_COLUMNS: Final = 100
_MAIN: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LINK: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_DAY_ZERO: Final = dt.date(1899, 12, 30)
_DIGITS: Final = Context(prec=15)  # what a spreadsheet program keeps of a number


class SheetRefused(BadInput):
    """The file cannot be taken as it is; `fields` names every line and column with what is wrong there."""

    code = "sheet_refused"
    title = gettext_lazy("The file was not taken. Correct what is named and send it again; nothing was written.")


@dataclass(frozen=True, slots=True)
class Line:
    """A line below the header; `no` is its number in the file, `cells` its text by column, empty cells left out."""

    no: int
    cells: Mapping[str, str]


def place(no: int, column: str) -> str:
    """How a cell is called in messages."""
    return _("line %(no)s, %(column)s") % {"no": no, "column": column}


def read_lines(content: bytes, *, required: Sequence[str], optional: Sequence[str], days: Sequence[str]) -> list[Line]:
    """The lines of a file whose first line names the columns; in `days` XLSX numbers are days. Raises `SheetRefused`."""
    if len(content) > MAX_BYTES:
        raise SheetRefused(_("The file is larger than %(limit)s million bytes.") % {"limit": MAX_BYTES // 1_000_000})
    rows = _xlsx(content) if content.startswith(b"PK") else _csv(content)
    _no, first = next(rows, (0, []))
    head = _head([cell.text for cell in first], required, optional)
    lines: list[Line] = []
    problems: dict[str, list[str]] = {}
    for no, row in rows:
        wrong = {
            place(no, column): [_("is a formula; enter its value.")] for column, cell in zip(head, row, strict=False) if cell.is_formula
        }
        if any(cell.text for cell in row[len(head) :]):
            wrong[place(no, "")] = [_("has more cells than the header has columns.")]
        found = {column: _as_day(cell) if column in days else cell.text for column, cell in zip(head, row, strict=False) if cell.text}
        if found:
            lines.append(Line(no, found))
            wrong = {place(no, name): [_("is missing.")] for name in required if name not in found} | wrong
        problems |= wrong
        if len(lines) > MAX_LINES:
            raise SheetRefused(_("A file has at most %(limit)s lines. Send it in parts.") % {"limit": MAX_LINES})
    if problems:
        raise SheetRefused(fields=problems)
    if not lines:
        raise SheetRefused(_("The file has no line below its header."))
    return lines


@dataclass(frozen=True, slots=True)
class _Cell:
    text: str
    is_number: bool = False
    is_formula: bool = False


def _head(names: Sequence[str], required: Sequence[str], optional: Sequence[str]) -> list[str]:
    head = [name.strip().lower() for name in names]
    while head and not head[-1]:
        head.pop()
    unknown = [name or "?" for name in head if name not in (*required, *optional)]
    problems = {name: [_("is not a column of this file.")] for name in unknown}
    problems |= {name: [_("is there twice.")] for name in head if head.count(name) > 1}
    problems |= {name: [_("is missing among the columns.")] for name in required if name not in head}
    if problems:
        raise SheetRefused(fields=problems)
    return head


def _as_day(cell: _Cell) -> str:
    if not cell.is_number:
        return cell.text
    try:
        return (_DAY_ZERO + dt.timedelta(days=int(cell.text))).isoformat()
    except (ValueError, OverflowError):
        return cell.text


def _csv(content: bytes) -> Iterator[tuple[int, list[_Cell]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("gb18030", errors="replace")
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        for row in reader:
            yield reader.line_num, [_typed(value.strip()) for value in row]
    except csv.Error as error:
        raise SheetRefused(_("Line %(no)s is no CSV: %(error)s") % {"no": reader.line_num, "error": error}) from None


def _typed(text: str) -> _Cell:
    return _Cell(text, is_formula=text[:1] in {"=", "+", "@"})


def _xlsx(content: bytes) -> Iterator[tuple[int, list[_Cell]]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            if sum(item.file_size for item in book.infolist()) > _MAX_UNPACKED:
                raise SheetRefused(_("The file is larger than it may be once unpacked."))
            shared = [_text_of(item) for item in _part(book, "xl/sharedStrings.xml")] if "xl/sharedStrings.xml" in book.namelist() else []
            sheet = _part(book, _first_sheet(book))
    except (zipfile.BadZipFile, KeyError, Xml.ParseError, StopIteration):
        raise SheetRefused(_("The file is no XLSX workbook that can be read.")) from None
    for place_in_sheet, row in enumerate(sheet.iter(f"{_MAIN}row"), start=1):
        yield int(row.get("r") or place_in_sheet), _cells(row, shared)


def _first_sheet(book: zipfile.ZipFile) -> str:
    first = next(_part(book, "xl/workbook.xml").iter(f"{_MAIN}sheet"))
    links = _part(book, "xl/_rels/workbook.xml.rels")
    target = next(link.get("Target", "") for link in links if link.get("Id") == first.get(_LINK))
    return str(PurePosixPath(target.lstrip("/"))) if target.startswith("/") else f"xl/{target}"


def _part(book: zipfile.ZipFile, name: str) -> Xml.Element:
    content = book.read(name)
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise SheetRefused(_("The file is no XLSX workbook that can be read."))
    return Xml.fromstring(content)  # noqa: S314 - without a document type there is nothing to expand


def _text_of(element: Xml.Element) -> str:
    return "".join(part.text or "" for part in element.iter(f"{_MAIN}t"))


def _cells(row: Xml.Element, shared: Sequence[str]) -> list[_Cell]:
    cells: list[_Cell] = []
    for cell in row.iter(f"{_MAIN}c"):
        column = _column(cell.get("r") or "") or len(cells) + 1
        if column > _MAX_COLUMNS:
            break
        cells += [_Cell("")] * (column - len(cells) - 1)
        cells.append(_cell(cell, shared))
    return cells


def _column(reference: str) -> int:
    """1 for A, 27 for AA; 0 when the cell does not say."""
    number = 0
    for letter in reference:
        if not letter.isalpha():
            break
        number = number * 26 + ord(letter.upper()) - ord("A") + 1
    return number


def _cell(cell: Xml.Element, shared: Sequence[str]) -> _Cell:
    kind, value = cell.get("t", "n"), cell.findtext(f"{_MAIN}v") or ""
    if cell.find(f"{_MAIN}f") is not None:
        return _Cell(value or "0", is_formula=True)
    if kind == "s" and value.isdecimal() and int(value) < len(shared):
        return _typed(shared[int(value)].strip())
    if kind == "inlineStr":
        return _typed(_text_of(cell).strip())
    if kind != "n" or not value:
        return _Cell(value.strip())
    try:
        number = _DIGITS.create_decimal(value)
    except InvalidOperation:
        return _Cell(value)
    return _Cell(format(Decimal(number).normalize(), "f"), is_number=True)
