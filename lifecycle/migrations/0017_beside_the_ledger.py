"""What truly happened beside a backtest, and what each who came to its stage has cost."""

import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.lookups
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('audience', '0023_terms'),
        ('lifecycle', '0016_over_guard'),
    ]

    operations = [
        migrations.AddField(
            model_name='reached',
            name='ledger_at',
            field=models.DateTimeField(null=True, verbose_name='as recorded'),
        ),
        migrations.AddField(
            model_name='reached',
            name='cost',
            field=models.BigIntegerField(null=True, verbose_name='share of costs (minor units)'),
        ),
        migrations.CreateModel(
            name='Moved',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject_id', models.GeneratedField(db_persist=True, expression=django.db.models.functions.comparison.Coalesce(models.F('person_id'), models.F('account_id')), output_field=models.BigIntegerField())),
                ('cause', models.CharField(choices=[('hand', 'by hand or a program'), ('file', 'by a file'), ('handoff', 'by an answer of sales')], max_length=10, verbose_name='how')),
                ('moves', models.IntegerField(verbose_name='moves in all')),
                ('moved_at', models.DateTimeField(verbose_name='moved')),
                ('recorded_at', models.DateTimeField(verbose_name='written down')),
                ('from_stage', models.SlugField(blank=True, db_index=False, max_length=64)),
                ('to_stage', models.SlugField(blank=True, db_index=False, max_length=64)),
                ('stood', models.SlugField(blank=True, db_index=False, max_length=64, verbose_name='as recorded')),
                ('tried_stood', models.SlugField(blank=True, db_index=False, max_length=64, verbose_name='by this version')),
                ('live_stood', models.SlugField(blank=True, db_index=False, max_length=64, verbose_name='by the live version')),
                ('account', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.account')),
                ('backtest', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='moved', to='lifecycle.backtest')),
                ('person', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.person')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(django.db.models.lookups.IsNull(models.F('person'), True), django.db.models.lookups.IsNull(models.F('account'), False)), models.Q(django.db.models.lookups.IsNull(models.F('person'), False), django.db.models.lookups.IsNull(models.F('account'), True)), _connector='OR'), name='moved_one_subject'), models.UniqueConstraint(fields=('backtest', 'subject_id'), name='moved_once')],
            },
        ),
    ]
