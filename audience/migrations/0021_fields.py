"""Custom fields in groups and in order, searchable or hidden, with several choices; what a consent lifted; into whom somebody was merged."""

from django.db import migrations, models

MERGED = """
UPDATE audience_person s SET merged_into = m.survivor_id FROM audience_merge m
WHERE m.merged_id = s.id AND m.of = 'person' AND m.undone_at IS NULL;
UPDATE audience_account s SET merged_into = m.survivor_id FROM audience_merge m
WHERE m.merged_id = s.id AND m.of = 'account' AND m.undone_at IS NULL;
"""


class Migration(migrations.Migration):
    dependencies = [("audience", "0020_money")]

    operations = [
        migrations.AddField(
            "field", "group", models.CharField(blank=True, db_default="", default="", max_length=100, verbose_name="group")
        ),
        migrations.AddField("field", "position", models.IntegerField(db_default=0, default=0, verbose_name="place")),
        migrations.AddField(
            "field", "searchable", models.BooleanField(db_default=False, default=False, verbose_name="searchable")
        ),
        migrations.AddField(
            "field", "hidden", models.BooleanField(db_default=False, default=False, verbose_name="hidden")
        ),
        migrations.AddField("person", "merged_into", models.BigIntegerField(null=True)),
        migrations.AddField("account", "merged_into", models.BigIntegerField(null=True)),
        migrations.RunSQL(MERGED, migrations.RunSQL.noop),
        migrations.AddField("consentrecord", "lifted", models.JSONField(null=True)),
        migrations.AddIndex(
            "activity",
            models.Index(
                fields=["person", "occurred_at", "id"],
                include=["channel"],
                name="activity_first_channel",
                condition=models.Q(person__isnull=False, direction="inbound", reversal_of__isnull=True)
                & ~models.Q(channel=""),
            ),
        ),
        migrations.AlterField(
            "field",
            "type",
            models.CharField(
                choices=[
                    ("text", "Text"),
                    ("number", "Number"),
                    ("date", "Date"),
                    ("choice", "Choice"),
                    ("several", "Several choices"),
                    ("yes_no", "Yes or no"),
                    ("money", "Money"),
                ],
                default="text",
                max_length=10,
                verbose_name="type",
            ),
        ),
    ]
