"""Activities and who took part in them by files of their own, deals' history of stages, strangers of files."""

import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.lookups
from django.db import migrations, models

TRACE = ";\n".join(
    f"CREATE TRIGGER trace_insert AFTER INSERT ON audience_{table} REFERENCING NEW TABLE AS changed"
    " FOR EACH STATEMENT EXECUTE FUNCTION trace_import('')"
    for table in ("unnamedactivity", "activityparty", "waitingactivity", "visitor")
)
# Whom a file made known in a browser that was there before is unknown again when it is rolled back.
RETURN = """
CREATE TRIGGER trace_update AFTER UPDATE ON audience_visitor REFERENCING OLD TABLE AS before NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION trace_import()
"""
# History that is rolled back changes what a past day says.
MARK = """
CREATE TRIGGER mark_delete AFTER DELETE ON audience_dealstagechange REFERENCING OLD TABLE AS before
    FOR EACH STATEMENT EXECUTE FUNCTION mark_subjects(
    'SELECT deal.account_id FROM before JOIN audience_deal deal ON deal.id = before.deal_id UNION
     SELECT role.person_id FROM before JOIN audience_dealrole role USING (deal_id)')
"""
BACK = ";\n".join(
    [
        *(f"DROP TRIGGER trace_insert ON audience_{table}"
          for table in ("unnamedactivity", "activityparty", "waitingactivity", "visitor")),
        "DROP TRIGGER trace_update ON audience_visitor",
        "DROP TRIGGER mark_delete ON audience_dealstagechange",
    ]
)  # fmt: skip


class Migration(migrations.Migration):

    dependencies = [
        ('audience', '0026_numbers_by_country'),
    ]

    operations = [
        migrations.CreateModel(
            name='ActivityParty',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.account')),
                ('person', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.person')),
                ('subject_id', models.GeneratedField(db_persist=True, expression=django.db.models.functions.comparison.Coalesce(models.F('person_id'), models.F('account_id')), output_field=models.BigIntegerField())),
                ('source', models.CharField(max_length=64, verbose_name='source')),
                ('external_id', models.CharField(max_length=200, verbose_name='external id of the activity')),
                ('activity', models.ForeignKey(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='audience.activity')),
                ('recorded_at', models.DateTimeField(verbose_name='recorded')),
            ],
            options={
                'verbose_name_plural': 'people of activities',
            },
        ),
        migrations.CreateModel(
            name='UnnamedActivity',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(max_length=64, verbose_name='source')),
                ('external_id', models.CharField(max_length=200)),
                ('kind', models.CharField(max_length=64, verbose_name='kind')),
                ('channel', models.CharField(max_length=32, null=True, verbose_name='channel')),
                ('platform', models.CharField(max_length=32, null=True, verbose_name='platform')),
                ('direction', models.CharField(max_length=10, null=True)),
                ('actor', models.CharField(max_length=10, null=True)),
                ('value', models.DecimalField(decimal_places=4, max_digits=20, null=True, verbose_name='value')),
                ('properties', models.JSONField(default=dict)),
                ('occurred_at', models.DateTimeField(verbose_name='when')),
            ],
            options={
                'verbose_name_plural': 'activities that name nobody',
            },
        ),
        migrations.AddField(
            model_name='dealstagechange',
            name='as_history',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='waitingactivity',
            name='imported',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='audience.import'),
        ),
        migrations.AddConstraint(
            model_name='dealstagechange',
            constraint=models.UniqueConstraint(condition=models.Q(('as_history', True)), fields=('deal', 'occurred_at', 'to_stage', 'to_status'), name='deal_history_once'),
        ),
        migrations.AddConstraint(
            model_name='unnamedactivity',
            constraint=models.UniqueConstraint(fields=('source', 'external_id'), name='unnamed_activity_once'),
        ),
        migrations.AddIndex(
            model_name='activityparty',
            index=models.Index(fields=['subject_id'], name='activity_party_of_subject'),
        ),
        migrations.AddIndex(
            model_name='activityparty',
            index=models.Index(condition=models.Q(('activity__isnull', False)), fields=['activity'], name='activity_party_came_of'),
        ),
        migrations.AddConstraint(
            model_name='activityparty',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(django.db.models.lookups.IsNull(models.F('person'), True), django.db.models.lookups.IsNull(models.F('account'), False)), models.Q(django.db.models.lookups.IsNull(models.F('person'), False), django.db.models.lookups.IsNull(models.F('account'), True)), _connector='OR'), name='activity_party_one_subject'),
        ),
        migrations.AddConstraint(
            model_name='activityparty',
            constraint=models.UniqueConstraint(fields=('source', 'external_id', 'subject_id'), name='activity_party_once'),
        ),
        migrations.RunSQL(f"{TRACE};\n{RETURN};\n{MARK}", BACK),
    ]
