"""The first tables, written by makemigrations and put in an order in which generated columns find their sources."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.lookups
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('audience', '0001_initial'),
        ('lifecycle', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='DailyFlow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('lifecycle', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='lifecycle.lifecycle')),
                ('version', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='lifecycle.version')),
                ('from_stage', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='lifecycle.stage')),
                ('to_stage', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='lifecycle.stage')),
                ('count', models.BigIntegerField()),
                ('stay_days', django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), default=list, size=None)),
                ('stay_counts', django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), default=list, size=None)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('lifecycle', 'day', 'version', 'from_stage', 'to_stage'), name='daily_flow_once', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='StageEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('person', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.person')),
                ('account', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.account')),
                ('membership', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='lifecycle.membership')),
                ('lifecycle', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='lifecycle.lifecycle')),
                ('stage', models.SlugField(max_length=64)),
                ('seq', models.IntegerField()),
                ('occurred_at', models.DateTimeField()),
                ('evidence_at', models.DateTimeField()),
                ('subject_id', models.GeneratedField(db_persist=True, expression=django.db.models.functions.comparison.Coalesce(models.F('person_id'), models.F('account_id')), output_field=models.BigIntegerField())),
            ],
            options={
                'indexes': [models.Index(fields=['lifecycle', 'stage', 'occurred_at'], name='stage_entry_by_time')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(django.db.models.lookups.IsNull(models.F('person'), True), django.db.models.lookups.IsNull(models.F('account'), False)), models.Q(django.db.models.lookups.IsNull(models.F('person'), False), django.db.models.lookups.IsNull(models.F('account'), True)), _connector='OR'), name='stage_entry_one_subject'), models.UniqueConstraint(fields=('membership', 'stage'), name='stage_entry_once')],
            },
        ),
        migrations.CreateModel(
            name='Fill',
            fields=[
                ('lifecycle', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, serialize=False, to='lifecycle.lifecycle')),
                ('through_xid', models.BigIntegerField(default=0)),
                ('exclusions_seen', models.BigIntegerField(default=0)),
                ('zone', models.CharField(blank=True, max_length=64)),
                ('filled_at', models.DateTimeField(null=True)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('through_xid__gte', 0)), name='fill_forward')],
            },
        ),
    ]
