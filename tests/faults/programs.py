"""The programs of the tests of faults. Each runs in a process of its own, forked where `preload` has been imported."""

from __future__ import annotations

import os
import sys

from carloan.embedded import die_with_parent


def _begin(log: str) -> None:
    """A process group of its own, so that one signal kills all of the program; its words go to a file."""
    os.setsid()
    die_with_parent()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1, closefd=False), os.fdopen(2, "w", buffering=1, closefd=False)


def manage(log: str, *arguments: str) -> None:
    """`manage.py <arguments>`."""
    _begin(log)
    from django.core.management import execute_from_command_line

    execute_from_command_line(["manage.py", *arguments, "--skip-checks"])


def worker(log: str) -> None:
    """`celery -A carloan worker -Q eod -c 2`."""
    _begin(log)
    from carloan.celery import app

    app.worker_main(["worker", "-Q", "eod", "-c", "2", "-l", "INFO", "--without-mingle", "--without-gossip"])


def build(log: str) -> None:
    """The portfolio in the empty database."""
    _begin(log)
    from tests.faults.portfolio import build

    build()
