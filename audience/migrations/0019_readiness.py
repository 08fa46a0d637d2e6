"""How complete the data was, day by day."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('audience', '0018_accounts'),
    ]

    operations = [
        migrations.CreateModel(
            name='Completeness',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(verbose_name='day')),
                ('field', models.CharField(max_length=100, verbose_name='field')),
                ('clock', models.CharField(choices=[('then', 'As known then'), ('now', 'As known now')], max_length=4)),
                ('known', models.BigIntegerField(verbose_name='known')),
                ('applicable', models.BigIntegerField(verbose_name='applicable')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('field', 'clock', 'day'), name='completeness_once')],
            },
        ),
    ]
