"""Reading the JSON files of the public commands: numbers never pass through binary floating point."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import CommandError


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def read_json(path: Path) -> Any:
    """The content of a JSON file; `CommandError` with exit code 2 and one line when it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise CommandError(f"{path}: {error}", returncode=2) from None
