"""Extracts for searching, with an index of their trigrams, and the marks of what is to be extracted: everything."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations, models

from generations.partitions import CreateEventTable


class Migration(migrations.Migration):
    dependencies = [("generations", "0003_rollup_marks")]
    operations = [
        TrigramExtension(),
        migrations.RemoveField("GenerationSearch", "words"),
        migrations.AddIndex(
            "GenerationSearch",
            GinIndex(fields=["text"], name="generation_search_text", opclasses=["gin_trgm_ops"]),
        ),
        migrations.AddIndex(
            "Step",
            models.Index(fields=["project", "span_id"], name="step_span", condition=models.Q(span_id__isnull=False)),
        ),
        migrations.AddIndex(
            "Generation",
            models.Index(
                fields=["project", "span_id"], name="generation_span", condition=models.Q(span_id__isnull=False)
            ),
        ),
        CreateEventTable(
            name="SearchMark",
            fields=[
                ("uid", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("uids", django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), size=None)),
                ("first_start", models.DateTimeField()),
                ("last_start", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="generations.project",
                    ),
                ),
            ],
            options={"db_table": "search_mark"},
        ),
        migrations.RunSQL(
            "INSERT INTO search_mark (project_id, uid, uids, first_start, last_start, created_at)"
            " SELECT project_id, gen_random_uuid(), array_agg(uid), min(started_at), max(started_at), now() FROM ("
            "   SELECT project_id, uid, started_at,"
            "     row_number() OVER (PARTITION BY project_id ORDER BY started_at DESC) / 500 AS lot FROM generation"
            " ) AS recorded GROUP BY project_id, lot",
            migrations.RunSQL.noop,
        ),
    ]
