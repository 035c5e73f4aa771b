"""What is derived from what was recorded: rollups for dashboards, extracts for search. May be rebuilt at any time."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from generations.models.events import Event, identifier


def histogram() -> Any:
    """A sparse log-bucket histogram: bucket numbers beside their counts."""
    return ArrayField(models.IntegerField(), default=list)


class Rollup(Event):
    """Counts and sums of the generations of one bucket of time that share model, provider and environment."""

    bucket = models.DateTimeField()
    model_id = identifier(default="")
    provider = identifier(default="")
    environment = identifier(default="")
    count = models.BigIntegerField(default=0)
    errors = models.BigIntegerField(default=0)
    prompt_tokens = models.BigIntegerField(null=True)
    completion_tokens = models.BigIntegerField(null=True)
    total_tokens = models.BigIntegerField(null=True)
    cached_tokens = models.BigIntegerField(null=True)
    reasoning_tokens = models.BigIntegerField(null=True)
    costs = models.JSONField(default=dict)
    cost_count = models.BigIntegerField(default=0)
    latency_sum = models.FloatField(default=0)
    latency_count = models.BigIntegerField(default=0)
    latency_buckets = histogram()
    latency_counts = histogram()
    first_token_sum = models.FloatField(default=0)
    first_token_count = models.BigIntegerField(default=0)
    first_token_buckets = histogram()
    first_token_counts = histogram()
    speed_sum = models.FloatField(default=0)
    speed_count = models.BigIntegerField(default=0)
    speed_buckets = histogram()
    speed_counts = histogram()
    cost_buckets = histogram()
    cost_counts = histogram()

    class Meta:
        abstract = True


class RollupHour(Rollup):
    """One hour, UTC."""

    class Meta:
        db_table = "rollup_hour"
        indexes = [models.Index(fields=["project", "bucket"], name="rollup_hour_bucket")]


class RollupDay(Rollup):
    """One day, UTC."""

    class Meta:
        db_table = "rollup_day"
        indexes = [models.Index(fields=["project", "bucket"], name="rollup_day_bucket")]


class RollupDirty(Event):
    """A mark, written with the change: this hour's rollup is not to be trusted until it is made again."""

    bucket = models.DateTimeField()

    class Meta:
        db_table = "rollup_dirty"
        indexes = [models.Index(fields=["project", "bucket"], name="rollup_dirty_bucket")]


class GenerationSearch(Event):
    """A bounded extract of what was asked and answered, folded for searching (see `folding`)."""

    started_at = models.DateTimeField()
    text = models.TextField(default="")

    class Meta:
        db_table = "generation_search"
        indexes = [
            models.Index(fields=["project", "-started_at", "-uid"], name="generation_search_list"),
            GinIndex(fields=["text"], name="generation_search_text", opclasses=["gin_trgm_ops"]),
        ]


class SearchMark(Event):
    """A mark, written with the change: the text of these generations, of this span of time, is to be extracted."""

    uids = ArrayField(models.UUIDField())
    first_start = models.DateTimeField()
    last_start = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "search_mark"


DERIVED: Final = (RollupHour, RollupDay, RollupDirty, GenerationSearch, SearchMark)
"""What is made from the rows that were recorded, and goes with them."""
