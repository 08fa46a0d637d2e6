"""Whoever enters a campaign, or comes to another state in it, is judged again: conditions ask for that."""

from django.db import migrations

MARK = """
CREATE TRIGGER mark_insert AFTER INSERT ON campaigns_enrollment REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION mark_subjects('SELECT DISTINCT subject_id FROM changed');

-- By row, because a tick moves hundreds of thousands on without changing a state, which must cost nothing.
CREATE FUNCTION mark_enrolled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('perennial.marks', true), '') <> 'off' THEN
        INSERT INTO audience_dirty (subject_id) VALUES (NEW.subject_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER mark_update AFTER UPDATE ON campaigns_enrollment
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION mark_enrolled();
"""

UNMARK = """
DROP TRIGGER mark_insert ON campaigns_enrollment;
DROP TRIGGER mark_update ON campaigns_enrollment;
DROP FUNCTION mark_enrolled();
"""


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0004_due_by_campaign"), ("audience", "0009_consent")]
    operations = [migrations.RunSQL(MARK, UNMARK)]
