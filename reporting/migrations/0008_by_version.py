"""Moves by another version of a lifecycle are counted apart."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('lifecycle', '0009_versions'),
        ('reporting', '0007_fill_place'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='dailyflow',
            name='daily_flow_once',
        ),
        migrations.AddField(
            model_name='dailyflow',
            name='by_version',
            field=models.BooleanField(db_default=False, default=False, verbose_name='by another version of the lifecycle'),
        ),
        migrations.AddField(
            model_name='stageentry',
            name='by_version',
            field=models.BooleanField(db_default=False, default=False, verbose_name='by another version of the lifecycle'),
        ),
        migrations.AddConstraint(
            model_name='dailyflow',
            constraint=models.UniqueConstraint(fields=('lifecycle', 'day', 'version', 'from_stage', 'to_stage', 'by_version'), name='daily_flow_once'),
        ),
    ]
