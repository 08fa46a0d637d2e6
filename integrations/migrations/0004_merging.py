"""Merges are changes too: who went into whom, and whether they were parted again."""

from django.db import migrations

ACTIONS = {"INSERT": "created", "UPDATE": "changed"}
FEED = ";".join(
    f"CREATE TRIGGER feed_{event.lower()} AFTER {event} ON audience_merge REFERENCING NEW TABLE AS changed"
    f" FOR EACH STATEMENT EXECUTE FUNCTION note_changes('merge', '{action}')"
    for event, action in ACTIONS.items()
)
NO_FEED = ";".join(f"DROP TRIGGER feed_{event.lower()} ON audience_merge" for event in ACTIONS)


class Migration(migrations.Migration):
    dependencies = [("integrations", "0003_allowance"), ("audience", "0014_merging")]
    operations = [migrations.RunSQL(FEED, NO_FEED)]
