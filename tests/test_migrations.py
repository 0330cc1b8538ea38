"""Migrations: none is missing, each context has one end, and a database made by them has every law that the models declare."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from pgtrigger import registered
from psycopg import sql

from carloan.embedded import BASE_DIR

SCRATCH = f"carloan_migrations_{os.getpid()}"


@pytest.mark.django_db
def test_the_models_have_no_change_without_a_migration():
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)


def test_every_app_has_one_last_migration():
    ends = Counter(app for app, _ in MigrationLoader(None).graph.leaf_nodes())
    assert set(ends.values()) == {1}, ends


@pytest.mark.django_db
def test_every_declared_law_stands_in_the_database():
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'")
        found = {(table.strip('"'), name) for table, name in cursor.fetchall()}
    declared = {(model._meta.db_table, trigger.get_pgid(model)) for model, trigger in registered()}
    assert declared
    assert declared <= found, declared - found


@pytest.mark.long
def test_all_migrations_go_forward_from_nothing_and_back_to_nothing():
    server = settings.DATABASE_URL.rsplit("/", 1)[0]
    env = {**os.environ, "DATABASE_URL": f"{server}/{SCRATCH}", "DJANGO_SETTINGS_MODULE": "carloan.settings", "LOG_LEVEL": "WARNING"}

    def manage(*arguments: str) -> None:
        subprocess.run([sys.executable, "manage.py", *arguments], cwd=BASE_DIR, env=env, check=True)

    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(SCRATCH)))
        try:
            manage("migrate", "--no-input", "-v", "0")
            apps = sorted({path.parent.parent.name for path in BASE_DIR.glob("apps/*/migrations/0001_initial.py")})
            for app in apps:
                manage("migrate", app, "zero", "--no-input", "-v", "0")
            with psycopg.connect(f"{server}/{SCRATCH}") as scratch:
                left = scratch.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            assert not [table for (table,) in left if table.split("_")[0] in apps]
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(SCRATCH)))
