"""The partitions of this month and its neighbours. The writer makes any other on demand, beat makes those ahead."""

import datetime as dt

from django.db import migrations

from generations import partitions


def make(apps, schema_editor):
    partitions.ensure_ahead(dt.datetime.now(dt.UTC))


class Migration(migrations.Migration):
    dependencies = [("generations", "0001_tables")]
    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
