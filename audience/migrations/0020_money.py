"""Exchange rates with both clocks; pipelines and stages that are renamed and retired; channels found by an index."""

import django.contrib.postgres.fields
from django.db import migrations, models

# An import of rates is traced as others are, so that it can be rolled back; a rate never changes, so no hash is kept.
TRACE = """
CREATE TRIGGER trace_insert AFTER INSERT ON audience_exchangerate REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION trace_import('');
"""
NO_TRACE = "DROP TRIGGER trace_insert ON audience_exchangerate"
# What a cell of a file says of properties: NULL for what is no object, and for what no database takes.
OBJECT = """
CREATE FUNCTION json_object_or_null(said text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN CASE WHEN jsonb_typeof(said::jsonb) = 'object' THEN said::jsonb END;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END $$;
"""
NO_OBJECT = "DROP FUNCTION json_object_or_null(text)"


class Migration(migrations.Migration):

    dependencies = [
        ('audience', '0019_readiness'),
    ]

    operations = [
        migrations.CreateModel(
            name='ExchangeRate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('currency', models.CharField(max_length=3, verbose_name='currency')),
                ('into', models.CharField(max_length=3, verbose_name='in')),
                ('day', models.DateField(verbose_name='day')),
                ('rate', models.DecimalField(decimal_places=12, max_digits=24, null=True, verbose_name='rate')),
                ('factor', models.DecimalField(decimal_places=18, max_digits=30, null=True)),
                ('source', models.CharField(max_length=64, verbose_name='source')),
                ('recorded_at', models.DateTimeField(verbose_name='recorded')),
            ],
        ),
        migrations.AddField(
            model_name='pipeline',
            name='aliases',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=100), db_default=[], default=list, size=None),
        ),
        migrations.AddField(
            model_name='pipeline',
            name='retired_at',
            field=models.DateTimeField(null=True, verbose_name='retired'),
        ),
        migrations.AddField(
            model_name='pipelinestage',
            name='aliases',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=100), db_default=[], default=list, size=None),
        ),
        migrations.AddField(
            model_name='pipelinestage',
            name='retired_at',
            field=models.DateTimeField(null=True, verbose_name='retired'),
        ),
        migrations.AddIndex(
            model_name='activity',
            index=models.Index(condition=models.Q(models.Q(('channel', ''), _negated=True), ('reversal_of__isnull', True)), fields=['channel'], name='activity_by_channel'),
        ),
        migrations.AddIndex(
            model_name='exchangerate',
            index=models.Index(fields=['currency', 'into', '-day', '-recorded_at', '-id'], name='exchange_rate_on'),
        ),
        migrations.AddConstraint(
            model_name='exchangerate',
            constraint=models.CheckConstraint(condition=models.Q(('rate__gt', 0), ('rate', None), _connector='OR'), name='exchange_rate_positive'),
        ),
        migrations.AddConstraint(
            model_name='exchangerate',
            constraint=models.CheckConstraint(condition=models.Q(('currency', models.F('into')), _negated=True), name='exchange_rate_of_another'),
        ),
        migrations.RunSQL(TRACE, NO_TRACE),
        migrations.RunSQL(OBJECT, NO_OBJECT),
    ]
