"""Scoring models, versions, rules, scores and the ledger of their changes."""

import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('audience', '0006_activities_by_time'),
        ('kit', '0002_ledger_guard'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ScoringModel',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slug', models.SlugField(max_length=64, unique=True)),
                ('name', models.CharField(max_length=200, verbose_name='name')),
                ('species', models.CharField(blank=True, choices=[('net_new', 'Net-new'), ('customer', 'Customer'), ('partner', 'Partner')], max_length=10, verbose_name='species')),
                ('of', models.CharField(choices=[('person', 'Person'), ('account', 'Account')], default='person', max_length=10, verbose_name='subjects')),
                ('goal', models.TextField(blank=True, verbose_name='goal')),
                ('created_at', models.DateTimeField()),
                ('looked_until', models.DateTimeField(null=True)),
                ('fault', models.CharField(blank=True, max_length=500)),
            ],
        ),
        migrations.CreateModel(
            name='ScoringVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.IntegerField(verbose_name='version')),
                ('state', models.CharField(choices=[('draft', 'Draft'), ('publishing', 'Publishing'), ('published', 'Published'), ('retired', 'Retired')], default='draft', max_length=12, verbose_name='state')),
                ('limit', models.IntegerField(blank=True, null=True, verbose_name='limit in points')),
                ('caps', models.JSONField(blank=True, default=dict, verbose_name='most points of a group')),
                ('grades', models.JSONField(blank=True, default=dict, verbose_name='fit points of each grade')),
                ('levels', models.JSONField(blank=True, default=dict, verbose_name='behaviour points of each level')),
                ('effective_from', models.DateTimeField(blank=True, null=True, verbose_name='in force from')),
                ('created_at', models.DateTimeField()),
                ('published_at', models.DateTimeField(null=True, verbose_name='published')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL)),
                ('job', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to='kit.job')),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='versions', to='scoring.scoringmodel')),
            ],
        ),
        migrations.AddField(
            model_name='scoringmodel',
            name='scored_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='scoring.scoringversion'),
        ),
        migrations.CreateModel(
            name='ScoreChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject_id', models.GeneratedField(db_persist=True, expression=django.db.models.functions.comparison.Coalesce(models.F('person_id'), models.F('account_id')), output_field=models.BigIntegerField())),
                ('old_shown', models.IntegerField()),
                ('shown', models.IntegerField(verbose_name='score')),
                ('old_grade', models.CharField(blank=True, max_length=1)),
                ('grade', models.CharField(blank=True, max_length=1, verbose_name='grade')),
                ('occurred_at', models.DateTimeField(verbose_name='when')),
                ('recorded_at', models.DateTimeField(verbose_name='recorded')),
                ('account', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.account')),
                ('person', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.person')),
                ('model', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='scoring.scoringmodel')),
                ('version', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='scoring.scoringversion')),
            ],
        ),
        migrations.CreateModel(
            name='Rule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('order', models.IntegerField(verbose_name='order')),
                ('name', models.CharField(max_length=200, verbose_name='name')),
                ('kind', models.CharField(choices=[('behaviour', 'Behaviour'), ('fit', 'Fit')], max_length=10, verbose_name='kind')),
                ('points', models.DecimalField(decimal_places=6, max_digits=10, verbose_name='points')),
                ('where', models.JSONField(blank=True, default=dict, verbose_name='which activities')),
                ('half_life_days', models.IntegerField(blank=True, null=True, verbose_name='half-life in days')),
                ('expires_days', models.IntegerField(blank=True, null=True, verbose_name='expires after days')),
                ('once', models.BooleanField(default=False, verbose_name='counts once')),
                ('condition', models.JSONField(blank=True, null=True, verbose_name='condition')),
                ('cap', models.DecimalField(blank=True, decimal_places=6, max_digits=10, null=True, verbose_name='most points')),
                ('group', models.CharField(blank=True, max_length=64, verbose_name='group')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='rules', to='scoring.scoringversion')),
            ],
            options={
                'ordering': ['version', 'order'],
            },
        ),
        migrations.CreateModel(
            name='Score',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject_id', models.GeneratedField(db_persist=True, expression=django.db.models.functions.comparison.Coalesce(models.F('person_id'), models.F('account_id')), output_field=models.BigIntegerField())),
                ('total', models.BigIntegerField()),
                ('behaviour', models.BigIntegerField()),
                ('fit', models.BigIntegerField()),
                ('shown', models.IntegerField(verbose_name='score')),
                ('grade', models.CharField(blank=True, max_length=1, verbose_name='grade')),
                ('account', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.account')),
                ('person', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.person')),
                ('model', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='scoring.scoringmodel')),
            ],
            options={
                'indexes': [models.Index(fields=['subject_id'], name='scores_of_subject')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(django.db.models.lookups.IsNull(models.F('person'), True), django.db.models.lookups.IsNull(models.F('account'), False)), models.Q(django.db.models.lookups.IsNull(models.F('person'), False), django.db.models.lookups.IsNull(models.F('account'), True)), _connector='OR'), name='score_one_subject'), models.UniqueConstraint(fields=('model', 'subject_id'), name='score_once')],
            },
        ),
        migrations.AddConstraint(
            model_name='scoringversion',
            constraint=models.UniqueConstraint(fields=('model', 'number'), name='scoring_version_once'),
        ),
        migrations.AddConstraint(
            model_name='scoringversion',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'publishing')), fields=('model',), name='one_publishing_version'),
        ),
        migrations.AddIndex(
            model_name='scorechange',
            index=models.Index(fields=['model', 'subject_id', 'occurred_at'], name='score_as_known_then'),
        ),
        migrations.AddIndex(
            model_name='scorechange',
            index=models.Index(fields=['model', 'occurred_at'], name='score_change_by_time'),
        ),
        migrations.AddIndex(
            model_name='scorechange',
            index=django.contrib.postgres.indexes.BrinIndex(fields=['recorded_at'], name='score_change_new'),
        ),
        migrations.AddConstraint(
            model_name='scorechange',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(django.db.models.lookups.IsNull(models.F('person'), True), django.db.models.lookups.IsNull(models.F('account'), False)), models.Q(django.db.models.lookups.IsNull(models.F('person'), False), django.db.models.lookups.IsNull(models.F('account'), True)), _connector='OR'), name='score_change_one_subject'),
        ),
        migrations.AddConstraint(
            model_name='rule',
            constraint=models.UniqueConstraint(fields=('version', 'order'), name='rule_order_once'),
        ),
    ]
