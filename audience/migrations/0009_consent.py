"""Topics with a rule, consent with who recorded it and what was a mistake, pauses; all of it append-only."""

import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models


SUBJECT = "person_id,account_id,subject_id,original_subject_id"

GUARD = f"""
DROP TRIGGER ledger ON audience_consentrecord;
CREATE TRIGGER ledger BEFORE UPDATE OR DELETE ON audience_consentrecord
    FOR EACH ROW EXECUTE FUNCTION ledger_guard('{SUBJECT},by_id', 'wording');
CREATE TRIGGER ledger BEFORE UPDATE OR DELETE ON audience_pause
    FOR EACH ROW EXECUTE FUNCTION ledger_guard('{SUBJECT}', '');
"""

UNGUARD = f"""
DROP TRIGGER ledger ON audience_pause;
DROP TRIGGER ledger ON audience_consentrecord;
CREATE TRIGGER ledger BEFORE UPDATE OR DELETE ON audience_consentrecord
    FOR EACH ROW EXECUTE FUNCTION ledger_guard('{SUBJECT}', 'wording');
"""


class Migration(migrations.Migration):

    dependencies = [
        ('audience', '0008_tags'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Pause',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('person', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.person')),
                ('account', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.account')),
                ('subject_id', models.GeneratedField(db_persist=True, expression=django.db.models.functions.comparison.Coalesce(models.F('person_id'), models.F('account_id')), output_field=models.BigIntegerField())),
                ('channel', models.CharField(max_length=32)),
                ('until', models.DateTimeField(verbose_name='until')),
                ('source', models.CharField(max_length=100, verbose_name='where')),
                ('created_at', models.DateTimeField(verbose_name='when')),
                ('original_subject_id', models.BigIntegerField(null=True)),
            ],
        ),
        migrations.RemoveIndex(
            model_name='consentrecord',
            name='consent_of_subject',
        ),
        migrations.AddField(
            model_name='consentrecord',
            name='by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='by'),
        ),
        migrations.AddField(
            model_name='consentrecord',
            name='reversal_of',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, to='audience.consentrecord'),
        ),
        migrations.AddField(
            model_name='topic',
            name='basis',
            field=models.CharField(choices=[('consent', 'only to those who agreed'), ('interest', 'to everybody who has not objected')], db_default='consent', default='consent', max_length=8, verbose_name='goes'),
        ),
        migrations.AddField(
            model_name='topic',
            name='description',
            field=models.CharField(blank=True, db_default='', default='', max_length=500, verbose_name='description'),
        ),
        migrations.AddField(
            model_name='topic',
            name='is_default',
            field=models.BooleanField(db_default=False, default=False, verbose_name='used unless another is chosen'),
        ),
        migrations.AddField(
            model_name='topic',
            name='retired_at',
            field=models.DateTimeField(null=True, verbose_name='retired'),
        ),
        migrations.AlterField(
            model_name='consentrecord',
            name='basis',
            field=models.CharField(choices=[('consent', 'consent'), ('confirmed', 'consent, confirmed by mail'), ('customer', 'existing customer'), ('interest', 'legitimate interest'), ('objection', 'objection')], max_length=32, verbose_name='lawful basis'),
        ),
        migrations.AlterField(
            model_name='consentrecord',
            name='occurred_at',
            field=models.DateTimeField(verbose_name='when'),
        ),
        migrations.AlterField(
            model_name='consentrecord',
            name='recorded_at',
            field=models.DateTimeField(verbose_name='recorded'),
        ),
        migrations.AlterField(
            model_name='consentrecord',
            name='source',
            field=models.CharField(max_length=100, verbose_name='where'),
        ),
        migrations.AlterField(
            model_name='consentrecord',
            name='wording',
            field=models.TextField(null=True, verbose_name='wording'),
        ),
        migrations.AlterField(
            model_name='suppression',
            name='created_at',
            field=models.DateTimeField(verbose_name='since'),
        ),
        migrations.AlterField(
            model_name='topic',
            name='label',
            field=models.CharField(max_length=200, verbose_name='name'),
        ),
        migrations.AddIndex(
            model_name='consentrecord',
            index=models.Index(fields=['subject_id', 'channel', 'occurred_at', 'id'], include=('topic', 'given', 'reversal_of'), name='consent_latest'),
        ),
        migrations.AddIndex(
            model_name='consentrecord',
            index=models.Index(fields=['recorded_at'], name='consent_recorded'),
        ),
        migrations.AddIndex(
            model_name='consentrecord',
            index=models.Index(condition=models.Q(('reversal_of__isnull', False)), fields=['reversal_of'], name='consent_reversed'),
        ),
        migrations.AddIndex(
            model_name='suppression',
            index=models.Index(fields=['-created_at'], name='suppression_newest'),
        ),
        migrations.AddConstraint(
            model_name='topic',
            constraint=models.UniqueConstraint(condition=models.Q(('is_default', True)), fields=('is_default',), name='one_default_topic'),
        ),
        migrations.AddIndex(
            model_name='pause',
            index=models.Index(fields=['subject_id', 'channel', 'id'], name='pause_of_subject'),
        ),
        migrations.AddConstraint(
            model_name='pause',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(django.db.models.lookups.IsNull(models.F('person'), True), django.db.models.lookups.IsNull(models.F('account'), False)), models.Q(django.db.models.lookups.IsNull(models.F('person'), False), django.db.models.lookups.IsNull(models.F('account'), True)), _connector='OR'), name='pause_one_subject'),
        ),
        migrations.RunSQL(GUARD, UNGUARD),
    ]
