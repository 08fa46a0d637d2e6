"""The board reads the cards of a column by their time."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('audience', '0006_activities_by_time'),
        ('lifecycle', '0006_bulk_moves'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='membership',
            index=models.Index(condition=models.Q(('ended_at', None)), fields=['stage', 'entered_at', 'id'], name='membership_on_board'),
        ),
    ]
