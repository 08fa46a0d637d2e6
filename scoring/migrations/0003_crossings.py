"""Who would cross the limit by a draft, as it was previewed last."""

import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.lookups
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('audience', '0008_tags'),
        ('scoring', '0002_ledger'),
    ]

    operations = [
        migrations.CreateModel(
            name='Crossing',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject_id', models.GeneratedField(db_persist=True, expression=django.db.models.functions.comparison.Coalesce(models.F('person_id'), models.F('account_id')), output_field=models.BigIntegerField())),
                ('was', models.IntegerField(verbose_name='score now')),
                ('shown', models.IntegerField(verbose_name='score by the draft')),
                ('enters', models.BooleanField()),
                ('account', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.account')),
                ('person', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.person')),
                ('version', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='scoring.scoringversion')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(django.db.models.lookups.IsNull(models.F('person'), True), django.db.models.lookups.IsNull(models.F('account'), False)), models.Q(django.db.models.lookups.IsNull(models.F('person'), False), django.db.models.lookups.IsNull(models.F('account'), True)), _connector='OR'), name='crossing_one_subject'), models.UniqueConstraint(fields=('version', 'subject_id'), name='crossing_once')],
            },
        ),
    ]
