import django.utils.timezone
from django.contrib.postgres.indexes import BrinIndex
from django.db import migrations, models


class Migration(migrations.Migration):
    """When a file was recorded is told apart from when it was made, as whoever records it says."""

    dependencies = [
        ('generations', '0018_attachment_files'),
    ]

    operations = [
        migrations.AddField(
            model_name='attachment',
            name='updated_at',
            field=models.DateTimeField(default=django.utils.timezone.now),
        ),
        migrations.AddIndex(
            model_name='attachment',
            index=BrinIndex(autosummarize=True, fields=['updated_at'], name='attachment_changed'),
        ),
    ]
