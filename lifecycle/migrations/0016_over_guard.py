"""Moves over a guard: whether a move of many was meant so, and how the list of them is found."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('lifecycle', '0015_over'),
    ]

    operations = [
        migrations.AddField(
            model_name='bulkmove',
            name='overrides',
            field=models.BooleanField(db_default=False, default=False, verbose_name='also against a guard'),
        ),
        migrations.AddIndex(
            model_name='movement',
            index=models.Index(condition=models.Q(('overrides', True)), fields=['version', 'occurred_at', 'id'], name='movement_over_guard'),
        ),
    ]
