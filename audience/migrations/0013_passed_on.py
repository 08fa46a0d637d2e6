"""Marks that are passed on: to whoever is asked about through an account, or through its people."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audience", "0012_rollback")]
    operations = [
        migrations.AddField("dirty", "passed_on", models.BooleanField(default=False, db_default=False)),
    ]
