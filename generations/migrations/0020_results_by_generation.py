from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    """Results of experiments are looked up by the call that they name, as items of datasets are."""

    dependencies = [
        ('generations', '0019_attachment_changes'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='experimentitem',
            index=models.Index(
                fields=['generation_id'], name='experiment_item_generation', condition=Q(generation_id__isnull=False)
            ),
        ),
    ]
