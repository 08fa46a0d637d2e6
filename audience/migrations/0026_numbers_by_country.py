"""What a number means in a country that is called by its name is worked out anew: nobody could tell before."""

from django.db import migrations

FORGET = "DELETE FROM audience_phonenumber WHERE number = '' AND length(country) > 2"


class Migration(migrations.Migration):
    dependencies = [("audience", "0025_waiting")]
    operations = [migrations.RunSQL(FORGET, migrations.RunSQL.noop)]
