"""Movements are append-only and published versions never change, held by the database; memberships stay narrow."""

from django.db import migrations

GUARD = """
CREATE TRIGGER ledger BEFORE UPDATE OR DELETE ON lifecycle_movement
    FOR EACH ROW EXECUTE FUNCTION ledger_guard('', 'reason');

-- Room in each page for updates in place: every move rewrites a membership.
ALTER TABLE lifecycle_membership SET (fillfactor = 70);

CREATE FUNCTION published_never_changes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    edition bigint := CASE WHEN TG_OP = 'INSERT' THEN NEW.version_id ELSE OLD.version_id END;
BEGIN
    IF (SELECT state FROM lifecycle_version WHERE id = edition) <> 'draft' THEN
        RAISE EXCEPTION 'a published version never changes: make a new draft' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;

CREATE TRIGGER published BEFORE INSERT OR UPDATE OR DELETE ON lifecycle_stage
    FOR EACH ROW EXECUTE FUNCTION published_never_changes();
CREATE TRIGGER published BEFORE INSERT OR UPDATE OR DELETE ON lifecycle_transition
    FOR EACH ROW EXECUTE FUNCTION published_never_changes();
"""

UNGUARD = """
DROP TRIGGER ledger ON lifecycle_movement;
DROP TRIGGER published ON lifecycle_stage;
DROP TRIGGER published ON lifecycle_transition;
DROP FUNCTION published_never_changes();
"""


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0001_initial"), ("kit", "0002_ledger_guard")]
    operations = [migrations.RunSQL(GUARD, UNGUARD)]
