"""Rollups of one currency each, with a histogram in one number. Nothing was ever kept in those before."""

import django.db.models.deletion
import generations.models.numbers
import generations.partitions
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('generations', '0005_intake'),
    ]

    operations = [
        migrations.DeleteModel(
            name='RollupHour',
        ),
        generations.partitions.CreateEventTable(
            name='RollupHour',
            fields=[
                ('project', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='generations.project')),
                ('uid', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('bucket', models.DateTimeField()),
                ('model_id', models.TextField(blank=True, db_collation='C', null=True)),
                ('provider', models.TextField(blank=True, db_collation='C', null=True)),
                ('environment', models.TextField(blank=True, db_collation='C', null=True)),
                ('currency', models.TextField(blank=True, db_collation='C', null=True)),
                ('count', models.BigIntegerField()),
                ('errors', models.BigIntegerField()),
                ('prompt_tokens', models.BigIntegerField(null=True)),
                ('prompt_tokens_known', models.BigIntegerField(default=0)),
                ('completion_tokens', models.BigIntegerField(null=True)),
                ('completion_tokens_known', models.BigIntegerField(default=0)),
                ('total_tokens', models.BigIntegerField(null=True)),
                ('total_tokens_known', models.BigIntegerField(default=0)),
                ('cached_tokens', models.BigIntegerField(null=True)),
                ('cached_tokens_known', models.BigIntegerField(default=0)),
                ('cache_write_tokens', models.BigIntegerField(null=True)),
                ('cache_write_tokens_known', models.BigIntegerField(default=0)),
                ('reasoning_tokens', models.BigIntegerField(null=True)),
                ('reasoning_tokens_known', models.BigIntegerField(default=0)),
                ('input_audio_tokens', models.BigIntegerField(null=True)),
                ('input_audio_tokens_known', models.BigIntegerField(default=0)),
                ('output_audio_tokens', models.BigIntegerField(null=True)),
                ('output_audio_tokens_known', models.BigIntegerField(default=0)),
                ('cost', models.DecimalField(decimal_places=12, max_digits=40, null=True)),
                ('cost_known', models.BigIntegerField(default=0)),
                ('cost_histogram', generations.models.numbers.HistogramField(null=True)),
                ('input_cost', models.DecimalField(decimal_places=12, max_digits=40, null=True)),
                ('input_cost_known', models.BigIntegerField(default=0)),
                ('output_cost', models.DecimalField(decimal_places=12, max_digits=40, null=True)),
                ('output_cost_known', models.BigIntegerField(default=0)),
                ('latency', models.FloatField(null=True)),
                ('latency_known', models.BigIntegerField(default=0)),
                ('latency_histogram', generations.models.numbers.HistogramField(null=True)),
                ('time_to_first_token', models.FloatField(null=True)),
                ('time_to_first_token_known', models.BigIntegerField(default=0)),
                ('time_to_first_token_histogram', generations.models.numbers.HistogramField(null=True)),
                ('tokens_per_second', models.FloatField(null=True)),
                ('tokens_per_second_known', models.BigIntegerField(default=0)),
                ('tokens_per_second_histogram', generations.models.numbers.HistogramField(null=True)),
            ],
            options={
                'db_table': 'rollup_hour',
            },
        ),
        migrations.DeleteModel(
            name='RollupDay',
        ),
        generations.partitions.CreateEventTable(
            name='RollupDay',
            fields=[
                ('project', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='generations.project')),
                ('uid', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('bucket', models.DateTimeField()),
                ('model_id', models.TextField(blank=True, db_collation='C', null=True)),
                ('provider', models.TextField(blank=True, db_collation='C', null=True)),
                ('environment', models.TextField(blank=True, db_collation='C', null=True)),
                ('currency', models.TextField(blank=True, db_collation='C', null=True)),
                ('count', models.BigIntegerField()),
                ('errors', models.BigIntegerField()),
                ('prompt_tokens', models.BigIntegerField(null=True)),
                ('prompt_tokens_known', models.BigIntegerField(default=0)),
                ('completion_tokens', models.BigIntegerField(null=True)),
                ('completion_tokens_known', models.BigIntegerField(default=0)),
                ('total_tokens', models.BigIntegerField(null=True)),
                ('total_tokens_known', models.BigIntegerField(default=0)),
                ('cached_tokens', models.BigIntegerField(null=True)),
                ('cached_tokens_known', models.BigIntegerField(default=0)),
                ('cache_write_tokens', models.BigIntegerField(null=True)),
                ('cache_write_tokens_known', models.BigIntegerField(default=0)),
                ('reasoning_tokens', models.BigIntegerField(null=True)),
                ('reasoning_tokens_known', models.BigIntegerField(default=0)),
                ('input_audio_tokens', models.BigIntegerField(null=True)),
                ('input_audio_tokens_known', models.BigIntegerField(default=0)),
                ('output_audio_tokens', models.BigIntegerField(null=True)),
                ('output_audio_tokens_known', models.BigIntegerField(default=0)),
                ('cost', models.DecimalField(decimal_places=12, max_digits=40, null=True)),
                ('cost_known', models.BigIntegerField(default=0)),
                ('cost_histogram', generations.models.numbers.HistogramField(null=True)),
                ('input_cost', models.DecimalField(decimal_places=12, max_digits=40, null=True)),
                ('input_cost_known', models.BigIntegerField(default=0)),
                ('output_cost', models.DecimalField(decimal_places=12, max_digits=40, null=True)),
                ('output_cost_known', models.BigIntegerField(default=0)),
                ('latency', models.FloatField(null=True)),
                ('latency_known', models.BigIntegerField(default=0)),
                ('latency_histogram', generations.models.numbers.HistogramField(null=True)),
                ('time_to_first_token', models.FloatField(null=True)),
                ('time_to_first_token_known', models.BigIntegerField(default=0)),
                ('time_to_first_token_histogram', generations.models.numbers.HistogramField(null=True)),
                ('tokens_per_second', models.FloatField(null=True)),
                ('tokens_per_second_known', models.BigIntegerField(default=0)),
                ('tokens_per_second_histogram', generations.models.numbers.HistogramField(null=True)),
            ],
            options={
                'db_table': 'rollup_day',
            },
        ),
        migrations.AddIndex(
            model_name='rolluphour',
            index=models.Index(fields=['project', 'bucket'], name='rollup_hour_bucket'),
        ),
        migrations.AddIndex(
            model_name='rollupday',
            index=models.Index(fields=['project', 'bucket'], name='rollup_day_bucket'),
        ),
    ]

