"""Versions that take over from one another, rules that wait or guard, and what stands still alone."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('audience', '0019_readiness'),
        ('kit', '0007_notices_to_subjects'),
        ('lifecycle', '0008_trace'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='StoppedRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('stopped_at', models.DateTimeField(verbose_name='stopped')),
                ('because', models.CharField(max_length=500)),
            ],
        ),
        migrations.CreateModel(
            name='Waiting',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('since', models.DateTimeField(verbose_name='holds since')),
                ('wakes_at', models.DateTimeField(verbose_name='delay is over')),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='version',
            name='one_live_version',
        ),
        migrations.AddField(
            model_name='movement',
            name='overrides',
            field=models.BooleanField(db_default=False, default=False, verbose_name='against a guard'),
        ),
        migrations.AddField(
            model_name='transition',
            name='delay',
            field=models.IntegerField(null=True, verbose_name='delay'),
        ),
        migrations.AddField(
            model_name='transition',
            name='delay_unit',
            field=models.CharField(blank=True, choices=[('hours', 'hours'), ('days', 'days'), ('working_hours', 'working hours')], max_length=13, verbose_name='unit of the delay'),
        ),
        migrations.AddField(
            model_name='transition',
            name='guard',
            field=models.JSONField(null=True, verbose_name='guard'),
        ),
        migrations.AddField(
            model_name='transition',
            name='on_missed',
            field=models.BooleanField(default=False, verbose_name='when the limit is missed'),
        ),
        migrations.AddField(
            model_name='version',
            name='before',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='lifecycle.version'),
        ),
        migrations.AddField(
            model_name='version',
            name='moves',
            field=models.JSONField(null=True, verbose_name='migration plan'),
        ),
        migrations.AlterField(
            model_name='bulkmember',
            name='outcome',
            field=models.CharField(choices=[('waiting', 'waiting'), ('moved', 'moved'), ('same', 'was there already'), ('skipped', 'skipped: moved by somebody else first'), ('ended', 'skipped: its pass had ended'), ('guarded', 'skipped: the guard does not hold'), ('undone', 'taken back'), ('kept', 'not taken back')], default='waiting', max_length=8, verbose_name='what came of it'),
        ),
        migrations.AlterField(
            model_name='version',
            name='state',
            field=models.CharField(choices=[('draft', 'Draft'), ('publishing', 'Publishing'), ('published', 'Published'), ('retired', 'Retired'), ('withdrawn', 'Taken back')], default='draft', max_length=12, verbose_name='state'),
        ),
        migrations.AddIndex(
            model_name='membership',
            index=models.Index(condition=models.Q(('due_at__isnull', False), ('ended_at', None)), fields=['due_at'], name='membership_due'),
        ),
        migrations.AddConstraint(
            model_name='version',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'published')), fields=('lifecycle',), name='one_live_version'),
        ),
        migrations.AddConstraint(
            model_name='version',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'publishing')), fields=('lifecycle',), name='one_coming_version'),
        ),
        migrations.AddField(
            model_name='stoppedrule',
            name='transition',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, to='lifecycle.transition'),
        ),
        migrations.AddField(
            model_name='stoppedrule',
            name='version',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='stopped_rules', to='lifecycle.version'),
        ),
        migrations.AddField(
            model_name='waiting',
            name='membership',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='lifecycle.membership'),
        ),
        migrations.AddField(
            model_name='waiting',
            name='transition',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='lifecycle.transition'),
        ),
        migrations.AddConstraint(
            model_name='stoppedrule',
            constraint=models.UniqueConstraint(fields=('version', 'transition'), name='rule_stopped_once', nulls_distinct=False),
        ),
        migrations.AddIndex(
            model_name='waiting',
            index=models.Index(fields=['transition', 'wakes_at'], name='waiting_wakes'),
        ),
        migrations.AddConstraint(
            model_name='waiting',
            constraint=models.UniqueConstraint(fields=('membership', 'transition'), name='waiting_once'),
        ),
    ]
