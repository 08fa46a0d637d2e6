"""Custom fields in groups and in order, searchable or hidden, with several choices."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audience", "0019_readiness")]

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
