"""The guard that makes a table append-only, and the schema for tables of passing work."""

from django.db import migrations

GUARD = """
CREATE SCHEMA IF NOT EXISTS work;

-- Trigger arguments: 'subject' columns that a merge may change, after a '|' personal columns that erasure may empty.
CREATE FUNCTION ledger_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := to_jsonb(OLD);
    after jsonb;
    movable text[] := string_to_array(TG_ARGV[0], ',');
    personal text[] := string_to_array(TG_ARGV[1], ',');
    name text;
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION '% is append-only: rows are never deleted', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    after := to_jsonb(NEW);
    IF (before - movable - personal) IS DISTINCT FROM (after - movable - personal) THEN
        RAISE EXCEPTION '% is append-only: write a correcting row instead', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    FOREACH name IN ARRAY personal LOOP
        IF after -> name IS DISTINCT FROM before -> name AND after -> name NOT IN ('null', '{}', '""') THEN
            RAISE EXCEPTION '%.% may only be emptied', TG_TABLE_NAME, name USING ERRCODE = 'restrict_violation';
        END IF;
    END LOOP;
    RETURN NEW;
END $$;

CREATE TRIGGER ledger BEFORE UPDATE OR DELETE ON kit_auditentry
    FOR EACH ROW EXECUTE FUNCTION ledger_guard('', 'before,after');
"""

UNGUARD = """
DROP TRIGGER ledger ON kit_auditentry;
DROP FUNCTION ledger_guard();
DROP SCHEMA work;
"""


class Migration(migrations.Migration):
    dependencies = [("kit", "0001_initial")]
    operations = [migrations.RunSQL(GUARD, UNGUARD)]
