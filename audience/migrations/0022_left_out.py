"""Who is left out of figures is few, and found without a look at everybody."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audience", "0021_fields")]

    operations = [
        migrations.AddIndex(
            model_name="account",
            index=models.Index(condition=models.Q(("is_excluded", True)), fields=["id"], name="account_left_out"),
        ),
        migrations.AddIndex(
            model_name="person",
            index=models.Index(condition=models.Q(("is_excluded", True)), fields=["id"], name="person_left_out"),
        ),
    ]
