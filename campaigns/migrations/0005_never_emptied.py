"""What scores changed by, attempts at sending and editions of contents are not emptied whole either, as other ledgers."""

from django.db import migrations

LEDGERS = ("scoring_scorechange", "campaigns_messageattempt", "campaigns_contentversion")
GUARD = "".join(
    f"CREATE TRIGGER ledger_whole BEFORE TRUNCATE ON {table} EXECUTE FUNCTION ledger_never_emptied();"
    for table in LEDGERS
)
UNGUARD = "".join(f"DROP TRIGGER ledger_whole ON {table};" for table in LEDGERS)


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0004_caused_by"),
        ("lifecycle", "0018_never_emptied"),
        ("scoring", "0004_merging"),
    ]
    operations = [migrations.RunSQL(GUARD, UNGUARD)]
