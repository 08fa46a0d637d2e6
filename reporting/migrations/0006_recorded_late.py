"""Moves that were recorded in a later month than they happened are marked as they are filled."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('lifecycle', '0007_board'),
        ('reporting', '0005_chart_notes'),
    ]

    operations = [
        migrations.AddField(
            model_name='stageentry',
            name='recorded_late',
            field=models.BooleanField(db_default=False, default=False, verbose_name='recorded in a later month'),
        ),
        migrations.AddIndex(
            model_name='stageentry',
            index=models.Index(condition=models.Q(('recorded_late', True)), fields=['lifecycle', 'day'], name='stage_entry_late'),
        ),
        # The next fill looks at every row again, as after a change of the zone.
        migrations.RunSQL("UPDATE reporting_fill SET zone = ''", migrations.RunSQL.noop),
    ]
