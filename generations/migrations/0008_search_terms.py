"""The index of extracts leads to the rows of one project and some hours, not to all that share a partition."""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.operations import BtreeGinExtension
from django.db import migrations, models

HOUR = models.Func(
    models.F("started_at"),
    template="(extract(epoch from %(expressions)s at time zone 'UTC')::int8 / 3600)",
    output_field=models.BigIntegerField(),
)


class Migration(migrations.Migration):
    dependencies = [("generations", "0007_retention")]
    operations = [
        BtreeGinExtension(),
        migrations.RemoveIndex("GenerationSearch", "generation_search_text"),
        # In SQL: Django writes the class of an operator in parentheses unless its whole app for PostgreSQL is installed.
        migrations.SeparateDatabaseAndState(
            [
                migrations.RunSQL(
                    "CREATE INDEX generation_search_terms ON generation_search USING gin (project_id,"
                    " (extract(epoch from started_at at time zone 'UTC')::int8 / 3600), text gin_trgm_ops)",
                    "DROP INDEX generation_search_terms",
                )
            ],
            [
                migrations.AddIndex(
                    "GenerationSearch",
                    GinIndex(
                        models.F("project"),
                        HOUR,
                        OpClass(models.F("text"), name="gin_trgm_ops"),
                        name="generation_search_terms",
                    ),
                )
            ],
        ),
    ]
