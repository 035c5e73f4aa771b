from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('generations', '0015_evaluators'),
    ]

    operations = [
        migrations.AddField(
            model_name='project',
            name='generation_text_from',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='project',
            name='step_text_from',
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
