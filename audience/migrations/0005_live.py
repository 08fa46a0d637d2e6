"""Marks of those who changed: any number per subject, written by triggers on every table of facts."""

import django.db.models.functions.datetime
from django.db import migrations, models

# `changed` and, of updates and deletes, `before` are the rows of the statement. One mark per subject and statement.
# A long load that has everybody judged afterwards may switch the marks off for its transaction.
MARK = """
CREATE FUNCTION mark_subjects() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('perennial.marks', true), '') <> 'off' THEN
        EXECUTE 'INSERT INTO audience_dirty (subject_id) SELECT id FROM (' || TG_ARGV[0]
            || ') marked (id) WHERE id IS NOT NULL';
    END IF;
    RETURN NULL;
END $$;
"""

OWN = "SELECT DISTINCT subject_id FROM {rows}"
FACTS = {
    "audience_person": {
        "INSERT": "SELECT id FROM {rows}",
        # Every other value is kept with its history, and marks by that.
        "UPDATE": "SELECT changed.id FROM changed JOIN before USING (id) WHERE (changed.first_seen_at, changed.erased_at)"
        " IS DISTINCT FROM (before.first_seen_at, before.erased_at)",
    },
    "audience_account": {
        "INSERT": "SELECT id FROM {rows}",
        "UPDATE": "SELECT changed.id FROM changed JOIN before USING (id) WHERE (changed.first_seen_at, changed.erased_at)"
        " IS DISTINCT FROM (before.first_seen_at, before.erased_at)",
    },
    "audience_fieldchange": {
        "INSERT": OWN + " UNION SELECT person.id FROM {rows} JOIN audience_person person USING (account_id)",
    },
    "audience_activity": {"INSERT": "SELECT person_id FROM {rows} UNION SELECT account_id FROM {rows}"},
    "audience_deal": dict.fromkeys(
        ("INSERT", "UPDATE"),
        "SELECT account_id FROM {rows} UNION SELECT partner_id FROM {rows} UNION"
        " SELECT role.person_id FROM {rows} deal JOIN audience_dealrole role ON role.deal_id = deal.id",
    ),
    "audience_dealrole": dict.fromkeys(("INSERT", "DELETE"), "SELECT DISTINCT person_id FROM {rows}"),
    "audience_dealstagechange": {
        "INSERT": "SELECT deal.account_id FROM {rows} JOIN audience_deal deal ON deal.id = {rows}.deal_id UNION"
        " SELECT role.person_id FROM {rows} JOIN audience_dealrole role USING (deal_id)",
    },
    "audience_purchase": dict.fromkeys(("INSERT", "UPDATE"), OWN),
    "audience_contract": dict.fromkeys(("INSERT", "UPDATE"), OWN),
    "audience_contractamendment": dict.fromkeys(
        ("INSERT", "UPDATE"),
        "SELECT contract.subject_id FROM {rows} JOIN audience_contract contract ON contract.id = {rows}.contract_id",
    ),
    "audience_case": dict.fromkeys(("INSERT", "UPDATE"), OWN),
    "audience_consentrecord": {"INSERT": OWN},
    "audience_segmentmember": dict.fromkeys(("INSERT", "UPDATE", "DELETE"), OWN),
}
TRANSITIONS = {
    "INSERT": "NEW TABLE AS changed",
    "UPDATE": "OLD TABLE AS before NEW TABLE AS changed",
    "DELETE": "OLD TABLE AS before",
}


def triggers():
    for table, events in FACTS.items():
        for event, marked in events.items():
            marked = marked.replace("{rows}", "before" if event == "DELETE" else "changed")
            yield (
                f"CREATE TRIGGER mark_{event.lower()} AFTER {event} ON {table} REFERENCING {TRANSITIONS[event]}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION mark_subjects('{marked}')"
            )


def no_triggers():
    for table, events in FACTS.items():
        for event in events:
            yield f"DROP TRIGGER mark_{event.lower()} ON {table}"
    yield "DROP FUNCTION mark_subjects()"


class Migration(migrations.Migration):
    dependencies = [("audience", "0004_money_over_time")]
    operations = [
        migrations.RemoveConstraint("dirty", "dirty_once"),
        migrations.RemoveField("dirty", "consumer"),
        migrations.AddField(
            "dirty", "marked_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())
        ),
        migrations.AddIndex("account", models.Index(fields=["first_seen_at"], name="account_by_first_seen")),
        migrations.AddIndex("person", models.Index(fields=["first_seen_at"], name="person_by_first_seen")),
        migrations.RunSQL(MARK + ";\n".join(triggers()), ";\n".join(no_triggers())),
    ]
