"""What trying a version on the past has shown, and where subjects are proposed to start."""

import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('audience', '0019_readiness'),
        ('kit', '0007_notices_to_subjects'),
        ('lifecycle', '0010_cards'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Backtest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('begins_on', models.DateField(verbose_name='from')),
                ('ends_on', models.DateField(verbose_name='until')),
                ('stage', models.SlugField(db_index=False, max_length=64, verbose_name='stage that is judged')),
                ('outcome_stage', models.SlugField(blank=True, db_index=False, max_length=64, verbose_name='by coming to')),
                ('outcome', models.JSONField(null=True, verbose_name='by a condition')),
                ('horizon', models.IntegerField(verbose_name='within so many days')),
                ('place', models.JSONField(default=list)),
                ('points', models.JSONField(default=list)),
                ('document', models.TextField()),
                ('created_at', models.DateTimeField(verbose_name='asked for')),
                ('result', models.JSONField(null=True)),
                ('against', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='lifecycle.version', verbose_name='beside')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('job', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='kit.job')),
                ('swept', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='lifecycle.transition', verbose_name='rule')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='backtests', to='lifecycle.version')),
            ],
        ),
        migrations.CreateModel(
            name='PlacementRound',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(verbose_name='asked for')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('job', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='kit.job')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='placement_rounds', to='lifecycle.version')),
            ],
        ),
        migrations.CreateModel(
            name='Proposal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject_id', models.GeneratedField(db_persist=True, expression=django.db.models.functions.comparison.Coalesce(models.F('person_id'), models.F('account_id')), output_field=models.BigIntegerField())),
                ('evidence', models.CharField(choices=[('deal_won', 'a deal was won'), ('contract', 'a contract is in force'), ('purchase', 'something was bought'), ('deal_open', 'a deal is open'), ('rule', 'a rule holds now'), ('rule_past', 'a rule held within a year'), ('little', 'not enough data')], max_length=10, verbose_name='because')),
                ('evidence_at', models.DateTimeField(null=True, verbose_name='since')),
                ('account', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.account')),
                ('bulk', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='lifecycle.bulkmove')),
                ('person', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.person')),
                ('round', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='proposals', to='lifecycle.placementround')),
                ('stage', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='lifecycle.stage')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(django.db.models.lookups.IsNull(models.F('person'), True), django.db.models.lookups.IsNull(models.F('account'), False)), models.Q(django.db.models.lookups.IsNull(models.F('person'), False), django.db.models.lookups.IsNull(models.F('account'), True)), _connector='OR'), name='proposal_one_subject'), models.UniqueConstraint(fields=('round', 'subject_id'), name='proposal_once')],
            },
        ),
        migrations.CreateModel(
            name='Reached',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject_id', models.GeneratedField(db_persist=True, expression=django.db.models.functions.comparison.Coalesce(models.F('person_id'), models.F('account_id')), output_field=models.BigIntegerField())),
                ('tried_at', models.DateTimeField(null=True, verbose_name='by this version')),
                ('live_at', models.DateTimeField(null=True, verbose_name='by the live version')),
                ('outcome_at', models.DateTimeField(null=True, verbose_name='outcome reached')),
                ('account', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.account')),
                ('backtest', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='reached', to='lifecycle.backtest')),
                ('person', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.person')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(django.db.models.lookups.IsNull(models.F('person'), True), django.db.models.lookups.IsNull(models.F('account'), False)), models.Q(django.db.models.lookups.IsNull(models.F('person'), False), django.db.models.lookups.IsNull(models.F('account'), True)), _connector='OR'), name='reached_one_subject'), models.UniqueConstraint(fields=('backtest', 'subject_id'), name='reached_once')],
            },
        ),
    ]
