"""Forms on the web, what they asked and what was sent; visitors of sites, and what they looked at."""

import audience.models.forms
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


# What was asked, word for word, is the proof of what people agreed to.
GUARD = """
CREATE TRIGGER ledger BEFORE UPDATE OR DELETE ON audience_formedition
    FOR EACH ROW EXECUTE FUNCTION ledger_guard('published_by_id', '');
"""
UNGUARD = "DROP TRIGGER ledger ON audience_formedition;"


class Migration(migrations.Migration):

    dependencies = [
        ('audience', '0014_merging'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Form',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slug', models.SlugField(max_length=64, unique=True)),
                ('public_id', models.CharField(default=audience.models.forms.new_public_id, max_length=16, unique=True)),
                ('name', models.CharField(max_length=200, verbose_name='name')),
                ('state', models.CharField(choices=[('draft', 'draft'), ('published', 'published'), ('closed', 'closed')], default='draft', max_length=10, verbose_name='state')),
                ('draft', models.JSONField(default=dict)),
                ('created_at', models.DateTimeField(verbose_name='made')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='FormEdition',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.IntegerField()),
                ('asked', models.JSONField()),
                ('published_at', models.DateTimeField(verbose_name='published')),
                ('form', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='editions', to='audience.form')),
                ('published_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'editions of forms',
            },
        ),
        migrations.AddField(
            model_name='form',
            name='edition',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audience.formedition'),
        ),
        migrations.CreateModel(
            name='FormFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200, verbose_name='file')),
                ('stored', models.CharField(max_length=64, unique=True)),
                ('size', models.BigIntegerField(verbose_name='size')),
                ('created_at', models.DateTimeField(verbose_name='when')),
                ('form', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='files', to='audience.form')),
            ],
            options={
                'verbose_name_plural': 'files of forms',
            },
        ),
        migrations.CreateModel(
            name='RefusedSubmission',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(choices=[('trap', 'filled in what only a machine sees'), ('too_fast', 'sent faster than anybody types'), ('elsewhere', 'sent from a page that is not listed'), ('bad_value', 'a value that cannot be kept')], max_length=10, verbose_name='why')),
                ('answers', models.JSONField(default=dict, verbose_name='answers')),
                ('occurred_at', models.DateTimeField(verbose_name='sent')),
                ('form', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='refused', to='audience.form')),
            ],
            options={
                'verbose_name_plural': 'refused submissions',
            },
        ),
        migrations.CreateModel(
            name='Submission',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.UUIDField(default=uuid.uuid4, unique=True)),
                ('browser', models.UUIDField(null=True)),
                ('embedded', models.BooleanField(default=False, verbose_name='from another page')),
                ('answers', models.JSONField(default=dict, verbose_name='answers')),
                ('origin', models.JSONField(default=dict, verbose_name='came from')),
                ('waits_for', models.JSONField(default=list)),
                ('asks_confirmation', models.BooleanField(default=False)),
                ('occurred_at', models.DateTimeField(verbose_name='sent')),
                ('confirmed_at', models.DateTimeField(null=True, verbose_name='confirmed')),
                ('edition', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audience.formedition')),
                ('form', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='submissions', to='audience.form')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audience.person')),
            ],
            options={
                'verbose_name_plural': 'submissions',
            },
        ),
        migrations.CreateModel(
            name='Visitor',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('browser', models.UUIDField()),
                ('proven', models.BooleanField(default=False)),
                ('began_at', models.DateTimeField(verbose_name='first seen')),
                ('known_at', models.DateTimeField(null=True, verbose_name='known since')),
                ('ended_at', models.DateTimeField(null=True, verbose_name='somebody else since')),
                ('person', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audience.person')),
            ],
        ),
        migrations.CreateModel(
            name='PageView',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.UUIDField(unique=True)),
                ('page', models.CharField(max_length=500, verbose_name='page')),
                ('title', models.CharField(blank=True, max_length=200, verbose_name='title')),
                ('referrer', models.CharField(blank=True, max_length=253, verbose_name='came from')),
                ('tags', models.JSONField(default=dict)),
                ('actor', models.CharField(max_length=10)),
                ('occurred_at', models.DateTimeField(verbose_name='when')),
                ('visitor', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='views', to='audience.visitor')),
            ],
        ),
        migrations.CreateModel(
            name='FormDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('views', models.IntegerField(db_default=0, default=0)),
                ('turned_away', models.IntegerField(db_default=0, default=0)),
                ('form', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='days', to='audience.form')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('form', 'day'), name='form_day_once')],
            },
        ),
        migrations.AddConstraint(
            model_name='formedition',
            constraint=models.UniqueConstraint(fields=('form', 'number'), name='form_edition_once'),
        ),
        migrations.AddIndex(
            model_name='refusedsubmission',
            index=models.Index(fields=['form', '-occurred_at'], name='refused_of_form'),
        ),
        migrations.AddIndex(
            model_name='submission',
            index=models.Index(fields=['form', '-occurred_at'], name='submissions_of_form'),
        ),
        migrations.AddIndex(
            model_name='submission',
            index=models.Index(fields=['person', 'browser'], name='submissions_of_person'),
        ),
        migrations.AddIndex(
            model_name='visitor',
            index=models.Index(fields=['browser', '-began_at'], name='visitors_of_browser'),
        ),
        migrations.AddIndex(
            model_name='visitor',
            index=models.Index(condition=models.Q(('person__isnull', False)), fields=['person'], name='visitors_of_person'),
        ),
        migrations.AddIndex(
            model_name='visitor',
            index=models.Index(condition=models.Q(('person', None)), fields=['began_at'], name='visitors_unknown'),
        ),
        migrations.AddConstraint(
            model_name='visitor',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('browser',), name='visitor_once_at_a_time'),
        ),
        migrations.AddIndex(
            model_name='pageview',
            index=models.Index(fields=['occurred_at'], name='page_views_by_time'),
        ),
        migrations.RunSQL(GUARD, UNGUARD),
    ]
