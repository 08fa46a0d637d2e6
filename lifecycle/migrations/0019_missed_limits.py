"""Limits that were missed where nobody is handed over; those that are over already are noted, and told to nobody."""

import django.contrib.postgres.indexes
import django.db.models.deletion
import lifecycle.models.ledger
from django.db import migrations, models

NOTE = """
INSERT INTO lifecycle_missedlimit (membership_id, stage_id, entered_at, due_at, found_at, wants_telling)
SELECT held.id, held.stage_id, held.entered_at, held.due_at, now(), false
FROM lifecycle_membership held JOIN lifecycle_stage here ON here.id = held.stage_id
WHERE held.ended_at IS NULL AND held.due_at < now() AND held.due_at > now() - interval '8 days'
  AND here.hand_off IS NULL;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('lifecycle', '0018_never_emptied'),
    ]

    operations = [
        migrations.CreateModel(
            name='MissedLimit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('entered_at', models.DateTimeField(verbose_name='in this stage since')),
                ('due_at', models.DateTimeField(verbose_name='due')),
                ('found_at', models.DateTimeField(verbose_name='found')),
                ('wants_telling', models.BooleanField(db_default=True, default=True)),
                ('xid', models.BigIntegerField(db_default=lifecycle.models.ledger.TransactionId(), editable=False)),
                ('membership', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='lifecycle.membership')),
                ('stage', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='lifecycle.stage')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('wants_telling', True)), fields=['id'], name='missed_limit_to_tell'), django.contrib.postgres.indexes.BrinIndex(fields=['xid'], name='missed_limit_news')],
                'constraints': [models.UniqueConstraint(fields=('membership', 'entered_at'), name='missed_limit_once')],
            },
        ),
        migrations.RunSQL(NOTE, migrations.RunSQL.noop),
    ]
