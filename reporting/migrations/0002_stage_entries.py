"""Roll-ups by slug, every entry and exit instead of the first entries alone, and the runs of the ledger check."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

# Read by filling.py: how many changes of "left out of figures" there are, in every fill.
EXCLUSIONS = """
CREATE INDEX field_change_exclusions ON audience_fieldchange (id) WHERE field = 'is_excluded';
"""


def _cascade(to):
    return models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to=to)


def _id():
    return models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


def _stage(label):
    return models.SlugField(label, blank=True, db_index=False, max_length=64)


class Migration(migrations.Migration):
    dependencies = [("reporting", "0001_initial"), ("audience", "0001_initial"), ("lifecycle", "0001_initial")]

    operations = [
        # Filled tables: what they hold is written again by the next fill.
        migrations.DeleteModel("StageEntry"),
        migrations.DeleteModel("DailyFlow"),
        migrations.RunSQL("DELETE FROM reporting_fill", migrations.RunSQL.noop),
        migrations.CreateModel(
            name="DailyFlow",
            fields=[
                ("id", _id()),
                ("day", models.DateField()),
                ("lifecycle", _cascade("lifecycle.lifecycle")),
                ("version", _cascade("lifecycle.version")),
                ("from_stage", _stage("from")),
                ("to_stage", _stage("to")),
                ("count", models.BigIntegerField()),
                (
                    "stay_days",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                (
                    "stay_counts",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("lifecycle", "day", "version", "from_stage", "to_stage"), name="daily_flow_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="StageEntry",
            fields=[
                ("id", _id()),
                ("membership", _cascade("lifecycle.membership")),
                ("lifecycle", _cascade("lifecycle.lifecycle")),
                ("version", _cascade("lifecycle.version")),
                ("seq", models.IntegerField()),
                ("from_stage", _stage("from")),
                ("to_stage", _stage("to")),
                ("occurred_at", models.DateTimeField(verbose_name="when")),
                ("day", models.DateField(verbose_name="day")),
                ("evidence_day", models.DateField(verbose_name="day of the fact")),
                ("since_day", models.DateField(null=True, verbose_name="there since")),
                ("stay_days", models.IntegerField(null=True, verbose_name="days")),
                ("until_day", models.DateField(null=True, verbose_name="left")),
                ("is_first", models.BooleanField(verbose_name="for the first time")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("membership", "seq"), name="stage_entry_of_movement")
                ],
                "indexes": [
                    models.Index(fields=["lifecycle", "to_stage", "day"], name="stage_entry_in"),
                    models.Index(fields=["lifecycle", "from_stage", "day"], name="stage_entry_out"),
                ],
            },
        ),
        migrations.CreateModel(
            name="LedgerCheck",
            fields=[
                ("id", _id()),
                (
                    "lifecycle",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="lifecycle.lifecycle"),
                ),
                ("checked_at", models.DateTimeField(verbose_name="checked")),
                ("memberships", models.BigIntegerField(verbose_name="memberships")),
                ("movements", models.BigIntegerField(verbose_name="movements")),
                ("found", models.BigIntegerField(verbose_name="findings")),
                ("findings", models.JSONField(default=list)),
            ],
        ),
        migrations.RunSQL(EXCLUSIONS, "DROP INDEX field_change_exclusions"),
    ]
