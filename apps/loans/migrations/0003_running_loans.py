"""Loans that go on by themselves: runs, ranges, and the functions that add them up. Instalments, a projection, are made anew."""

from pathlib import Path

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


FUNCTIONS = Path(__file__).with_name("0003_functions.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [
        ("loans", "0002_all_kinds"),
        ("organisations", "0001_initial"),
    ]

    operations = [
        migrations.DeleteModel(
            name="Instalment",
        ),
        migrations.CreateModel(
            name="Instalment",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "loan",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="instalments",
                        to="loans.loan",
                        verbose_name="loan",
                    ),
                ),
                ("no", models.PositiveSmallIntegerField(verbose_name="no.")),
                ("starts_on", models.DateField(verbose_name="from")),
                ("ends_on", models.DateField(verbose_name="to")),
                ("due_date", models.DateField(verbose_name="due date")),
                ("units", models.PositiveIntegerField(verbose_name="units of the year fraction")),
                ("bears", models.DecimalField(decimal_places=18, default=0, max_digits=40, verbose_name="balance x rate")),
                ("principal", models.DecimalField(decimal_places=2, default=0, max_digits=18, verbose_name="principal")),
                ("interest", models.DecimalField(decimal_places=2, default=0, max_digits=18, verbose_name="interest")),
                ("fee", models.DecimalField(decimal_places=2, default=0, max_digits=18, verbose_name="fee")),
                ("penalty", models.DecimalField(decimal_places=2, default=0, max_digits=18, verbose_name="penalty interest")),
                ("compound", models.DecimalField(decimal_places=2, default=0, max_digits=18, verbose_name="compound interest")),
                ("paid_principal", models.DecimalField(decimal_places=2, default=0, max_digits=18, verbose_name="principal paid")),
                ("paid_interest", models.DecimalField(decimal_places=2, default=0, max_digits=18, verbose_name="interest paid")),
                ("paid_fee", models.DecimalField(decimal_places=2, default=0, max_digits=18, verbose_name="fee paid")),
                ("paid_penalty", models.DecimalField(decimal_places=2, default=0, max_digits=18, verbose_name="penalty interest paid")),
                ("paid_compound", models.DecimalField(decimal_places=2, default=0, max_digits=18, verbose_name="compound interest paid")),
                (
                    "waived_principal",
                    models.DecimalField(decimal_places=2, default=0, max_digits=18, verbose_name="principal written down"),
                ),
                ("waived_interest", models.DecimalField(decimal_places=2, default=0, max_digits=18, verbose_name="interest waived")),
                ("waived_fee", models.DecimalField(decimal_places=2, default=0, max_digits=18, verbose_name="fee waived")),
                ("waived_penalty", models.DecimalField(decimal_places=2, default=0, max_digits=18, verbose_name="penalty interest waived")),
                (
                    "waived_compound",
                    models.DecimalField(decimal_places=2, default=0, max_digits=18, verbose_name="compound interest waived"),
                ),
                ("late_since", models.DateField(verbose_name="penalty runs since")),
                ("penalty_run", models.DecimalField(decimal_places=18, default=0, max_digits=40, verbose_name="penalty run before")),
                (
                    "compound_run",
                    models.DecimalField(decimal_places=18, default=0, max_digits=40, verbose_name="compound interest run before"),
                ),
                ("cleared_on", models.DateField(blank=True, null=True, verbose_name="cleared on")),
                (
                    "status",
                    models.CharField(
                        choices=[("future", "to come"), ("due", "due"), ("overdue", "overdue"), ("paid", "paid")],
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
            ],
            options={
                "verbose_name": "instalment",
                "verbose_name_plural": "instalments",
                "ordering": ["no"],
            },
        ),
        migrations.AddIndex(
            model_name="instalment",
            index=models.Index(condition=models.Q(("status", "paid"), _negated=True), fields=["due_date"], name="instalment_unpaid_by_day"),
        ),
        migrations.AddConstraint(
            model_name="instalment",
            constraint=models.UniqueConstraint(fields=("loan", "no"), name="one_instalment_per_number"),
        ),
        migrations.RemoveField(
            model_name="loanbalance",
            name="rows_digest",
        ),
        migrations.CreateModel(
            name="AccruedRange",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "legal_entity",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="organisations.legalentity",
                        verbose_name="legal entity",
                    ),
                ),
                ("day", models.DateField(verbose_name="business date")),
                ("first", models.UUIDField(verbose_name="from")),
                ("last", models.UUIDField(verbose_name="to")),
                ("is_done", models.BooleanField(default=False, verbose_name="done")),
            ],
            options={
                "verbose_name": "accrued range",
                "verbose_name_plural": "accrued ranges",
            },
        ),
        migrations.AddConstraint(
            model_name="accruedrange",
            constraint=models.UniqueConstraint(fields=("legal_entity", "day", "first"), name="one_range_per_first"),
        ),
        migrations.CreateModel(
            name="LoanRun",
            fields=[
                (
                    "loan",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="run",
                        serialize=False,
                        to="loans.loan",
                        verbose_name="loan",
                    ),
                ),
                (
                    "legal_entity",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="organisations.legalentity",
                        verbose_name="legal entity",
                    ),
                ),
                ("as_of", models.DateField(verbose_name="as of")),
                ("is_plain", models.BooleanField(verbose_name="goes on by itself")),
                ("next_event_on", models.DateField(blank=True, null=True, verbose_name="next event")),
                ("next_due_on", models.DateField(blank=True, null=True, verbose_name="next due date")),
                ("row_no", models.PositiveSmallIntegerField(verbose_name="running instalment")),
                ("starts_on", models.DateField(verbose_name="from")),
                ("ends_on", models.DateField(verbose_name="to")),
                ("units", models.PositiveIntegerField(verbose_name="units of the year fraction")),
                ("units_done", models.PositiveIntegerField(verbose_name="units settled before")),
                ("bears", models.DecimalField(decimal_places=18, max_digits=40, verbose_name="balance x rate")),
                ("carried", models.DecimalField(decimal_places=18, max_digits=40, verbose_name="interest carried into the period")),
                ("interest", models.DecimalField(decimal_places=2, max_digits=18, verbose_name="interest of the period")),
                ("before", models.DecimalField(decimal_places=2, max_digits=18, verbose_name="interest of earlier periods")),
                ("accrued", models.DecimalField(decimal_places=2, max_digits=18, verbose_name="interest accrued and written down")),
                (
                    "day_count",
                    models.PositiveSmallIntegerField(choices=[(1, "actual days"), (2, "act/act"), (3, "30/360")], verbose_name="day count"),
                ),
                ("basis", models.PositiveIntegerField(verbose_name="basis")),
                ("anchor", models.PositiveSmallIntegerField(verbose_name="due day")),
                ("half_even", models.BooleanField(verbose_name="rounds half to even")),
                ("vat_rate", models.DecimalField(decimal_places=6, max_digits=9, verbose_name="VAT on interest")),
                ("penalty_rate", models.DecimalField(decimal_places=18, max_digits=40, verbose_name="penalty rate")),
                ("penalty_basis", models.PositiveSmallIntegerField(verbose_name="basis of the penalty")),
                ("grace_days", models.PositiveSmallIntegerField(verbose_name="days of grace")),
                ("compound", models.BooleanField(verbose_name="compound interest")),
                ("is_suspended", models.BooleanField(verbose_name="non-accrual")),
                (
                    "parties",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64), blank=True, null=True, size=None, verbose_name="funders"
                    ),
                ),
                (
                    "parts",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveIntegerField(), blank=True, null=True, size=None, verbose_name="parts per 10,000"
                    ),
                ),
            ],
            options={
                "verbose_name": "running loan",
                "verbose_name_plural": "running loans",
            },
        ),
        migrations.AddIndex(
            model_name="loanrun",
            index=models.Index(fields=["legal_entity", "loan"], name="run_by_entity"),
        ),
        migrations.AddIndex(
            model_name="loanrun",
            index=models.Index(
                condition=models.Q(("next_event_on__isnull", False)), fields=["legal_entity", "next_event_on"], name="run_by_event"
            ),
        ),
        migrations.AddIndex(
            model_name="loanrun",
            index=models.Index(fields=["legal_entity", "next_due_on"], name="run_by_due_day"),
        ),
        migrations.AddIndex(
            model_name="loanrun",
            index=models.Index(fields=["legal_entity", "ends_on"], name="run_by_end"),
        ),
        migrations.RunSQL(FUNCTIONS, migrations.RunSQL.noop),
    ]
