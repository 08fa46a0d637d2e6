"""Changes of scores are append-only and published rules never change, held by the database; scores stay narrow."""

from django.db import migrations

GUARD = """
CREATE TRIGGER ledger BEFORE UPDATE OR DELETE ON scoring_scorechange
    FOR EACH ROW EXECUTE FUNCTION ledger_guard('person_id,account_id,subject_id', '');

-- Room in each page for updates in place: every day of a decaying model rewrites most of its scores.
ALTER TABLE scoring_score SET (fillfactor = 70);

CREATE FUNCTION published_scoring_never_changes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    edition bigint := CASE WHEN TG_OP = 'INSERT' THEN NEW.version_id ELSE OLD.version_id END;
BEGIN
    IF (SELECT state FROM scoring_scoringversion WHERE id = edition) <> 'draft' THEN
        RAISE EXCEPTION 'a published version never changes: make a new draft' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;

CREATE TRIGGER published BEFORE INSERT OR UPDATE OR DELETE ON scoring_rule
    FOR EACH ROW EXECUTE FUNCTION published_scoring_never_changes();

-- What a version means hangs on its thresholds as much as on its rules.
CREATE FUNCTION published_thresholds_never_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'draft' AND (NEW.number, NEW."limit", NEW.caps, NEW.grades, NEW.levels, NEW.effective_from)
            IS DISTINCT FROM (OLD.number, OLD."limit", OLD.caps, OLD.grades, OLD.levels, OLD.effective_from) THEN
        RAISE EXCEPTION 'a published version never changes: make a new draft' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER published BEFORE UPDATE ON scoring_scoringversion
    FOR EACH ROW EXECUTE FUNCTION published_thresholds_never_change();
"""

UNGUARD = """
DROP TRIGGER ledger ON scoring_scorechange;
DROP TRIGGER published ON scoring_rule;
DROP TRIGGER published ON scoring_scoringversion;
DROP FUNCTION published_scoring_never_changes();
DROP FUNCTION published_thresholds_never_change();
"""


class Migration(migrations.Migration):
    dependencies = [("scoring", "0001_initial"), ("kit", "0002_ledger_guard")]
    operations = [migrations.RunSQL(GUARD, UNGUARD)]
