"""The first tables, written by makemigrations and put in an order in which generated columns find their sources."""

import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.lookups
import lifecycle.models.ledger
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('audience', '0001_initial'),
        ('kit', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Lifecycle',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slug', models.SlugField(max_length=64, unique=True)),
                ('name', models.CharField(max_length=200, verbose_name='name')),
                ('species', models.CharField(choices=[('net_new', 'Net-new'), ('customer', 'Customer'), ('partner', 'Partner')], max_length=10, verbose_name='species')),
                ('of', models.CharField(choices=[('person', 'Person'), ('account', 'Account')], default='person', max_length=10, verbose_name='subjects')),
                ('goal', models.TextField(blank=True, verbose_name='goal')),
                ('created_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Version',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('lifecycle', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='versions', to='lifecycle.lifecycle')),
                ('number', models.IntegerField(verbose_name='version')),
                ('state', models.CharField(choices=[('draft', 'Draft'), ('publishing', 'Publishing'), ('published', 'Published'), ('retired', 'Retired')], default='draft', max_length=12, verbose_name='state')),
                ('entry', models.JSONField(null=True, verbose_name='entry condition')),
                ('reentry', models.BooleanField(default=False, verbose_name='may enter again after a pass has ended')),
                ('cases', models.JSONField(default=list, verbose_name='test cases')),
                ('job', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to='kit.job')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL)),
                ('created_at', models.DateTimeField()),
                ('published_at', models.DateTimeField(null=True, verbose_name='published')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('lifecycle', 'number'), name='version_number_once'), models.UniqueConstraint(condition=models.Q(('state__in', ['publishing', 'published'])), fields=('lifecycle',), name='one_live_version')],
            },
        ),
        migrations.CreateModel(
            name='Stage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='stages', to='lifecycle.version')),
                ('slug', models.SlugField(max_length=64)),
                ('name', models.CharField(max_length=200, verbose_name='name')),
                ('phase', models.CharField(blank=True, max_length=100, verbose_name='phase')),
                ('order', models.IntegerField(verbose_name='order')),
                ('path', models.CharField(choices=[('success', 'Success path'), ('detour', 'Detour')], default='success', max_length=10, verbose_name='path')),
                ('kind', models.CharField(choices=[('inventory', 'Inventory'), ('gate', 'Gate'), ('sla', 'SLA'), ('terminal', 'Terminal')], default='inventory', max_length=10, verbose_name='kind')),
                ('limit_hours', models.IntegerField(null=True, verbose_name='limit in working hours')),
                ('card', models.JSONField(default=dict, verbose_name='stage card')),
            ],
            options={
                'ordering': ['version', 'order'],
                'constraints': [models.UniqueConstraint(fields=('version', 'slug'), name='stage_once'), models.UniqueConstraint(fields=('version', 'order'), name='stage_order_once')],
            },
        ),
        migrations.CreateModel(
            name='Transition',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='transitions', to='lifecycle.version')),
                ('from_stage', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='exits', to='lifecycle.stage')),
                ('to_stage', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='arrivals', to='lifecycle.stage')),
                ('name', models.CharField(blank=True, max_length=200, verbose_name='name')),
                ('reason', models.CharField(blank=True, max_length=300, verbose_name='reason')),
                ('priority', models.IntegerField(verbose_name='priority')),
                ('condition', models.JSONField(null=True, verbose_name='condition')),
                ('by_hand', models.BooleanField(default=False, verbose_name='by hand only')),
            ],
            options={
                'ordering': ['version', 'priority'],
                'constraints': [models.UniqueConstraint(fields=('version', 'priority'), name='transition_priority_once')],
            },
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('person', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.person')),
                ('account', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.account')),
                ('lifecycle', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='lifecycle.lifecycle')),
                ('version', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='lifecycle.version')),
                ('pass_number', models.IntegerField(db_default=1, default=1, verbose_name='pass')),
                ('stage', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='lifecycle.stage')),
                ('seq', models.IntegerField(db_default=0, default=0)),
                ('entered_at', models.DateTimeField(verbose_name='in this stage since')),
                ('due_at', models.DateTimeField(null=True, verbose_name='due')),
                ('ended_at', models.DateTimeField(null=True, verbose_name='ended')),
                ('subject_id', models.GeneratedField(db_persist=True, expression=django.db.models.functions.comparison.Coalesce(models.F('person_id'), models.F('account_id')), output_field=models.BigIntegerField())),
            ],
            options={
                'indexes': [models.Index(fields=['subject_id'], name='memberships_of_subject')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(django.db.models.lookups.IsNull(models.F('person'), True), django.db.models.lookups.IsNull(models.F('account'), False)), models.Q(django.db.models.lookups.IsNull(models.F('person'), False), django.db.models.lookups.IsNull(models.F('account'), True)), _connector='OR'), name='membership_one_subject'), models.UniqueConstraint(fields=('lifecycle', 'subject_id', 'pass_number'), name='membership_once'), models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('lifecycle', 'subject_id'), name='one_open_membership')],
            },
        ),
        migrations.CreateModel(
            name='Movement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('membership', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='lifecycle.membership')),
                ('seq', models.IntegerField()),
                ('version', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='lifecycle.version')),
                ('from_stage', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='lifecycle.stage')),
                ('to_stage', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='lifecycle.stage')),
                ('occurred_at', models.DateTimeField(verbose_name='when')),
                ('evidence_at', models.DateTimeField(verbose_name='date of the fact')),
                ('recorded_at', models.DateTimeField(verbose_name='recorded')),
                ('kind', models.CharField(choices=[('placement', 'first placement'), ('rule', 'by a rule'), ('hand', 'by hand'), ('api', 'through the API'), ('import', 'by an import'), ('replay', 'replayed from history'), ('campaign', 'by a campaign'), ('undo', 'undone'), ('void', 'voided'), ('migration', 'by a new version'), ('merge', 'by a merge'), ('erasure', 'by an erasure')], max_length=10, verbose_name='how')),
                ('transition', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='lifecycle.transition')),
                ('reason', models.CharField(blank=True, max_length=500, verbose_name='why')),
                ('actor', models.CharField(blank=True, max_length=200, verbose_name='by')),
                ('xid', models.BigIntegerField(db_default=lifecycle.models.ledger.TransactionId(), editable=False)),
            ],
            options={
                'indexes': [models.Index(fields=['version', 'occurred_at'], name='movement_by_day'), django.contrib.postgres.indexes.BrinIndex(fields=['xid'], name='movement_new')],
                'constraints': [models.UniqueConstraint(fields=('membership', 'seq'), name='movement_once'), models.CheckConstraint(condition=models.Q(('from_stage__isnull', False), ('to_stage__isnull', False), _connector='OR'), name='movement_moves')],
            },
        ),
    ]
