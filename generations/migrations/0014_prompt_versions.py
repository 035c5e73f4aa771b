from django.db import migrations, models


def count_versions(apps, schema_editor):
    """Projects that have versions already say so."""
    project, version = apps.get_model("generations", "Project"), apps.get_model("generations", "PromptVersion")
    for one in project.objects.all():
        made = version.objects.filter(project_id=one.pk).count()
        if made:
            project.objects.filter(pk=one.pk).update(versions_made=made)


class Migration(migrations.Migration):

    dependencies = [
        ('generations', '0013_exports'),
    ]

    operations = [
        migrations.AddField(
            model_name='project',
            name='versions_made',
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.RunPython(count_versions, migrations.RunPython.noop),
    ]
