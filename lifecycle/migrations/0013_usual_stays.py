"""How long stays usually last, measured every night."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('lifecycle', '0012_handoffs'),
    ]

    operations = [
        migrations.CreateModel(
            name='UsualStay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('stage', models.SlugField(db_index=False, max_length=64, verbose_name='stage')),
                ('day', models.DateField(verbose_name='from')),
                ('days', models.IntegerField(verbose_name='days')),
                ('stays', models.BigIntegerField(verbose_name='finished stays')),
                ('lifecycle', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='lifecycle.lifecycle')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('lifecycle', 'stage', 'day'), name='usual_stay_once')],
            },
        ),
    ]
