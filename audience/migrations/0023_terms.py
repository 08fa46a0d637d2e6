"""What the dates of a contract were before they were changed, noted by the database whoever changes them."""

import django.db.models.deletion
from django.db import migrations, models

# Files write contracts by statements of their own, so no verb sees every change. A verb that is handed its `now` says
# so for the transaction; else it is the clock. What a contract is brought with is no change.
KEEP = """
CREATE FUNCTION keep_contract_dates() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audience_contractchange (contract_id, renews_on, notice_on, ends_on, auto_renew, changed_at)
    VALUES (OLD.id, OLD.renews_on, OLD.notice_on, OLD.ends_on, OLD.auto_renew,
            coalesce(nullif(current_setting('perennial.changed_at', true), '')::timestamptz, now()));
    RETURN NULL;
END $$;
CREATE TRIGGER keep_dates AFTER UPDATE ON audience_contract FOR EACH ROW
    WHEN ((OLD.renews_on, OLD.notice_on, OLD.ends_on, OLD.auto_renew)
          IS DISTINCT FROM (NEW.renews_on, NEW.notice_on, NEW.ends_on, NEW.auto_renew))
    EXECUTE FUNCTION keep_contract_dates();
ALTER TABLE audience_contractchange ADD CONSTRAINT contractchange_contract FOREIGN KEY (contract_id)
    REFERENCES audience_contract (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;
"""
NO_MORE = """
ALTER TABLE audience_contractchange DROP CONSTRAINT contractchange_contract;
DROP TRIGGER keep_dates ON audience_contract;
DROP FUNCTION keep_contract_dates();
"""


class Migration(migrations.Migration):
    dependencies = [("audience", "0022_left_out")]
    operations = [
        migrations.CreateModel(
            name="ContractChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("renews_on", models.DateField(null=True, verbose_name="renewed")),
                ("notice_on", models.DateField(null=True, verbose_name="notice by")),
                ("ends_on", models.DateField(null=True, verbose_name="ended")),
                ("auto_renew", models.BooleanField(verbose_name="renews by itself")),
                ("changed_at", models.DateTimeField(verbose_name="until")),
                (
                    "contract",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="changes",
                        to="audience.contract",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["contract", "changed_at"], name="contractchange_of_contract"),
                    models.Index(fields=["changed_at"], name="contractchange_by_time"),
                ],
            },
        ),
        migrations.RunSQL(KEEP, NO_MORE),
    ]
