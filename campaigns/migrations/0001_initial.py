"""The tables of campaigns."""

import django.db.models.constraints
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('audience', '0009_consent'),
        ('kit', '0003_notes_and_tasks'),
        ('lifecycle', '0007_board'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Campaign',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slug', models.SlugField(max_length=64, unique=True)),
                ('name', models.CharField(max_length=200, verbose_name='name')),
                ('kind', models.CharField(choices=[('welcome', 'Welcome'), ('acquisition', 'Acquisition'), ('nurture', 'Nurture'), ('reengagement', 'Re-engagement'), ('engagement', 'Engagement'), ('promotion', 'Promotion'), ('onboarding', 'Onboarding'), ('loyalty', 'Loyalty'), ('renewal', 'Renewal'), ('upsell', 'Upsell'), ('cross_sell', 'Cross-sell'), ('referral', 'Referral'), ('partner', 'Partner'), ('newsletter', 'Newsletter')], default='nurture', max_length=16, verbose_name='type')),
                ('stage', models.SlugField(blank=True, max_length=64, verbose_name='stage')),
                ('holdout', models.IntegerField(db_default=0, default=0, verbose_name='held out, per cent')),
                ('outcome_stage', models.SlugField(blank=True, max_length=64)),
                ('outcome_days', models.IntegerField(db_default=90, default=90)),
                ('state', models.CharField(choices=[('draft', 'Draft'), ('running', 'Running'), ('paused', 'Paused'), ('stopped', 'Stopped')], default='draft', max_length=8, verbose_name='state')),
                ('paused_because', models.CharField(blank=True, max_length=500)),
                ('created_at', models.DateTimeField(verbose_name='made')),
                ('launched_at', models.DateTimeField(null=True, verbose_name='launched')),
                ('stopped_at', models.DateTimeField(null=True, verbose_name='stopped')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('lifecycle', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to='lifecycle.lifecycle', verbose_name='lifecycle')),
                ('topic', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.topic', verbose_name='topic')),
            ],
        ),
        migrations.CreateModel(
            name='CampaignVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.IntegerField(verbose_name='version')),
                ('state', models.CharField(choices=[('draft', 'Draft'), ('live', 'Live'), ('retired', 'Retired')], default='draft', max_length=8, verbose_name='state')),
                ('entry', models.CharField(choices=[('stage', 'when they enter the stage'), ('segment', 'when they join a segment'), ('broadcast', 'once, everybody in a segment'), ('hand', 'by hand')], default='hand', max_length=10, verbose_name='they enter')),
                ('present', models.BooleanField(default=False, verbose_name='those already there enter too')),
                ('reentry_days', models.IntegerField(null=True, verbose_name='may enter again after days')),
                ('leave_with_stage', models.BooleanField(default=True, verbose_name='whoever leaves the stage leaves the campaign')),
                ('audience', models.JSONField(null=True, verbose_name='only those of whom')),
                ('goal', models.JSONField(null=True, verbose_name='goal')),
                ('exit', models.JSONField(null=True, verbose_name='exit')),
                ('created_at', models.DateTimeField()),
                ('launched_at', models.DateTimeField(null=True, verbose_name='launched')),
                ('looked_until', models.DateTimeField(null=True)),
                ('campaign', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='versions', to='campaigns.campaign')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('segment', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.segment', verbose_name='segment')),
            ],
        ),
        migrations.CreateModel(
            name='ChannelSetting',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('channel', models.CharField(max_length=16, unique=True)),
                ('provider', models.CharField(max_length=16, verbose_name='provider')),
                ('settings', models.JSONField(default=dict)),
                ('secret', models.TextField(blank=True)),
                ('batch', models.IntegerField(default=25, verbose_name='messages in the air')),
                ('paused_at', models.DateTimeField(null=True)),
                ('paused_because', models.CharField(blank=True, max_length=500)),
                ('retry_at', models.DateTimeField(null=True)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('batch__gte', 1), ('batch__lte', 500)), name='channel_batch')],
            },
        ),
        migrations.CreateModel(
            name='Content',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slug', models.SlugField(max_length=64, unique=True)),
                ('name', models.CharField(max_length=200, verbose_name='name')),
                ('style', models.CharField(blank=True, choices=[('education', 'Education'), ('engagement', 'Engagement')], max_length=12, verbose_name='style')),
                ('stage', models.SlugField(blank=True, max_length=64, verbose_name='stage')),
                ('created_at', models.DateTimeField(verbose_name='made')),
                ('updated_at', models.DateTimeField(verbose_name='changed')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('lifecycle', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to='lifecycle.lifecycle', verbose_name='lifecycle')),
            ],
        ),
        migrations.CreateModel(
            name='ContentVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.IntegerField(verbose_name='version')),
                ('subject', models.CharField(max_length=500, verbose_name='subject')),
                ('preheader', models.CharField(blank=True, max_length=500, verbose_name='preview text')),
                ('format', models.CharField(choices=[('html', 'HTML'), ('mjml', 'MJML')], default='html', max_length=4, verbose_name='written in')),
                ('source', models.TextField(verbose_name='body')),
                ('html', models.TextField()),
                ('text_source', models.TextField(blank=True, verbose_name='plain text')),
                ('text', models.TextField()),
                ('links', models.JSONField(default=list)),
                ('missing', models.CharField(choices=[('default', 'leave the place empty'), ('skip', 'send that person nothing'), ('fail', 'count it as a failure')], default='default', max_length=7, verbose_name='when a value is missing')),
                ('created_at', models.DateTimeField(verbose_name='written')),
                ('content', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='versions', to='campaigns.content')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='DomainPause',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('channel', models.CharField(max_length=16)),
                ('domain', models.CharField(max_length=253, verbose_name='domain')),
                ('because', models.CharField(max_length=500, verbose_name='in its words')),
                ('since', models.DateTimeField(verbose_name='since')),
                ('until', models.DateTimeField(verbose_name='until')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('channel', 'domain'), name='domain_pause_once')],
            },
        ),
        migrations.CreateModel(
            name='Enrollment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject_id', models.GeneratedField(db_persist=True, expression=django.db.models.functions.comparison.Coalesce(models.F('person_id'), models.F('account_id')), output_field=models.BigIntegerField())),
                ('pass_number', models.IntegerField(db_default=1, default=1, verbose_name='pass')),
                ('state', models.CharField(choices=[('active', 'on the way'), ('holdout', 'held out'), ('finished', 'went through'), ('goal', 'reached the goal'), ('exited', 'left'), ('stopped', 'stopped with the campaign'), ('quarantined', 'set aside after errors')], default='active', max_length=11, verbose_name='state')),
                ('step_at', models.DateTimeField(null=True)),
                ('visit', models.IntegerField(db_default=1, default=1)),
                ('wake_at', models.DateTimeField(null=True, verbose_name='next look')),
                ('strikes', models.IntegerField(db_default=0, default=0)),
                ('why', models.CharField(blank=True, max_length=300, verbose_name='why it entered')),
                ('reason', models.CharField(blank=True, max_length=300, verbose_name='why it ended')),
                ('entered_at', models.DateTimeField(verbose_name='entered')),
                ('ended_at', models.DateTimeField(null=True, verbose_name='ended')),
                ('account', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.account')),
                ('campaign', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='campaigns.campaign')),
                ('person', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.person')),
                ('version', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='campaigns.campaignversion')),
            ],
        ),
        migrations.CreateModel(
            name='Letter',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('message_id', models.UUIDField(unique=True)),
                ('sender', models.CharField(max_length=320, verbose_name='from')),
                ('recipient', models.CharField(max_length=320, verbose_name='to')),
                ('subject', models.TextField(verbose_name='subject')),
                ('raw', models.BinaryField()),
                ('received_at', models.DateTimeField(verbose_name='arrived')),
            ],
            options={
                'indexes': [models.Index(fields=['-received_at'], name='letter_newest')],
            },
        ),
        migrations.CreateModel(
            name='Message',
            fields=[
                ('subject_id', models.GeneratedField(db_persist=True, expression=django.db.models.functions.comparison.Coalesce(models.F('person_id'), models.F('account_id')), output_field=models.BigIntegerField())),
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('purpose', models.CharField(choices=[('campaign', 'campaign'), ('test', 'test'), ('notice', 'notice')], default='campaign', max_length=8)),
                ('visit', models.IntegerField(db_default=1, default=1)),
                ('channel', models.CharField(db_default='email', default='email', max_length=16, verbose_name='channel')),
                ('links', models.JSONField(null=True)),
                ('state', models.CharField(choices=[('queued', 'waiting'), ('claimed', 'being written'), ('sending', 'being sent'), ('sent', 'sent'), ('failed', 'failed'), ('suppressed', 'held back: not wanted'), ('skipped', 'passed over'), ('expired', 'too late'), ('cancelled', 'cancelled'), ('unknown', 'perhaps sent')], default='queued', max_length=10, verbose_name='state')),
                ('policy', models.CharField(choices=[('at_most_once', 'at most once'), ('at_least_once', 'at least once')], default='at_most_once', max_length=13)),
                ('attempt', models.IntegerField(db_default=0, default=0, verbose_name='attempts')),
                ('strikes', models.IntegerField(db_default=0, default=0)),
                ('due_at', models.DateTimeField(verbose_name='due')),
                ('not_after', models.DateTimeField(null=True, verbose_name='not after')),
                ('owner', models.CharField(blank=True, db_default='', default='', max_length=64)),
                ('lease_until', models.DateTimeField(null=True)),
                ('reason', models.CharField(blank=True, db_default='', default='', max_length=300, verbose_name='why')),
                ('created_at', models.DateTimeField(verbose_name='written down')),
                ('sent_at', models.DateTimeField(null=True, verbose_name='sent')),
                ('account', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.account')),
                ('campaign', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='campaigns.campaign')),
                ('content_version', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='campaigns.contentversion')),
                ('enrollment', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='campaigns.enrollment')),
                ('notice', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='kit.notice')),
                ('person', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.person')),
                ('to_user', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('topic', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.topic')),
            ],
        ),
        migrations.CreateModel(
            name='MessageAttempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('attempt', models.IntegerField()),
                ('phase', models.CharField(max_length=12)),
                ('state', models.CharField(choices=[('queued', 'waiting'), ('claimed', 'being written'), ('sending', 'being sent'), ('sent', 'sent'), ('failed', 'failed'), ('suppressed', 'held back: not wanted'), ('skipped', 'passed over'), ('expired', 'too late'), ('cancelled', 'cancelled'), ('unknown', 'perhaps sent')], max_length=10, verbose_name='state after it')),
                ('code', models.IntegerField(null=True)),
                ('enhanced', models.CharField(blank=True, db_default='', default='', max_length=12)),
                ('reply', models.CharField(blank=True, db_default='', default='', max_length=500)),
                ('began_at', models.DateTimeField(null=True)),
                ('at', models.DateTimeField(verbose_name='when')),
                ('message', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='attempts', to='campaigns.message')),
            ],
        ),
        migrations.CreateModel(
            name='Response',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('delivered', 'delivered'), ('opened', 'opened'), ('clicked', 'clicked'), ('bounced', 'bounced'), ('complained', 'complained'), ('unsubscribed', 'unsubscribed'), ('replied', 'replied')], max_length=12, verbose_name='what')),
                ('actor', models.CharField(choices=[('human', 'human'), ('bot', 'bot'), ('proxy', 'privacy proxy'), ('unknown', 'unknown')], max_length=10, verbose_name='by')),
                ('link', models.IntegerField(null=True)),
                ('at', models.DateTimeField(verbose_name='when')),
                ('message', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='responses', to='campaigns.message')),
            ],
        ),
        migrations.CreateModel(
            name='Sender',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200, verbose_name='name')),
                ('address', models.EmailField(max_length=254, unique=True, verbose_name='address')),
                ('reply_to', models.EmailField(blank=True, max_length=254, verbose_name='answers go to')),
                ('is_default', models.BooleanField(default=False, verbose_name='used unless another is chosen')),
                ('retired_at', models.DateTimeField(null=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('is_default', True)), fields=('is_default',), name='one_default_sender')],
            },
        ),
        migrations.AddField(
            model_name='message',
            name='sender',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='campaigns.sender'),
        ),
        migrations.AddField(
            model_name='campaign',
            name='sender',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to='campaigns.sender', verbose_name='sender'),
        ),
        migrations.CreateModel(
            name='Step',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=12)),
                ('kind', models.CharField(choices=[('send', 'Send an email'), ('wait', 'Wait'), ('wait_until', 'Wait until something holds'), ('branch', 'Branch'), ('move', 'Move to a stage'), ('goal', 'Goal'), ('exit', 'Exit')], max_length=10, verbose_name='kind')),
                ('name', models.CharField(blank=True, max_length=200, verbose_name='name')),
                ('arm', models.CharField(blank=True, choices=[('yes', 'yes'), ('no', 'no')], max_length=3)),
                ('position', models.IntegerField()),
                ('condition', models.JSONField(null=True, verbose_name='condition')),
                ('stage', models.SlugField(blank=True, max_length=64, verbose_name='stage')),
                ('settings', models.JSONField(default=dict)),
                ('content', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to='campaigns.content', verbose_name='content')),
                ('content_version', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='campaigns.contentversion')),
                ('lifecycle', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='lifecycle.lifecycle')),
                ('next', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='campaigns.step')),
                ('other', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='campaigns.step')),
                ('parent', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='children', to='campaigns.step')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='steps', to='campaigns.campaignversion')),
            ],
        ),
        migrations.AddField(
            model_name='message',
            name='step',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='campaigns.step'),
        ),
        migrations.AddField(
            model_name='enrollment',
            name='step',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='campaigns.step'),
        ),
        migrations.CreateModel(
            name='StepRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('visit', models.IntegerField(db_default=1, default=1)),
                ('at', models.DateTimeField(verbose_name='when')),
                ('outcome', models.CharField(max_length=12, verbose_name='what came of it')),
                ('detail', models.CharField(blank=True, db_default='', default='', max_length=300)),
                ('enrollment', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='campaigns.enrollment')),
                ('next', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='campaigns.step')),
                ('step', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='campaigns.step')),
            ],
        ),
        migrations.AddConstraint(
            model_name='campaignversion',
            constraint=models.UniqueConstraint(fields=('campaign', 'number'), name='campaign_version_once'),
        ),
        migrations.AddConstraint(
            model_name='campaignversion',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'draft')), fields=('campaign',), name='one_campaign_draft'),
        ),
        migrations.AddConstraint(
            model_name='campaignversion',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'live')), fields=('campaign',), name='one_campaign_live'),
        ),
        migrations.AddConstraint(
            model_name='contentversion',
            constraint=models.UniqueConstraint(fields=('content', 'number'), name='content_version_once'),
        ),
        migrations.AddIndex(
            model_name='messageattempt',
            index=models.Index(fields=['message', 'attempt'], name='attempts_of_message'),
        ),
        migrations.AddConstraint(
            model_name='response',
            constraint=models.UniqueConstraint(fields=('message', 'kind', 'link', 'actor'), name='response_once', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='campaign',
            constraint=models.CheckConstraint(condition=models.Q(('holdout__gte', 0), ('holdout__lte', 50)), name='campaign_holdout'),
        ),
        migrations.AddConstraint(
            model_name='campaign',
            constraint=models.CheckConstraint(condition=models.Q(('stage', ''), ('lifecycle__isnull', False), _connector='OR'), name='campaign_stage_of_lifecycle'),
        ),
        migrations.AddConstraint(
            model_name='step',
            constraint=models.UniqueConstraint(fields=('version', 'key'), name='step_key_once'),
        ),
        migrations.AddConstraint(
            model_name='step',
            constraint=models.UniqueConstraint(deferrable=django.db.models.constraints.Deferrable['DEFERRED'], fields=('version', 'parent', 'arm', 'position'), name='step_position_once', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='step',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('arm', ''), ('parent', None)), models.Q(('parent__isnull', False), models.Q(('arm', ''), _negated=True)), _connector='OR'), name='step_in_an_arm'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(condition=models.Q(('state', 'queued')), fields=['campaign', 'due_at', 'id'], name='message_due'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(condition=models.Q(('state__in', ['claimed', 'sending'])), fields=['lease_until'], name='message_held'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(condition=models.Q(('state', 'unknown')), fields=['id'], name='message_unknown'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(fields=['step', 'state'], name='messages_of_step'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(fields=['subject_id', 'created_at'], name='messages_of_subject'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(fields=['-created_at'], name='message_newest'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.UniqueConstraint(fields=('enrollment', 'step', 'visit', 'channel'), name='message_once'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('purpose', 'campaign'), _negated=True), models.Q(('enrollment__isnull', False), models.Q(models.Q(('account', None), ('person__isnull', False)), models.Q(('account__isnull', False), ('person', None)), _connector='OR')), _connector='OR'), name='message_of_one_subject'),
        ),
        migrations.AddIndex(
            model_name='enrollment',
            index=models.Index(condition=models.Q(('state', 'active'), ('wake_at__isnull', False)), fields=['campaign', 'wake_at'], name='enrollment_due'),
        ),
        migrations.AddIndex(
            model_name='enrollment',
            index=models.Index(fields=['subject_id'], name='enrollments_of_subject'),
        ),
        migrations.AddIndex(
            model_name='enrollment',
            index=models.Index(condition=models.Q(('state', 'active')), fields=['version', 'step'], name='enrollment_at_step'),
        ),
        migrations.AddConstraint(
            model_name='enrollment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(django.db.models.lookups.IsNull(models.F('person'), True), django.db.models.lookups.IsNull(models.F('account'), False)), models.Q(django.db.models.lookups.IsNull(models.F('person'), False), django.db.models.lookups.IsNull(models.F('account'), True)), _connector='OR'), name='enrollment_one_subject'),
        ),
        migrations.AddConstraint(
            model_name='enrollment',
            constraint=models.UniqueConstraint(fields=('campaign', 'subject_id', 'pass_number'), name='enrollment_once'),
        ),
        migrations.AddConstraint(
            model_name='enrollment',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'active')), fields=('campaign', 'subject_id'), name='one_active_enrollment'),
        ),
        migrations.AddIndex(
            model_name='steprun',
            index=models.Index(fields=['step', 'outcome'], name='step_runs_of_step'),
        ),
        migrations.AddIndex(
            model_name='steprun',
            index=models.Index(fields=['next'], name='step_runs_leading_to'),
        ),
        migrations.AddConstraint(
            model_name='steprun',
            constraint=models.UniqueConstraint(fields=('enrollment', 'step', 'visit'), name='step_run_once'),
        ),
    ]
