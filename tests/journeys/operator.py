"""The operator's console: runs management commands one after another in one process, so that each need not start Django anew.

Reads one JSON list of arguments a line, answers one JSON object a line: `{"code", "out", "err"}`.
"""

import io
import json
import os
import sys

import django


def run(arguments: list[str]) -> dict[str, object]:
    """Run `manage.py arguments` here; exit codes as in a shell."""
    from django.core.management import CommandError, call_command
    from django.db import connection

    out, err = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except CommandError as error:
        code = error.returncode
        err.write(str(error))
    except SystemExit as stop:
        code = int(stop.code or 0)
    connection.close_if_unusable_or_obsolete()
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "carloan.settings")
    django.setup()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(run(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
