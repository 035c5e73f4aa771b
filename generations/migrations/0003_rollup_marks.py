"""Every hour that has generations is marked, so that rollups are made of what was recorded before there were marks."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("generations", "0002_partitions")]
    operations = [
        migrations.RunSQL(
            "INSERT INTO rollup_dirty (project_id, uid, bucket)"
            " SELECT project_id, gen_random_uuid(), date_trunc('hour', started_at, 'UTC') AS hour"
            " FROM generation GROUP BY project_id, hour",
            migrations.RunSQL.noop,
        )
    ]
