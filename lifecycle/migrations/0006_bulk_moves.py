"""Moves of many members at once, with what came of each."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('kit', '0002_ledger_guard'),
        ('lifecycle', '0005_working_calendar'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='BulkMove',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(max_length=500, verbose_name='why')),
                ('created_at', models.DateTimeField(verbose_name='asked for')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL)),
                ('job', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='kit.job')),
                ('to_stage', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='lifecycle.stage')),
                ('undo_job', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='kit.job')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='lifecycle.version')),
            ],
        ),
        migrations.CreateModel(
            name='BulkMember',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('seq', models.IntegerField()),
                ('outcome', models.CharField(choices=[('waiting', 'waiting'), ('moved', 'moved'), ('same', 'was there already'), ('skipped', 'skipped: moved by somebody else first'), ('ended', 'skipped: its pass had ended'), ('undone', 'taken back'), ('kept', 'not taken back')], default='waiting', max_length=8, verbose_name='what came of it')),
                ('why', models.CharField(blank=True, max_length=300, verbose_name='why not')),
                ('membership', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='lifecycle.membership')),
                ('bulk', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='members', to='lifecycle.bulkmove')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('bulk', 'membership'), name='bulk_member_once')],
            },
        ),
    ]
