"""Changes of scores keep whose they were at first, as every ledger does of whom a merge moved."""

from django.db import migrations, models

GUARD = """
DROP TRIGGER ledger ON scoring_scorechange;
CREATE TRIGGER ledger BEFORE UPDATE OR DELETE ON scoring_scorechange
    FOR EACH ROW EXECUTE FUNCTION ledger_guard('person_id,account_id,subject_id,original_subject_id', '');
"""
UNGUARD = """
DROP TRIGGER ledger ON scoring_scorechange;
CREATE TRIGGER ledger BEFORE UPDATE OR DELETE ON scoring_scorechange
    FOR EACH ROW EXECUTE FUNCTION ledger_guard('person_id,account_id,subject_id', '');
"""


class Migration(migrations.Migration):
    dependencies = [("scoring", "0003_crossings")]
    operations = [
        migrations.AddField("scorechange", "original_subject_id", models.BigIntegerField(null=True)),
        migrations.RunSQL(GUARD, UNGUARD),
    ]
