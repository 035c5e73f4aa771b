from django.contrib.postgres.indexes import HashIndex
from django.db import migrations, models


class Migration(migrations.Migration):
    """What else refers to a file is found without looking at every file."""

    dependencies = [
        ('generations', '0017_unread_fields'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='attachment',
            index=HashIndex(
                condition=models.Q(('storage_key__isnull', False)), fields=['storage_key'], name='attachment_file'
            ),
        ),
    ]
