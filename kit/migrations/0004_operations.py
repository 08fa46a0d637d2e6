"""Which request a job and an audit entry go back to; what periodic work did last; which dead letters are settled."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('kit', '0003_notes_and_tasks'),
    ]

    operations = [
        migrations.CreateModel(
            name='Periodic',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=64, unique=True)),
                ('began_at', models.DateTimeField(null=True, verbose_name='last turn')),
                ('ended_at', models.DateTimeField(null=True)),
                ('failed_at', models.DateTimeField(null=True)),
                ('error', models.CharField(blank=True, db_default='', default='', max_length=500)),
                ('asked_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Settled',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=32)),
                ('key', models.CharField(max_length=64)),
                ('at', models.DateTimeField()),
                ('reason', models.CharField(max_length=500, verbose_name='why')),
            ],
        ),
        migrations.AddField(
            model_name='auditentry',
            name='request_id',
            field=models.CharField(blank=True, db_default='', default='', max_length=64),
        ),
        migrations.AddField(
            model_name='heartbeat',
            name='queues',
            field=models.CharField(blank=True, db_default='', default='', max_length=200, verbose_name='takes from'),
        ),
        migrations.AddField(
            model_name='job',
            name='request_id',
            field=models.CharField(blank=True, db_default='', default='', max_length=64),
        ),
        migrations.AddIndex(
            model_name='job',
            index=models.Index(condition=models.Q(('state', 'failed')), fields=['-finished_at'], name='job_failed'),
        ),
        migrations.AddField(
            model_name='periodic',
            name='asked_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='settled',
            name='by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='settled',
            constraint=models.UniqueConstraint(fields=('kind', 'key'), name='settled_once'),
        ),
    ]
