"""Rules that run by themselves: how far a version has looked, why it stopped; whoever moved is judged again."""

from django.db import migrations, models

MARK = """
CREATE TRIGGER mark_insert AFTER INSERT ON lifecycle_movement REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION mark_subjects(
        'SELECT DISTINCT membership.subject_id FROM changed
         JOIN lifecycle_membership membership ON membership.id = changed.membership_id');
-- A version that was published before rules ran by themselves goes on from there.
UPDATE lifecycle_version SET looked_until = published_at WHERE published_at IS NOT NULL;
"""


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0003_undo"), ("audience", "0005_live")]
    operations = [
        migrations.AddField("version", "looked_until", models.DateTimeField(null=True)),
        migrations.AddField("version", "stopped_at", models.DateTimeField(null=True, verbose_name="stopped")),
        migrations.AddField("version", "stopped_because", models.CharField(blank=True, max_length=500)),
        migrations.RunSQL(MARK, "DROP TRIGGER mark_insert ON lifecycle_movement"),
    ]
