"""Segments that keep themselves: kind, how far they have looked, what failed; and their history by time."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('audience', '0006_activities_by_time'),
        ('kit', '0002_ledger_guard'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='segment',
            name='created_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='segment',
            name='confirmed_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='segment',
            name='failed_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='segment',
            name='failure',
            field=models.CharField(blank=True, max_length=500),
        ),
        migrations.AddField(
            model_name='segment',
            name='held_back_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='segment',
            name='job',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='kit.job'),
        ),
        migrations.AddField(
            model_name='segment',
            name='kind',
            field=models.CharField(choices=[('dynamic', 'by condition'), ('static', 'fixed list')], default='dynamic', max_length=10, verbose_name='kind'),
        ),
        migrations.AddField(
            model_name='segment',
            name='looked_until',
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name='segment',
            name='created_at',
            field=models.DateTimeField(verbose_name='made'),
        ),
        migrations.AlterField(
            model_name='segment',
            name='of',
            field=models.CharField(choices=[('person', 'Person'), ('account', 'Account')], default='person', max_length=10, verbose_name='of'),
        ),
        migrations.AlterField(
            model_name='segment',
            name='updated_at',
            field=models.DateTimeField(verbose_name='changed'),
        ),
        migrations.AddIndex(
            model_name='segmentmember',
            index=models.Index(fields=['segment', 'entered_at'], name='entered_segment'),
        ),
        migrations.AddIndex(
            model_name='segmentmember',
            index=models.Index(condition=models.Q(('left_at', None), _negated=True), fields=['segment', 'left_at'], name='left_segment'),
        ),
    ]
