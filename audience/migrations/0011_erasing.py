"""What an erasure may change in the ledgers of the audience: also where something came from, which may be a name."""

from django.db import migrations

SUBJECT = "person_id,account_id,subject_id,original_subject_id"
FORMERLY = {
    "fieldchange": ("", "old"),
    "activity": ("", "properties"),
    "consentrecord": (",by_id", "wording"),
    "pause": ("", ""),
}
NOW = FORMERLY | {
    "fieldchange": ("", "old,source"),
    "activity": ("", "properties,channel,platform,source,external_id"),
    "consentrecord": (",by_id", "wording,source"),
    "pause": ("", "source"),
}


def guards(tables):
    return "".join(
        f"DROP TRIGGER ledger ON audience_{table};"
        f"CREATE TRIGGER ledger BEFORE UPDATE OR DELETE ON audience_{table}"
        f" FOR EACH ROW EXECUTE FUNCTION ledger_guard('{SUBJECT}{more}', '{personal}');"
        for table, (more, personal) in tables.items()
    )


class Migration(migrations.Migration):
    dependencies = [("audience", "0010_search"), ("kit", "0006_erasing")]
    operations = [migrations.RunSQL(guards(NOW), guards(FORMERLY))]
