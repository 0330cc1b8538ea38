"""Payments of exactly what falls due, on its day, in one statement."""

from pathlib import Path

from django.db import migrations

FUNCTION = Path(__file__).with_suffix(".sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("loans", "0011_claims_and_extras")]

    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION loans_pay_on_time(date, integer, numeric, json, text, timestamptz)"),
    ]
