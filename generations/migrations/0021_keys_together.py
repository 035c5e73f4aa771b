from django.db import migrations


class Migration(migrations.Migration):
    """New projects have keys that begin as their ids do (`identities.TOGETHER_FROM`); those that are there keep theirs."""

    dependencies = [
        ('generations', '0020_results_by_generation'),
    ]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE project ALTER COLUMN id SET START WITH 1000000 RESTART WITH 1000000",
            migrations.RunSQL.noop,
        ),
    ]
