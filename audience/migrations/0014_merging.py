"""Pairs that may be one and the same, merges and the rows that they moved, telephone numbers as they are meant."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('audience', '0013_passed_on'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Merge',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('of', models.CharField(choices=[('person', 'Person'), ('account', 'Account')], max_length=10)),
                ('survivor_id', models.BigIntegerField()),
                ('merged_id', models.BigIntegerField()),
                ('was', models.JSONField(default=dict)),
                ('values', models.JSONField(default=dict)),
                ('moved', models.JSONField(default=dict)),
                ('merged_at', models.DateTimeField(verbose_name='merged')),
                ('undone_at', models.DateTimeField(null=True, verbose_name='parted again')),
                ('merged_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('undone_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='MergedRows',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('table', models.CharField(max_length=63)),
                ('became', models.CharField(choices=[('moved', 'Moved'), ('changed', 'Changed'), ('aside', 'Aside')], max_length=7)),
                ('column', models.CharField(blank=True, max_length=63)),
                ('ids', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ('was', models.JSONField(null=True)),
                ('merge', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='rows', to='audience.merge')),
            ],
        ),
        migrations.CreateModel(
            name='PhoneNumber',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('written', models.CharField(max_length=50)),
                ('country', models.CharField(blank=True, max_length=100)),
                ('number', models.CharField(blank=True, max_length=20)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('number', ''), _negated=True), fields=['number'], name='phone_by_number')],
                'constraints': [models.UniqueConstraint(fields=('written', 'country'), name='phone_number_once')],
            },
        ),
        migrations.CreateModel(
            name='Duplicate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('of', models.CharField(choices=[('person', 'Person'), ('account', 'Account')], max_length=10)),
                ('one_id', models.BigIntegerField()),
                ('other_id', models.BigIntegerField()),
                ('why', models.JSONField(default=list)),
                ('confidence', models.IntegerField(verbose_name='confidence')),
                ('state', models.CharField(choices=[('open', 'to be looked at'), ('two', 'not the same')], default='open', max_length=4)),
                ('found_at', models.DateTimeField(verbose_name='found')),
                ('decided_at', models.DateTimeField(null=True)),
                ('decided_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['other_id'], name='duplicate_of_other'), models.Index(condition=models.Q(('state', 'open')), fields=['of', '-confidence', 'id'], name='duplicate_open')],
                'constraints': [models.UniqueConstraint(fields=('one_id', 'other_id'), name='duplicate_once'), models.CheckConstraint(condition=models.Q(('one_id__lt', models.F('other_id'))), name='duplicate_in_order')],
            },
        ),
        migrations.AddIndex(
            model_name='merge',
            index=models.Index(fields=['survivor_id'], name='merge_of_survivor'),
        ),
        migrations.AddIndex(
            model_name='merge',
            index=models.Index(fields=['-merged_at'], name='merge_newest'),
        ),
        migrations.AddConstraint(
            model_name='merge',
            constraint=models.UniqueConstraint(condition=models.Q(('undone_at', None)), fields=('merged_id',), name='merged_once'),
        ),
        migrations.AddConstraint(
            model_name='merge',
            constraint=models.CheckConstraint(condition=models.Q(('survivor_id', models.F('merged_id')), _negated=True), name='merge_of_two'),
        ),
    ]
