"""A deal has any number of products; what its amount and pipeline, and a contract's start and product, were is kept."""

import django.db.models.deletion
from django.db import migrations, models

NOW = "coalesce(nullif(current_setting('perennial.changed_at', true), '')::timestamptz, now())"

# The one product that a deal had is its first line. Imports that may be rolled back are told of these lines, as if they
# had written them; the marks by which a change since is known are made anew where nothing has changed.
OLD = (
    "d.name, d.account_id, d.partner_id, d.product_id, d.owner_id, d.amount, d.currency, d.pipeline, d.stage, d.status,"
    " d.reason, d.opened_at, d.expected_close_on, d.closed_at, d.properties"
)
DEAL = (
    "name, account_id, partner_id, owner_id, amount, currency, pipeline, stage, status, reason, opened_at,"
    " expected_close_on, closed_at, properties"
)
LINE = "deal_id, product_id, quantity, amount, removed_at"
COPY = f"""
INSERT INTO audience_dealline (deal_id, product_id, recorded_at)
    SELECT id, product_id, recorded_at FROM audience_deal WHERE product_id IS NOT NULL ORDER BY id;
INSERT INTO audience_importtrace (imported_id, "table", made, ids, marks)
    SELECT trace.imported_id, 'audience_dealline', true, array_agg(l.id ORDER BY l.id),
           array_agg(hash_record_extended(ROW({", ".join(f"l.{each}" for each in LINE.split(", "))}), 0) ORDER BY l.id)
    FROM audience_importtrace trace CROSS JOIN LATERAL unnest(trace.ids, trace.marks) held (id, mark)
    JOIN audience_deal d ON d.id = held.id AND hash_record_extended(ROW({OLD}), 0) = held.mark
    JOIN audience_dealline l ON l.deal_id = d.id
    WHERE trace."table" = 'audience_deal' AND trace.made GROUP BY trace.id, trace.imported_id;
UPDATE audience_importtrace trace SET marks = (
    SELECT array_agg(CASE WHEN hash_record_extended(ROW({OLD}), 0) = held.mark
                          THEN hash_record_extended(ROW({", ".join(f"d.{each}" for each in DEAL.split(", "))}), 0)
                          ELSE held.mark END ORDER BY held.place)
    FROM unnest(trace.ids, trace.marks) WITH ORDINALITY held (id, mark, place)
    LEFT JOIN audience_deal d ON d.id = held.id)
    WHERE trace."table" = 'audience_deal' AND trace.made;
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
DROP TRIGGER trace_insert ON audience_deal;
CREATE TRIGGER trace_insert AFTER INSERT ON audience_deal REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION trace_import('{DEAL}');
CREATE TRIGGER trace_insert AFTER INSERT ON audience_dealline REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION trace_import('{LINE}');
CREATE TRIGGER trace_update AFTER UPDATE ON audience_dealline REFERENCING OLD TABLE AS before NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION trace_import();
"""
WHOSE = (
    "SELECT deal.account_id FROM {rows} JOIN audience_deal deal ON deal.id = {rows}.deal_id UNION"
    " SELECT role.person_id FROM {rows} JOIN audience_dealrole role USING (deal_id)"
)
ROWS = {"INSERT": "NEW TABLE AS changed", "UPDATE": "OLD TABLE AS before NEW TABLE AS changed",
        "DELETE": "OLD TABLE AS before"}  # fmt: skip
MARKS = ";\n".join(
    f"CREATE TRIGGER mark_{event.lower()} AFTER {event} ON audience_dealline REFERENCING {rows} FOR EACH STATEMENT"
    f" EXECUTE FUNCTION mark_subjects('{WHOSE.replace('{rows}', 'before' if event == 'DELETE' else 'changed')}')"
    for event, rows in ROWS.items()
)
# Files write deals and contracts by statements of their own, so no verb sees every change.
KEEP = f"""
CREATE FUNCTION keep_deal_values() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audience_dealchange (deal_id, amount, currency, pipeline, changed_at)
    VALUES (OLD.id, OLD.amount, OLD.currency, OLD.pipeline, {NOW});
    RETURN NULL;
END $$;
CREATE TRIGGER keep_values AFTER UPDATE ON audience_deal FOR EACH ROW
    WHEN ((OLD.amount, OLD.currency, OLD.pipeline) IS DISTINCT FROM (NEW.amount, NEW.currency, NEW.pipeline))
    EXECUTE FUNCTION keep_deal_values();
ALTER TABLE audience_dealchange ADD CONSTRAINT dealchange_deal FOREIGN KEY (deal_id)
    REFERENCES audience_deal (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;
UPDATE audience_contractchange h SET starts_on = c.starts_on, product_id = c.product_id
    FROM audience_contract c WHERE c.id = h.contract_id;
CREATE OR REPLACE FUNCTION keep_contract_dates() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audience_contractchange
        (contract_id, starts_on, product_id, renews_on, notice_on, ends_on, auto_renew, changed_at)
    VALUES (OLD.id, OLD.starts_on, OLD.product_id, OLD.renews_on, OLD.notice_on, OLD.ends_on, OLD.auto_renew, {NOW});
    RETURN NULL;
END $$;
DROP TRIGGER keep_dates ON audience_contract;
CREATE TRIGGER keep_dates AFTER UPDATE ON audience_contract FOR EACH ROW
    WHEN ((OLD.starts_on, OLD.product_id, OLD.renews_on, OLD.notice_on, OLD.ends_on, OLD.auto_renew) IS DISTINCT FROM
          (NEW.starts_on, NEW.product_id, NEW.renews_on, NEW.notice_on, NEW.ends_on, NEW.auto_renew))
    EXECUTE FUNCTION keep_contract_dates();
"""


class Migration(migrations.Migration):
    dependencies = [("audience", "0023_terms")]
    operations = [
        migrations.CreateModel(
            name="DealLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("quantity", models.DecimalField(decimal_places=4, max_digits=18, null=True, verbose_name="quantity")),
                ("amount", models.BigIntegerField(null=True, verbose_name="amount (minor units)")),
                ("added_at", models.DateTimeField(null=True, verbose_name="since")),
                ("removed_at", models.DateTimeField(null=True, verbose_name="until")),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
                (
                    "deal",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="lines",
                        to="audience.deal",
                    ),
                ),
                (
                    "product",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="audience.product"),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("deal", "product"), name="deal_line_once")],
            },
        ),
        migrations.CreateModel(
            name="DealChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("amount", models.BigIntegerField(null=True, verbose_name="amount (minor units)")),
                ("currency", models.CharField(blank=True, max_length=3)),
                ("pipeline", models.CharField(blank=True, max_length=100, verbose_name="pipeline")),
                ("changed_at", models.DateTimeField(verbose_name="until")),
                (
                    "deal",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="audience.deal",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["deal", "changed_at"], name="dealchange_of_deal"),
                    models.Index(fields=["changed_at"], name="dealchange_by_time"),
                ],
            },
        ),
        migrations.AddField("contractchange", "starts_on", models.DateField(null=True, verbose_name="started")),
        migrations.AddField(
            "contractchange",
            "product",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="audience.product",
            ),
        ),
        migrations.RunSQL(COPY + MARKS + ";\n" + KEEP),
        migrations.AlterField("contractchange", "starts_on", models.DateField(verbose_name="started")),
        migrations.RemoveField("deal", "product"),
    ]
