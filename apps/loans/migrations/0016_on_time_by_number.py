"""`loans_pay_on_time` looks the instalment after up by its number: the function as it stands in the file, for databases that have it as it was."""

from pathlib import Path

from django.db import migrations

FUNCTION = Path(__file__).with_name("0012_on_time.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("loans", "0015_transactions_by_reference")]

    operations = [migrations.RunSQL(FUNCTION, migrations.RunSQL.noop)]
