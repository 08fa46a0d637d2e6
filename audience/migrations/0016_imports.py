"""Mappings that are kept, schedules that use them, and traces of what the newer kinds of imports write."""

import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models


MADE = ("consentrecord",)
# Tables whose rows change without a history, and the columns by which a change since is known.
MARKED = {
    "case": "person_id, account_id, title, severity, opened_at, closed_at, properties",
    "cost": "channel, campaign, starts_on, ends_on, amount, currency",
    "suppression": "channel, topic_id, address_hash, reason",
}
CHANGED = ("case", "cost")


def triggers():
    for table, marked in (dict.fromkeys(MADE, "") | MARKED).items():
        yield (
            f"CREATE TRIGGER trace_insert AFTER INSERT ON audience_{table} REFERENCING NEW TABLE AS changed"
            f" FOR EACH STATEMENT EXECUTE FUNCTION trace_import('{marked}')"
        )
    for table in CHANGED:
        yield (
            f"CREATE TRIGGER trace_update AFTER UPDATE ON audience_{table}"
            " REFERENCING OLD TABLE AS before NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION trace_import()"
        )


def no_triggers():
    for table in (*MADE, *MARKED):
        yield f"DROP TRIGGER trace_insert ON audience_{table}"
    for table in CHANGED:
        yield f"DROP TRIGGER trace_update ON audience_{table}"


class Migration(migrations.Migration):

    dependencies = [
        ('audience', '0015_forms'),
        ('kit', '0006_erasing'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ImportSchedule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100, verbose_name='name')),
                ('place', models.CharField(choices=[('folder', 'a folder of this installation'), ('url', 'an address of the web')], max_length=10, verbose_name='from')),
                ('folder', models.CharField(blank=True, max_length=300, verbose_name='folder')),
                ('pattern', models.CharField(blank=True, max_length=100, verbose_name='files called')),
                ('url', models.CharField(blank=True, max_length=1000, verbose_name='address')),
                ('sign', models.CharField(blank=True, choices=[('', 'nothing'), ('basic', 'user and password'), ('bearer', 'a token')], max_length=10, verbose_name='signs in by')),
                ('user', models.CharField(blank=True, max_length=200, verbose_name='user')),
                ('secret', models.TextField(blank=True, verbose_name='password or token')),
                ('every', models.CharField(choices=[('once', 'once'), ('hour', 'every hour'), ('day', 'every day'), ('week', 'every week')], max_length=10, verbose_name='how often')),
                ('next_at', models.DateTimeField(null=True, verbose_name='next')),
                ('paused_at', models.DateTimeField(null=True, verbose_name='paused')),
                ('created_at', models.DateTimeField(verbose_name='since')),
                ('owner', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='owner')),
            ],
        ),
        migrations.CreateModel(
            name='ImportTurn',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('began_at', models.DateTimeField(verbose_name='when')),
                ('ended_at', models.DateTimeField(null=True, verbose_name='ended')),
                ('outcome', models.CharField(choices=[('open', 'under way'), ('nothing', 'nothing new'), ('done', 'brought in'), ('failed', 'failed')], default='open', max_length=10, verbose_name='what came of it')),
                ('reason', models.CharField(blank=True, max_length=1000, verbose_name='reason')),
                ('asked_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('job', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='kit.job')),
                ('schedule', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='turns', to='audience.importschedule')),
            ],
        ),
        migrations.CreateModel(
            name='SavedMapping',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100, verbose_name='name')),
                ('kind', models.CharField(max_length=32, verbose_name='what the rows are')),
                ('header', models.JSONField(default=list)),
                ('mapping', models.JSONField(default=dict, verbose_name='mapping')),
                ('source', models.CharField(max_length=64, verbose_name='source system')),
                ('policy', models.CharField(choices=[('upsert', 'Create new, update existing'), ('create', 'Create new only'), ('update', 'Update existing only'), ('fill', 'Create new, fill only empty values of existing')], default='upsert', max_length=10, verbose_name='policy')),
                ('created_at', models.DateTimeField(verbose_name='since')),
                ('updated_at', models.DateTimeField(verbose_name='changed')),
                ('used_at', models.DateTimeField(null=True, verbose_name='last used')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.AddField(
            model_name='importschedule',
            name='saved',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='schedules', to='audience.savedmapping', verbose_name='mapping'),
        ),
        migrations.CreateModel(
            name='TakenFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=255, verbose_name='file')),
                ('size', models.BigIntegerField()),
                ('digest', models.CharField(max_length=64)),
                ('reason', models.CharField(blank=True, max_length=500, verbose_name='reason')),
                ('imported', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='taken', to='audience.import')),
                ('schedule', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='files', to='audience.importschedule')),
                ('turn', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='files', to='audience.importturn')),
            ],
        ),
        migrations.AddConstraint(
            model_name='importturn',
            constraint=models.UniqueConstraint(condition=models.Q(('outcome', 'open')), fields=('schedule',), name='one_turn_of_schedule'),
        ),
        migrations.AddConstraint(
            model_name='savedmapping',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('name'), name='saved_mapping_once'),
        ),
        migrations.AddIndex(
            model_name='importschedule',
            index=models.Index(condition=models.Q(('paused_at__isnull', True)), fields=['next_at'], name='import_schedule_due'),
        ),
        migrations.AddConstraint(
            model_name='importschedule',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('name'), name='import_schedule_once'),
        ),
        migrations.AddConstraint(
            model_name='takenfile',
            constraint=models.UniqueConstraint(fields=('schedule', 'name', 'size', 'digest'), name='taken_once'),
        ),
        migrations.RunSQL(";\n".join(triggers()), ";\n".join(no_triggers())),
    ]
