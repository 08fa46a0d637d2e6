"""Small indexes by time: what happened in a stretch of time is found without reading everything."""

import django.contrib.postgres.indexes
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('audience', '0002_ledgers'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='activity',
            index=django.contrib.postgres.indexes.BrinIndex(fields=['occurred_at'], name='activity_by_time', pages_per_range=32),
        ),
        migrations.AddIndex(
            model_name='fieldchange',
            index=django.contrib.postgres.indexes.BrinIndex(fields=['occurred_at'], name='field_change_by_time', pages_per_range=32),
        ),
    ]
