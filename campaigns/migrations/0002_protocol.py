"""What the database itself holds: states of messages, ledgers, editions that never change, whom to judge again."""

from django.db import migrations

GUARD = """
-- A message goes only where the protocol of delivery lets it go.
CREATE FUNCTION message_protocol() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'queued' THEN
            RAISE EXCEPTION 'a message begins as queued, not as %', NEW.state USING ERRCODE = 'restrict_violation';
        END IF;
    ELSIF NOT (NEW.state = ANY (CASE OLD.state
        WHEN 'queued' THEN ARRAY['claimed', 'suppressed', 'skipped', 'expired', 'cancelled']
        WHEN 'claimed' THEN ARRAY['queued', 'sending', 'failed', 'suppressed', 'skipped', 'expired', 'cancelled']
        WHEN 'sending' THEN ARRAY['queued', 'sent', 'failed', 'unknown']
        WHEN 'unknown' THEN ARRAY['queued', 'sent']
        ELSE ARRAY[]::text[] END)) THEN
        RAISE EXCEPTION 'a message that is % cannot become %', OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER protocol_begins BEFORE INSERT ON campaigns_message
    FOR EACH ROW EXECUTE FUNCTION message_protocol();
CREATE TRIGGER protocol BEFORE UPDATE ON campaigns_message
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION message_protocol();

CREATE TRIGGER ledger BEFORE UPDATE OR DELETE ON campaigns_messageattempt
    FOR EACH ROW EXECUTE FUNCTION ledger_guard('', 'reply');

-- A content's edition never changes; a campaign's steps do only in its draft.
CREATE TRIGGER ledger BEFORE UPDATE OR DELETE ON campaigns_contentversion
    FOR EACH ROW EXECUTE FUNCTION ledger_guard('created_by_id', '');

CREATE FUNCTION launched_never_changes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    edition bigint := CASE WHEN TG_OP = 'INSERT' THEN NEW.version_id ELSE OLD.version_id END;
BEGIN
    IF (SELECT state FROM campaigns_campaignversion WHERE id = edition) <> 'draft' THEN
        RAISE EXCEPTION 'a launched version never changes: make a new draft' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER launched BEFORE INSERT OR UPDATE OR DELETE ON campaigns_step
    FOR EACH ROW EXECUTE FUNCTION launched_never_changes();

-- Whoever enters a campaign, or comes to another state in it, is judged again: conditions ask for that.
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

-- Room in each page for updates in place.
ALTER TABLE campaigns_enrollment SET (fillfactor = 70);
ALTER TABLE campaigns_message SET (fillfactor = 70);
"""

UNGUARD = """
DROP TRIGGER protocol_begins ON campaigns_message;
DROP TRIGGER protocol ON campaigns_message;
DROP FUNCTION message_protocol();
DROP TRIGGER ledger ON campaigns_messageattempt;
DROP TRIGGER ledger ON campaigns_contentversion;
DROP TRIGGER launched ON campaigns_step;
DROP FUNCTION launched_never_changes();
DROP TRIGGER mark_insert ON campaigns_enrollment;
DROP TRIGGER mark_update ON campaigns_enrollment;
DROP FUNCTION mark_enrolled();
"""


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0001_initial"), ("audience", "0005_live"), ("kit", "0002_ledger_guard")]
    operations = [migrations.RunSQL(GUARD, UNGUARD)]
