"""Migrations: none is missing, each context has one end, and a database made by them has every law that the models declare."""

from __future__ import annotations

from collections import Counter

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from pgtrigger import registered


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
