"""Field changes, activities and consent are append-only, held by the database."""

from django.db import migrations

SUBJECT = "person_id,account_id,subject_id,original_subject_id"

GUARD = f"""
CREATE TRIGGER ledger BEFORE UPDATE OR DELETE ON audience_fieldchange
    FOR EACH ROW EXECUTE FUNCTION ledger_guard('{SUBJECT}', 'old');
CREATE TRIGGER ledger BEFORE UPDATE OR DELETE ON audience_activity
    FOR EACH ROW EXECUTE FUNCTION ledger_guard('{SUBJECT}', 'properties');
CREATE TRIGGER ledger BEFORE UPDATE OR DELETE ON audience_consentrecord
    FOR EACH ROW EXECUTE FUNCTION ledger_guard('{SUBJECT}', 'wording');
"""

UNGUARD = """
DROP TRIGGER ledger ON audience_fieldchange;
DROP TRIGGER ledger ON audience_activity;
DROP TRIGGER ledger ON audience_consentrecord;
"""


class Migration(migrations.Migration):
    dependencies = [("audience", "0001_initial"), ("kit", "0002_ledger_guard")]
    operations = [migrations.RunSQL(GUARD, UNGUARD)]
