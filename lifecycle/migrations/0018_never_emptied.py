"""Ledgers are not emptied whole either: movements, and those of the floors below, for which the function stands here.

A TRUNCATE looks at no row, so the guards of rows do not see it, and its CASCADE reaches a ledger from any table that a
ledger speaks of. Who means to empty a database of tests or measurements says so: SET perennial.emptying = on.
"""

from django.db import migrations

LEDGERS = (
    "lifecycle_movement", "audience_activity", "audience_fieldchange", "audience_consentrecord", "audience_pause",
    "audience_formedition", "kit_auditentry",
)  # fmt: skip
FUNCTION = """
CREATE FUNCTION ledger_never_emptied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('perennial.emptying', true), '') <> 'on' THEN
        RAISE EXCEPTION '% is append-only: it is never emptied', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
"""
GUARD = FUNCTION + "".join(
    f"CREATE TRIGGER ledger_whole BEFORE TRUNCATE ON {table} EXECUTE FUNCTION ledger_never_emptied();"
    for table in LEDGERS
)
UNGUARD = "".join(f"DROP TRIGGER ledger_whole ON {table};" for table in LEDGERS)


class Migration(migrations.Migration):
    dependencies = [
        ("lifecycle", "0017_beside_the_ledger"),
        ("audience", "0015_forms"),
        ("kit", "0006_erasing"),
    ]
    operations = [migrations.RunSQL(GUARD, UNGUARD + "DROP FUNCTION ledger_never_emptied();")]
