"""A deal whose products change is told by the feed of changes as a deal that changed."""

from django.db import migrations

ROWS = {"INSERT": "NEW TABLE AS changed", "UPDATE": "NEW TABLE AS changed", "DELETE": "OLD TABLE AS changed"}
FEED = ";\n".join(
    f"CREATE TRIGGER feed_deal_{event.lower()} AFTER {event} ON audience_dealline REFERENCING {rows}"
    " FOR EACH STATEMENT EXECUTE FUNCTION note_changes_of_another('deal', 'deal_id')"
    for event, rows in ROWS.items()
)
NO_FEED = ";\n".join(f"DROP TRIGGER feed_deal_{event.lower()} ON audience_dealline" for event in ROWS)


class Migration(migrations.Migration):
    dependencies = [("integrations", "0006_webhooks"), ("audience", "0024_deal_lines")]
    operations = [migrations.RunSQL(FEED, NO_FEED)]
