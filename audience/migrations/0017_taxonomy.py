"""Kinds of activities described, channels, and what was taken back."""

import django.contrib.postgres.fields
import django.core.serializers.json
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('audience', '0016_imports'),
        ('kit', '0006_erasing'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Channel',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slug', models.SlugField(max_length=32, unique=True)),
                ('label', models.CharField(max_length=100, verbose_name='name')),
                ('direction', models.CharField(blank=True, choices=[('inbound', 'inbound'), ('outbound', 'outbound')], max_length=10, verbose_name='direction')),
                ('is_paid', models.BooleanField(default=False, verbose_name='paid')),
                ('is_human', models.BooleanField(default=False, verbose_name='from human to human')),
                ('is_offline', models.BooleanField(default=False, verbose_name='offline')),
                ('aliases', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=32), blank=True, default=list, size=None)),
            ],
        ),
        migrations.CreateModel(
            name='Retraction',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(choices=[('scanner', 'They were a scanner’s or a bot’s'), ('test', 'They were tests of ours'), ('twice', 'They were told twice'), ('wrong', 'They did not happen so')], max_length=10, verbose_name='why')),
                ('note', models.CharField(blank=True, max_length=500, verbose_name='note')),
                ('asked', models.JSONField(encoder=django.core.serializers.json.DjangoJSONEncoder)),
                ('created_at', models.DateTimeField(verbose_name='when')),
                ('activities', models.PositiveIntegerField(default=0, verbose_name='activities')),
                ('subjects', models.PositiveIntegerField(default=0, verbose_name='people and accounts')),
                ('instants', django.contrib.postgres.fields.ArrayField(base_field=models.DateTimeField(), default=list, size=None)),
                ('finished_at', models.DateTimeField(null=True)),
                ('undo_asked_at', models.DateTimeField(null=True)),
                ('restored', django.contrib.postgres.fields.ArrayField(base_field=models.DateTimeField(), default=list, size=None)),
                ('undone_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.AlterModelOptions(
            name='activitykind',
            options={'verbose_name_plural': 'kinds of activities'},
        ),
        migrations.AddField(
            model_name='activitykind',
            name='described_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='activitykind',
            name='intent',
            field=models.SmallIntegerField(db_default=0, default=0, verbose_name='intent'),
        ),
        migrations.AddField(
            model_name='activitykind',
            name='is_engagement',
            field=models.BooleanField(db_default=False, default=False, verbose_name='counts as engagement'),
        ),
        migrations.AddConstraint(
            model_name='activitykind',
            constraint=models.CheckConstraint(condition=models.Q(('intent__gte', 0), ('intent__lte', 100)), name='intent_in_percent'),
        ),
        migrations.AddField(
            model_name='retraction',
            name='by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='retraction',
            name='job',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='kit.job'),
        ),
    ]
