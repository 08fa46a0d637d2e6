"""Moves that an import writes are traced, as all that it writes is."""

from django.db import migrations

TRACE = """
CREATE TRIGGER trace_insert AFTER INSERT ON lifecycle_movement REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION trace_import('');
"""


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0007_board"), ("audience", "0012_rollback")]
    operations = [migrations.RunSQL(TRACE, "DROP TRIGGER trace_insert ON lifecycle_movement")]
