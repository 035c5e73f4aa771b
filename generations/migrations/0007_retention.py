"""Rules of what is kept for how long, and holds."""

import django.db.models.deletion
import generations.models.accounts
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('generations', '0006_rollup_tables'),
    ]

    operations = [
        migrations.CreateModel(
            name='RetentionRule',
            fields=[
                ('id', models.UUIDField(default=generations.models.accounts.new_uuid, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('generations', 'generations'), ('steps', 'steps')], default='generations', max_length=20)),
                ('what', models.CharField(choices=[('text', 'text'), ('all', 'everything')], default='text', max_length=10)),
                ('filter', models.JSONField(blank=True, default=dict)),
                ('days', models.PositiveIntegerField(blank=True, help_text='Empty: for ever.', null=True)),
                ('position', models.PositiveIntegerField(default=0)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='retention_rules', to='generations.project')),
            ],
            options={
                'db_table': 'retention_rule',
                'ordering': ['kind', 'what', 'position', 'id'],
            },
        ),
        migrations.CreateModel(
            name='LegalHold',
            fields=[
                ('id', models.UUIDField(default=generations.models.accounts.new_uuid, editable=False, primary_key=True, serialize=False)),
                ('reason', models.CharField(max_length=500)),
                ('kind', models.CharField(choices=[('generations', 'generations'), ('steps', 'steps')], default='generations', max_length=20)),
                ('filter', models.JSONField(blank=True, default=dict, help_text='Empty: everything in the project.')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('released_at', models.DateTimeField(blank=True, null=True)),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='holds', to='generations.project')),
            ],
            options={
                'db_table': 'legal_hold',
                'ordering': ['-created_at'],
                'indexes': [models.Index(condition=models.Q(('released_at__isnull', True)), fields=['project'], name='legal_hold_open')],
            },
        ),
    ]
