"""A notice may be to a subject."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('kit', '0006_erasing'),
    ]

    operations = [
        migrations.AddField(
            model_name='notice',
            name='subject_id',
            field=models.BigIntegerField(db_index=True, null=True),
        ),
    ]
