"""A database with the schema of this version, made once and copied: fresh databases in tests and demos cost a moment, not a minute."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import psycopg
from psycopg import sql

from carloan.embedded import BASE_DIR

_LOCK = 4_021_977  # any number; one builder at a time on a server


def name() -> str:
    """The template's name: changes with every migration and every pinned library."""
    digest = hashlib.sha256()
    for path in [*sorted(BASE_DIR.glob("apps/*/migrations/*.[ps]*")), BASE_DIR / "requirements.txt"]:
        digest.update(str(path.relative_to(BASE_DIR)).encode() + path.read_bytes())
    return f"carloan_template_{digest.hexdigest()[:12]}"


def ensure(server_url: str) -> str:
    """Make the template on the server unless it is there; returns its name. `server_url` names any database of the server.

    Raises `subprocess.CalledProcessError` when the migrations fail.
    """
    template, building = name(), f"{name()}_building"
    # Advisory locks count per database: all builders meet in the one that every server has.
    with psycopg.connect(f"{server_url.rsplit('/', 1)[0]}/postgres", autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [template]).fetchone():
            return template
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(building)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(building)))
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--no-input", "-v", "0", "--skip-checks"],
            cwd=BASE_DIR,
            env={
                **os.environ,
                "DATABASE_URL": f"{server_url.rsplit('/', 1)[0]}/{building}",
                "DJANGO_SETTINGS_MODULE": "carloan.settings",
                "LOG_LEVEL": "WARNING",
            },
            check=True,
        )
        connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(building), sql.Identifier(template)))
        _drop_older(connection, template)
        return template


def _drop_older(connection: psycopg.Connection, keep: str) -> None:
    rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'carloan_template_%%' AND datname <> %s", [keep])
    for (older,) in rows.fetchall():
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(older)))
