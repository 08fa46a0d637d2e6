"""How partners are taken in: programmes, their steps, applications, and what each partner has to do."""


import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('audience', '0019_readiness'),
        ('lifecycle', '0013_usual_stays'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Programme',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('certified_months', models.PositiveSmallIntegerField(null=True, verbose_name='a certificate is good for (months)')),
                ('form', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, to='audience.form', verbose_name='application form')),
                ('lifecycle', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='programme', to='lifecycle.lifecycle')),
            ],
        ),
        migrations.CreateModel(
            name='ProgrammeStep',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200, verbose_name='what')),
                ('by_partner', models.BooleanField(default=True, verbose_name='done by the partner')),
                ('days', models.PositiveSmallIntegerField(verbose_name='days after approval')),
                ('kind', models.SlugField(allow_unicode=True, blank=True, max_length=64, verbose_name='done once this has happened')),
                ('position', models.PositiveSmallIntegerField(default=0)),
                ('retired_at', models.DateTimeField(null=True)),
                ('programme', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='steps', to='lifecycle.programme')),
            ],
            options={
                'ordering': ('position', 'pk'),
            },
        ),
        migrations.CreateModel(
            name='Application',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('waiting', 'waiting'), ('approved', 'approved'), ('declined', 'declined')], default='waiting', max_length=10, verbose_name='state')),
                ('applied_at', models.DateTimeField(verbose_name='applied')),
                ('decided_at', models.DateTimeField(null=True, verbose_name='decided')),
                ('reason', models.CharField(blank=True, max_length=300, verbose_name='why')),
                ('account', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audience.account', verbose_name='account')),
                ('decided_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audience.person')),
                ('submission', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audience.submission')),
                ('programme', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='applications', to='lifecycle.programme')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state', 'waiting')), fields=['applied_at'], name='applications_waiting')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('decided_at', None), ('state', 'waiting')), models.Q(models.Q(('state', 'waiting'), _negated=True), ('decided_at__isnull', False)), _connector='OR'), name='application_decided'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'approved'), _negated=True), ('account__isnull', False), _connector='OR'), name='application_approved_of')],
            },
        ),
        migrations.CreateModel(
            name='ChecklistItem',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('due_on', models.DateField(verbose_name='due')),
                ('created_at', models.DateTimeField()),
                ('done_at', models.DateTimeField(null=True, verbose_name='done')),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audience.account')),
                ('done_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('step', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='items', to='lifecycle.programmestep')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('done_at', None)), fields=['due_on'], name='checklist_open')],
                'constraints': [models.UniqueConstraint(fields=('account', 'step'), name='checklist_item_once')],
            },
        ),
    ]
