"""Extracts stand in segments, whose index is made at once when they are full: those there are are made anew."""

import django.db.models.deletion
from django.db import migrations, models

from generations.partitions import CreateEventTable


def _project() -> models.Field:
    return models.ForeignKey(
        db_constraint=False,
        db_index=False,
        on_delete=django.db.models.deletion.DO_NOTHING,
        related_name="+",
        to="generations.project",
    )


def _uid() -> models.Field:
    return models.UUIDField(editable=False, primary_key=True, serialize=False)


class Migration(migrations.Migration):
    dependencies = [("generations", "0011_saved_views")]
    operations = [
        # In SQL: the index stands over expressions, which Django would look for in the models as they are by then.
        migrations.SeparateDatabaseAndState(
            [migrations.RunSQL("DROP INDEX generation_search_terms", migrations.RunSQL.noop)],
            [migrations.RemoveIndex("GenerationSearch", "generation_search_terms")],
        ),
        migrations.RunSQL("TRUNCATE generation_search", migrations.RunSQL.noop),
        # Extracts are read far more often than written: unpacking them took most of the time of that.
        migrations.RunSQL(
            "ALTER TABLE generation_search ALTER COLUMN text SET STORAGE EXTERNAL", migrations.RunSQL.noop
        ),
        migrations.AddField("GenerationSearch", "place", models.BigIntegerField()),
        migrations.AddIndex(
            "GenerationSearch", models.Index(fields=["project", "place"], name="generation_search_place")
        ),
        CreateEventTable(
            name="SearchSegment",
            fields=[
                ("uid", _uid()),
                ("number", models.BigIntegerField()),
                ("size", models.IntegerField()),
                ("first_start", models.DateTimeField()),
                ("last_start", models.DateTimeField()),
                ("texts", models.IntegerField(null=True)),
                ("project", _project()),
            ],
            options={"db_table": "search_segment"},
        ),
        CreateEventTable(
            name="SearchBits",
            fields=[("uid", _uid()), ("bits", models.BinaryField()), ("project", _project())],
            options={"db_table": "search_bits"},
        ),
        migrations.RunSQL(
            "DELETE FROM search_mark;"
            "INSERT INTO search_mark (project_id, uid, uids, first_start, last_start, created_at)"
            # Behind the marks of what is recorded from now on, the newest first.
            " SELECT project_id, ('ffffffff-ffff-ffff-ffff-' || lpad(to_hex(lot), 12, '0'))::uuid, array_agg(uid),"
            "   min(started_at), max(started_at), now() FROM ("
            "   SELECT project_id, uid, started_at,"
            "     row_number() OVER (PARTITION BY project_id ORDER BY started_at DESC) / 500 AS lot FROM generation"
            " ) AS recorded GROUP BY project_id, lot",
            migrations.RunSQL.noop,
        ),
    ]
