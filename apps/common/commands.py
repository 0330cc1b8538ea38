"""Base of every management command: one-line errors, JSON or table, a closing line, exit codes.

0 done, 1 a check failed, 2 bad input and nothing written.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from apps.common.errors import anticipate

CHECK_FAILED = 1
BAD_INPUT = 2


class _Parser(CommandParser):
    def error(self, message: str) -> Any:
        raise CommandError(f"{message}. See --help.", returncode=BAD_INPUT)


class Command(BaseCommand):
    """Give `example` for `--help`, add arguments in `arguments`, do the work in `work` and return (answer, closing line, exit code)."""

    example = ""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        kwargs.setdefault("epilog", f"Example: manage.py {subcommand} {self.example}")
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        parser = _Parser(
            prog=f"{prog_name} {subcommand}",
            description=self.help or None,
            called_from_command_line=getattr(self, "_called_from_command_line", None),
            **kwargs,
        )
        self.add_base_argument(parser, "--settings", help=argparse.SUPPRESS)
        self.add_base_argument(parser, "--pythonpath", help=argparse.SUPPRESS)
        self.add_base_argument(parser, "--traceback", action="store_true", help="Show the stack of an error.")
        self.add_base_argument(parser, "--no-color", action="store_true", help=argparse.SUPPRESS)
        self.add_base_argument(parser, "--force-color", action="store_true", help=argparse.SUPPRESS)
        self.add_base_argument(parser, "--skip-checks", action="store_true", help=argparse.SUPPRESS)
        self.add_base_argument(parser, "-v", "--verbosity", type=int, choices=[0, 1, 2, 3], default=1, help=argparse.SUPPRESS)
        self.add_arguments(parser)
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=["json", "table"], default="table", help="JSON is one value on one line.")
        self.arguments(parser)

    def arguments(self, parser: CommandParser) -> None:
        """The command's own arguments."""

    def work(self, **options: Any) -> tuple[Any, str, int]:
        """Do it; returns the answer, the closing line without its time, and the exit code."""
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        try:
            answer, closing, code = self.work(**options)
        except CommandError:
            raise
        except Exception as error:
            anticipated = anticipate(error)
            if anticipated is None or options.get("traceback"):
                raise
            raise CommandError(anticipated.told, returncode=BAD_INPUT) from error
        if options["format"] == "json":
            self.stdout.write(json.dumps(answer, ensure_ascii=False, default=str, separators=(",", ":")))
        else:
            self.table(answer)
        if closing:
            took = {"done": closing, "seconds": f"{time.monotonic() - started:.1f}"}
            self.stderr.write(_("%(done)s in %(seconds)s s.") % took)
        if code:
            sys.exit(code)

    def table(self, answer: Any) -> None:
        """Print an answer for people: a list of rows as columns, a dictionary as pairs."""
        if isinstance(answer, dict):
            for key, value in answer.items():
                self.stdout.write(
                    f"{key:<24} {json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else value}"
                )
        elif isinstance(answer, list) and answer and isinstance(answer[0], dict):
            self._columns(list(answer[0]), [[str(row.get(key, "")) for key in answer[0]] for row in answer])
        elif answer is not None:
            self.stdout.write(str(answer))

    def _columns(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        widths = [max(len(head), *(len(row[i]) for row in rows)) for i, head in enumerate(heads)]
        for line in (heads, *rows):
            self.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
