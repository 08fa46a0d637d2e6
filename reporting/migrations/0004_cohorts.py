"""Cohorts by day, and on each entry how soon the rest of the success path was reached."""


import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('lifecycle', '0002_ledger'),
        ('reporting', '0003_fill_snapshot'),
    ]

    operations = [
        migrations.AddField(
            model_name='fill',
            name='path',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=64), default=list, size=None),
        ),
        migrations.AddField(
            model_name='stageentry',
            name='from_first',
            field=models.IntegerField(null=True),
        ),
        migrations.AddField(
            model_name='stageentry',
            name='from_previous',
            field=models.IntegerField(null=True),
        ),
        migrations.AddField(
            model_name='stageentry',
            name='reached',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(null=True), null=True, size=None),
        ),
        migrations.AddField(
            model_name='stageentry',
            name='strict',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(null=True), null=True, size=None),
        ),
        migrations.CreateModel(
            name='DailyCohort',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('entered', 'entered'), ('reached', 'reached the target or a later stage'), ('strict', 'reached the target through every stage between'), ('velocity', 'reached the target on this day, so long after the origin')], max_length=8)),
                ('day', models.DateField()),
                ('origin', models.SlugField(blank=True, db_index=False, max_length=64, verbose_name='from')),
                ('target', models.SlugField(blank=True, db_index=False, max_length=64, verbose_name='to')),
                ('days', django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), size=None)),
                ('counts', django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), size=None)),
                ('lifecycle', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='lifecycle.lifecycle')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('lifecycle', 'kind', 'day', 'origin', 'target'), name='daily_cohort_once')],
            },
        ),
    ]
