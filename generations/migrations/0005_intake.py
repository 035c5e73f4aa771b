"""What programs send is counted by the minute, and what is refused of it once for each kind and day."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("generations", "0004_search"),
    ]

    operations = [
        migrations.AddField(
            model_name="ingestreject",
            name="agent",
            field=models.CharField(blank=True, default="", max_length=200),
        ),
        migrations.AddField(
            model_name="ingestreject",
            name="body_size",
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="ingestreject",
            name="body_type",
            field=models.CharField(blank=True, default="", max_length=100),
        ),
        migrations.AddField(
            model_name="ingestreject",
            name="count",
            field=models.BigIntegerField(default=1),
        ),
        migrations.AddField(
            model_name="ingestreject",
            name="field",
            field=models.TextField(blank=True, default=""),
        ),
        migrations.AddField(
            model_name="ingestreject",
            name="last_at",
            field=models.DateTimeField(default=django.utils.timezone.now),
        ),
        migrations.CreateModel(
            name="Intake",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("door", models.CharField(max_length=40)),
                ("agent", models.CharField(blank=True, default="", max_length=200)),
                ("minute", models.DateTimeField()),
                ("requests", models.BigIntegerField(default=0)),
                ("items", models.BigIntegerField(default=0)),
                ("refused", models.BigIntegerField(default=0)),
                ("last_at", models.DateTimeField()),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="generations.project"
                    ),
                ),
            ],
            options={
                "db_table": "intake",
                "constraints": [
                    models.UniqueConstraint(fields=("project", "door", "agent", "minute"), name="intake_minute")
                ],
            },
        ),
    ]
