"""Passes of rules look at the few moves that were taken back."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('lifecycle', '0002_ledger'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='movement',
            index=models.Index(condition=models.Q(('kind', 'undo')), fields=['membership'], name='movement_undo'),
        ),
    ]
