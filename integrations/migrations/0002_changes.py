"""What changed, noted by triggers: the ids that a statement wrote, up to 200 to a row, with its transaction."""

import django.contrib.postgres.fields
import django.db.models.functions.datetime
from django.db import migrations, models

import lifecycle.models.ledger

# `changed` are the rows of the statement; an update also brings their former state, which nobody needs here.
NOTE = """
-- 200 ids fit into a row as they are; to compress them would cost six times what all the rest of it does.
ALTER TABLE integrations_change ALTER ids SET STORAGE PLAIN;

CREATE FUNCTION note_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO integrations_change (kind, action, ids)
    SELECT TG_ARGV[0], TG_ARGV[1], ids[first:first + 199]
    FROM (SELECT array_agg(id) AS ids FROM changed) every_one, generate_series(1, cardinality(ids), 200) first;
    RETURN NULL;
END $$;

-- The same for rows that belong to another, whose change it is.
CREATE FUNCTION note_changes_of_another() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'INSERT INTO integrations_change (kind, action, ids) SELECT $1, ''changed'', ids[first:first + 199]'
        || ' FROM (SELECT array_agg(DISTINCT ' || TG_ARGV[1] || ') FILTER (WHERE ' || TG_ARGV[1]
        || ' IS NOT NULL) AS ids FROM changed) every_one, generate_series(1, cardinality(ids), 200) first'
        USING TG_ARGV[0];
    RETURN NULL;
END $$;
"""
ROWS = {"INSERT": "NEW TABLE AS changed", "UPDATE": "NEW TABLE AS changed", "DELETE": "OLD TABLE AS changed"}
ACTIONS = {"INSERT": "created", "UPDATE": "changed", "DELETE": "removed"}
KINDS = {
    "person": "audience_person",
    "account": "audience_account",
    "activity": "audience_activity",
    "deal": "audience_deal",
    "purchase": "audience_purchase",
    "contract": "audience_contract",
    "case": "audience_case",
    "consent": "audience_consentrecord",
    "segment_member": "audience_segmentmember",
    "movement": "lifecycle_movement",
    "score_change": "scoring_scorechange",
}
PARTS = (
    ("audience_identity", "person", "person_id"),
    ("audience_identity", "account", "account_id"),
    ("audience_tagged", "person", "person_id"),
    ("audience_tagged", "account", "account_id"),
    ("audience_dealrole", "deal", "deal_id"),
    ("audience_contractamendment", "contract", "contract_id"),
)


def triggers():
    for kind, table in KINDS.items():
        for event, rows in ROWS.items():
            yield (
                f"CREATE TRIGGER feed_{event.lower()} AFTER {event} ON {table} REFERENCING {rows}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION note_changes('{kind}', '{ACTIONS[event]}')"
            )
    for table, kind, column in PARTS:
        for event, rows in ROWS.items():
            yield (
                f"CREATE TRIGGER feed_{kind}_{event.lower()} AFTER {event} ON {table} REFERENCING {rows}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION note_changes_of_another('{kind}', '{column}')"
            )


def no_triggers():
    for table in KINDS.values():
        for event in ROWS:
            yield f"DROP TRIGGER feed_{event.lower()} ON {table}"
    for table, kind, _column in PARTS:
        for event in ROWS:
            yield f"DROP TRIGGER feed_{kind}_{event.lower()} ON {table}"
    yield "DROP FUNCTION note_changes_of_another()"
    yield "DROP FUNCTION note_changes()"


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0001_keys"),
        ("audience", "0009_consent"),
        ("lifecycle", "0007_board"),
        ("scoring", "0003_crossings"),
    ]
    operations = [
        migrations.CreateModel(
            name="Change",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("xid", models.BigIntegerField(db_default=lifecycle.models.ledger.TransactionId())),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("kind", models.CharField(max_length=20)),
                ("action", models.CharField(max_length=10)),
                ("ids", django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
            ],
            options={"indexes": [models.Index(fields=["xid", "id"], name="change_in_order")]},
        ),
        migrations.RunSQL(NOTE + ";\n".join(triggers()), ";\n".join(no_triggers())),
    ]
