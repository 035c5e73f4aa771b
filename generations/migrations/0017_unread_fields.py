from django.db import migrations


class Migration(migrations.Migration):
    """How long a project keeps what is said by its rules, and keys have no second name."""

    dependencies = [
        ('generations', '0016_text_horizons'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='project',
            name='retention_days',
        ),
        migrations.RemoveField(
            model_name='apikey',
            name='public_id',
        ),
    ]
