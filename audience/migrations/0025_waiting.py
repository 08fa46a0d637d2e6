"""What other systems tell of visitors whom nobody knows yet."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audience", "0024_deal_lines")]
    operations = [
        migrations.CreateModel(
            name="WaitingActivity",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.CharField(max_length=64, verbose_name="source")),
                ("external_id", models.CharField(max_length=200)),
                ("kind", models.CharField(max_length=64, verbose_name="kind")),
                ("channel", models.CharField(max_length=32, null=True, verbose_name="channel")),
                ("platform", models.CharField(max_length=32, null=True, verbose_name="platform")),
                ("direction", models.CharField(max_length=10, null=True)),
                ("actor", models.CharField(max_length=10, null=True)),
                ("value", models.DecimalField(decimal_places=4, max_digits=20, null=True, verbose_name="value")),
                ("properties", models.JSONField(default=dict)),
                ("occurred_at", models.DateTimeField(verbose_name="when")),
                (
                    "visitor",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="waiting",
                        to="audience.visitor",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "activities of strangers",
                "indexes": [models.Index(fields=["occurred_at"], name="waiting_by_time")],
                "constraints": [
                    models.UniqueConstraint(fields=("source", "external_id"), name="waiting_activity_once")
                ],
            },
        ),
    ]
