"""What an import writes is traced by triggers, so that all of it can be rolled back; nothing else that writes is."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

# Rolling back takes a turn of this sequence wherever it takes subjects away: an import knows by it that it must look anew.
TRACE = """
CREATE SEQUENCE audience_rollback_seq;
SELECT nextval('audience_rollback_seq');

-- 200 ids fit into a row as they are; to compress them would cost more than to write them.
ALTER TABLE audience_importtrace ALTER ids SET STORAGE PLAIN, ALTER marks SET STORAGE PLAIN;

-- The argument are the columns of which a hash is kept, if any. Instants within `was` are in UTC, whoever writes.
CREATE FUNCTION trace_import() RETURNS trigger LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
    import bigint := nullif(current_setting('perennial.import', true), '')::bigint;
BEGIN
    IF import IS NULL THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'INSERT' THEN
        EXECUTE 'INSERT INTO audience_importtrace (imported_id, "table", made, ids, marks)'
            || ' SELECT $1, $2, true, ids[first:first + 199], marks[first:first + 199] FROM ('
            || ' SELECT array_agg(id ORDER BY id) AS ids, '
            || CASE TG_ARGV[0] WHEN '' THEN 'NULL::bigint[]'
                    ELSE 'array_agg(hash_record_extended(ROW(' || TG_ARGV[0] || '), 0) ORDER BY id)' END
            || ' AS marks FROM changed) every_one, generate_series(1, cardinality(ids), 200) first'
            USING import, TG_TABLE_NAME;
        RETURN NULL;
    END IF;
    -- Columns are compared as what they are: only what differs becomes JSON, which costs a tenth.
    EXECUTE 'INSERT INTO audience_importtrace (imported_id, "table", made, ids, was)'
        || ' SELECT $1, $2, false, array_agg(id), array_agg(was) FROM ('
        || ' SELECT changed.id, differing.was, (row_number() OVER (ORDER BY changed.id) - 1) / 200 AS part'
        || ' FROM before JOIN changed USING (id) CROSS JOIN LATERAL (SELECT jsonb_strip_nulls(jsonb_build_object(' || (
            SELECT string_agg(format('%1$L, CASE WHEN before.%2$I IS DISTINCT FROM changed.%2$I'
                || ' THEN jsonb_build_array(before.%2$I, changed.%2$I) END', attname, attname), ', ')
            FROM pg_attribute WHERE attrelid = TG_RELID AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
            AND attname NOT IN ('id', 'updated_at')
        ) || '))) differing (was) WHERE was <> ''{}'') parts GROUP BY part'
        USING import, TG_TABLE_NAME;
    RETURN NULL;
END $$;

-- What was taken back gives up the name by which its source knows it, so that the source may tell it again.
DROP TRIGGER ledger ON audience_activity;
CREATE TRIGGER ledger BEFORE UPDATE OR DELETE ON audience_activity
    FOR EACH ROW EXECUTE FUNCTION ledger_guard('person_id,account_id,subject_id,original_subject_id,external_id',
                                               'properties,channel,platform,source');
"""
UNTRACE = """
DROP TRIGGER ledger ON audience_activity;
CREATE TRIGGER ledger BEFORE UPDATE OR DELETE ON audience_activity
    FOR EACH ROW EXECUTE FUNCTION ledger_guard('person_id,account_id,subject_id,original_subject_id',
                                               'properties,channel,platform,source,external_id');
DROP FUNCTION trace_import();
DROP SEQUENCE audience_rollback_seq;
"""
MADE = ("person", "account", "identity", "accountrole", "fieldchange", "activity", "dealrole", "dealstagechange")
# Tables whose rows change without a history, and the columns by which a change since is known.
MARKED = {
    "deal": "name, account_id, partner_id, product_id, owner_id, amount, currency, pipeline, stage, status, reason,"
    " opened_at, expected_close_on, closed_at, properties",
    "product": "name, family, price, currency, properties",
    "purchase": "person_id, account_id, product_id, quantity, amount, cost, currency, occurred_at, properties",
    "contract": "person_id, account_id, name, product_id, starts_on, renews_on, notice_on, ends_on, auto_renew,"
    " annual_value, currency, properties",
    "contractamendment": "contract_id, valid_from, annual_value",
}


def triggers():
    for table, marked in (dict.fromkeys(MADE, "") | MARKED).items():
        yield (
            f"CREATE TRIGGER trace_insert AFTER INSERT ON audience_{table} REFERENCING NEW TABLE AS changed"
            f" FOR EACH STATEMENT EXECUTE FUNCTION trace_import('{marked}')"
        )
    for table in ("person", "account", *MARKED):
        yield (
            f"CREATE TRIGGER trace_update AFTER UPDATE ON audience_{table}"
            " REFERENCING OLD TABLE AS before NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION trace_import()"
        )


def no_triggers():
    for table in (*MADE, *MARKED):
        yield f"DROP TRIGGER trace_insert ON audience_{table}"
    for table in ("person", "account", *MARKED):
        yield f"DROP TRIGGER trace_update ON audience_{table}"


class Migration(migrations.Migration):

    dependencies = [
        ('audience', '0011_erasing'),
        ('kit', '0005_access'),
    ]

    operations = [
        migrations.AddField(
            model_name='import',
            name='returned',
            field=models.JSONField(db_default={}, default=dict),
        ),
        migrations.AddField(
            model_name='import',
            name='rollback',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='kit.job'),
        ),
        migrations.AddField(
            model_name='import',
            name='rolled_back_at',
            field=models.DateTimeField(null=True, verbose_name='rolled back'),
        ),
        migrations.AddField(
            model_name='import',
            name='traced',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.CreateModel(
            name='ImportTrace',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('table', models.CharField(max_length=63)),
                ('made', models.BooleanField()),
                ('ids', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
                ('marks', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), null=True, size=None)),
                ('was', django.contrib.postgres.fields.ArrayField(base_field=models.JSONField(), null=True, size=None)),
                ('imported', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='traces', to='audience.import')),
            ],
        ),
        migrations.RunSQL(TRACE + ";\n".join(triggers()), ";\n".join(no_triggers()) + ";" + UNTRACE),
    ]
