"""Ledgers let go of what is personal within an erasure alone; the trail's targets, which name people, among it."""

from django.db import migrations

GUARD = """
-- Trigger arguments: 'subject' columns that a merge may change, after a '|' personal columns, which change only in a
-- transaction that says it erases somebody (kit.holding.erasing). Rows are never deleted, by an erasure neither.
CREATE OR REPLACE FUNCTION ledger_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := to_jsonb(OLD);
    after jsonb;
    movable text[] := string_to_array(TG_ARGV[0], ',');
    personal text[] := string_to_array(TG_ARGV[1], ',');
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION '% is append-only: rows are never deleted', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    after := to_jsonb(NEW);
    IF (before - movable - personal) IS DISTINCT FROM (after - movable - personal) THEN
        RAISE EXCEPTION '% is append-only: write a correcting row instead', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF (before - movable) IS DISTINCT FROM (after - movable)
        AND coalesce(current_setting('perennial.erasing', true), '') <> 'on' THEN
        RAISE EXCEPTION '% is append-only: only an erasure changes what is personal', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

DROP TRIGGER ledger ON kit_auditentry;
CREATE TRIGGER ledger BEFORE UPDATE OR DELETE ON kit_auditentry
    FOR EACH ROW EXECUTE FUNCTION ledger_guard('', 'target,before,after');
"""

# The function stays as strict as it is.
UNGUARD = """
DROP TRIGGER ledger ON kit_auditentry;
CREATE TRIGGER ledger BEFORE UPDATE OR DELETE ON kit_auditentry
    FOR EACH ROW EXECUTE FUNCTION ledger_guard('', 'before,after');
"""


class Migration(migrations.Migration):
    dependencies = [("kit", "0005_access")]
    operations = [migrations.RunSQL(GUARD, UNGUARD)]
