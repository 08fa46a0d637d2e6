"""Who is due is asked campaign by campaign."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('audience', '0008_tags'),
        ('campaigns', '0003_claim_by_campaign'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='enrollment',
            name='enrollment_due',
        ),
        migrations.AddIndex(
            model_name='enrollment',
            index=models.Index(condition=models.Q(('state', 'active'), ('wake_at__isnull', False)), fields=['campaign', 'wake_at'], name='enrollment_due'),
        ),
    ]
