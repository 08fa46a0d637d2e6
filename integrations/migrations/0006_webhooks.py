"""Webhooks, and what each was told."""

import django.contrib.postgres.fields
import django.contrib.postgres.functions
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0005_agreements'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Webhook',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=60, unique=True, verbose_name='name')),
                ('url', models.CharField(max_length=1000, verbose_name='address')),
                ('events', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), size=None, verbose_name='events')),
                ('secret', models.TextField()),
                ('former_secret', models.TextField(blank=True, db_default='', default='')),
                ('former_until', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField(verbose_name='added')),
                ('paused_at', models.DateTimeField(null=True, verbose_name='paused')),
                ('paused_because', models.CharField(blank=True, db_default='', default='', max_length=200)),
                ('here', models.CharField(max_length=100)),
                ('seen', models.TextField()),
                ('failures', models.IntegerField(db_default=0, default=0)),
                ('rest_until', models.DateTimeField(null=True)),
                ('told_at', models.DateTimeField(null=True)),
                ('answered_at', models.DateTimeField(null=True, verbose_name='last taken')),
                ('holder', models.UUIDField(null=True)),
                ('held_until', models.DateTimeField(null=True)),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='WebhookDelivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), editable=False)),
                ('event', models.CharField(max_length=40, verbose_name='event')),
                ('ref', models.BigIntegerField()),
                ('at', models.DateTimeField(verbose_name='happened')),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('delivered', 'Delivered'), ('dead', 'Given up')], db_default='waiting', default='waiting', max_length=10, verbose_name='state')),
                ('tries', models.IntegerField(db_default=0, default=0, verbose_name='tries')),
                ('since', models.DateTimeField()),
                ('next_at', models.DateTimeField(verbose_name='next try')),
                ('tried_at', models.DateTimeField(null=True, verbose_name='last try')),
                ('status', models.IntegerField(null=True, verbose_name='answer')),
                ('failure', models.CharField(blank=True, choices=[('status', 'It answered with an error'), ('time', 'No answer in time'), ('name', 'Nobody knows the name'), ('inside', 'It leads into a network of its own'), ('tls', 'Its certificate is not good'), ('broken', 'The connection failed'), ('address', 'The address cannot be asked'), ('unreached', 'The address could not be reached for days'), ('paused', 'The webhook was paused for too long'), ('vanished', 'What it tells of is not there any more')], db_default='', default='', max_length=10)),
                ('took_ms', models.IntegerField(null=True)),
                ('log', models.JSONField(db_default=[], default=list)),
                ('ended_at', models.DateTimeField(null=True)),
                ('webhook', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='integrations.webhook')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state', 'waiting')), fields=['webhook', 'next_at', 'id'], name='delivery_due'), models.Index(fields=['webhook', '-id'], name='deliveries_of_webhook'), models.Index(condition=models.Q(('state', 'dead')), fields=['webhook', '-ended_at'], name='delivery_dead'), models.Index(condition=models.Q(('ended_at__isnull', False)), fields=['ended_at'], name='delivery_ended')],
            },
        ),
    ]
