"""What the public commands read: JSON files whose numbers never pass through binary floating point, days, and refusals in one line."""

from __future__ import annotations

import datetime as dt
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NoReturn

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from apps.common.commands import BAD_INPUT
from apps.loans.domain import BadTerms
from apps.loans.domain.parsing import parse_date

MAX_BYTES: Final = 256 * 1024 * 1024
_MAX_DEPTH: Final = 50
_MAX_EXPONENT: Final = 30
_MAX_LINE: Final = 300


def read_json(name: str) -> Any:
    """The content of a JSON file, of standard input for `-`; `CommandError` with exit code 2 and one line when it cannot be read."""
    try:
        return _parsed(_bytes_of(name))
    except FileNotFoundError:
        problem = _("There is no such file.")
    except IsADirectoryError:
        problem = _("This is a folder, not a file.")
    except OSError as error:
        problem = str(error.strerror)
    except UnicodeError:
        problem = _("This is not text in UTF-8.")
    except RecursionError:
        problem = _("This is nested too deeply.")
    except ValueError as error:
        problem = _("This is not JSON as expected: %(problem)s.") % {"problem": error}
    raise refusal(f"{name}: {problem}")


def refusal(problem: object, *, code: int = BAD_INPUT) -> CommandError:
    """A refusal in one line of bearable length."""
    line = " ".join(str(problem).split())
    return CommandError(line if len(line) <= _MAX_LINE else line[: _MAX_LINE - 1] + "…", returncode=code)


def calendar_day(option: str, text: str) -> dt.date:
    """A day given as an option; `CommandError` with exit code 2 when there is no such day."""
    try:
        return parse_date(option, text)
    except BadTerms as error:
        raise refusal(error.told(_)) from None


def _bytes_of(name: str) -> bytes:
    if name == "-":
        content = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        with Path(name).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(_("more than %(most)s bytes") % {"most": MAX_BYTES})
    return content


def _parsed(content: bytes) -> Any:
    text = content.decode("utf-8-sig")
    value = json.loads(text, parse_float=_decimal, parse_constant=_refuse_constant, object_pairs_hook=_object)
    if "\\ud" in text.lower():
        json.dumps(value, ensure_ascii=False, default=str).encode()  # half a character cannot be answered
    _check_depth(value)
    return value


def _decimal(text: str) -> Decimal:
    number = Decimal(text)
    if abs(number.adjusted()) > _MAX_EXPONENT:
        raise ValueError(_("%(number)s is out of reach") % {"number": text[:40]})
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(_("%(name)s is not a number") % {"name": name})


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    answer = dict(pairs)
    if len(answer) != len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(_("%(name)s is given twice") % {"name": repr(twice)})
    return answer


def _check_depth(value: Any) -> None:
    level = [value]
    for _depth in range(_MAX_DEPTH):
        if not level:
            return
        inner = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list))
        level = [part for group in inner for part in group if isinstance(part, dict | list)]
    raise RecursionError
