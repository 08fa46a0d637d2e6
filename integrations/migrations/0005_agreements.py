"""Roles in accounts, pipelines, rules of titles and exchange rates are told by the feed of changes."""

from django.db import migrations

KINDS = {
    "account_role": "audience_accountrole",
    "pipeline": "audience_pipeline",
    "title_rules": "audience_titlerules",
    "exchange_rate": "audience_exchangerate",
}
ROWS = {"INSERT": "NEW TABLE AS changed", "UPDATE": "NEW TABLE AS changed", "DELETE": "OLD TABLE AS changed"}
ACTIONS = {"INSERT": "created", "UPDATE": "changed", "DELETE": "removed"}


def triggers():
    for kind, table in KINDS.items():
        for event, rows in ROWS.items():
            yield (
                f"CREATE TRIGGER feed_{event.lower()} AFTER {event} ON {table} REFERENCING {rows}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION note_changes('{kind}', '{ACTIONS[event]}')"
            )
    for event, rows in ROWS.items():
        yield (
            f"CREATE TRIGGER feed_pipeline_{event.lower()} AFTER {event} ON audience_pipelinestage REFERENCING {rows}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION note_changes_of_another('pipeline', 'pipeline_id')"
        )


def no_triggers():
    for event in ROWS:
        yield from (f"DROP TRIGGER feed_{event.lower()} ON {table}" for table in KINDS.values())
        yield f"DROP TRIGGER feed_pipeline_{event.lower()} ON audience_pipelinestage"


class Migration(migrations.Migration):
    dependencies = [("integrations", "0004_merging"), ("audience", "0020_money")]
    operations = [migrations.RunSQL(";\n".join(triggers()), ";\n".join(no_triggers()))]
