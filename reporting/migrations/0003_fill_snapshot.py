"""A fill remembers the snapshot it saw, so that a long transaction elsewhere does not make the next one look twice."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reporting", "0002_stage_entries")]

    operations = [
        migrations.AddField("fill", "snapshot", models.TextField(default="1:1:")),
        # What was filled by the horizon alone is looked at once more.
        migrations.RunSQL("UPDATE reporting_fill SET snapshot = format('%s:%s:', GREATEST(through_xid, 1), GREATEST(through_xid, 1))", migrations.RunSQL.noop),
    ]
