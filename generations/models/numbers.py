"""What is derived from what was recorded: rollups for dashboards, extracts for search. May be rebuilt at any time."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.contrib.postgres.fields import ArrayField
from django.db import models

from generations.models.recorded import Event, optional
from generations.querysets import TextManager


class HistogramField(models.Field):  # type: ignore[type-arg]  # which it does not take when it runs
    """How many values lie in each bucket of a logarithmic scale, all in one number (`metrics.histograms`)."""

    def db_type(self, connection: Any) -> str:
        """PostgreSQL's own numeric, of any length: adding two of them adds all their buckets."""
        return "numeric"


def total() -> Any:
    """A sum of whole numbers; unknown when none of them was known."""
    return models.BigIntegerField(null=True)


def amount() -> Any:
    """A sum of money of one currency; unknown when no cost was known."""
    return models.DecimalField(max_digits=40, decimal_places=12, null=True)


def seconds() -> Any:
    """A sum of measured values; unknown when none was known."""
    return models.FloatField(null=True)


def known() -> Any:
    """Of how many generations the value beside it is known."""
    return models.BigIntegerField(default=0)


class Rollup(Event):
    """Numbers of the generations of one bucket of time that share model, provider, environment and currency.

    What is summed up is called as it is in `Generation`; `uid` is computed from the bucket and what they share.
    """

    bucket = models.DateTimeField()
    model_id = optional()
    provider = optional()
    environment = optional()
    currency = optional()
    count = models.BigIntegerField()
    errors = models.BigIntegerField()
    prompt_tokens = total()
    prompt_tokens_known = known()
    completion_tokens = total()
    completion_tokens_known = known()
    total_tokens = total()
    total_tokens_known = known()
    cached_tokens = total()
    cached_tokens_known = known()
    cache_write_tokens = total()
    cache_write_tokens_known = known()
    reasoning_tokens = total()
    reasoning_tokens_known = known()
    input_audio_tokens = total()
    input_audio_tokens_known = known()
    output_audio_tokens = total()
    output_audio_tokens_known = known()
    cost = amount()
    cost_known = known()
    cost_histogram = HistogramField(null=True)
    input_cost = amount()
    input_cost_known = known()
    output_cost = amount()
    output_cost_known = known()
    latency = seconds()
    latency_known = known()
    latency_histogram = HistogramField(null=True)
    time_to_first_token = seconds()
    time_to_first_token_known = known()
    time_to_first_token_histogram = HistogramField(null=True)
    tokens_per_second = seconds()
    tokens_per_second_known = known()
    tokens_per_second_histogram = HistogramField(null=True)

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
    """A bounded extract of what was asked and answered, folded for searching (see `folding`).

    `place` is the number of its segment times its size, plus its slot there (see `search.bits`).
    """

    objects: ClassVar[Any] = TextManager()

    started_at = models.DateTimeField()
    text = models.TextField(default="")
    place = models.BigIntegerField()

    class Meta:
        db_table = "generation_search"
        indexes = [
            models.Index(fields=["project", "-started_at", "-uid"], name="generation_search_list"),
            models.Index(fields=["project", "place"], name="generation_search_place"),
        ]


class SearchSegment(Event):
    """Some thousand extracts that were made one after the other, and the stretch of time that they are of.

    `uid` is computed from the number. Places are given out in order; `size` of them are. A full segment gets bits, made
    of `texts` extracts.
    """

    number = models.BigIntegerField()
    size = models.IntegerField()
    first_start = models.DateTimeField()
    last_start = models.DateTimeField()
    texts = models.IntegerField(null=True)

    class Meta:
        db_table = "search_segment"


class SearchBits(Event):
    """Which extracts of a segment have one of a bucket's grams (see `search.bits`); `uid` is computed from both."""

    bits = models.BinaryField()

    class Meta:
        db_table = "search_bits"


class SearchMark(Event):
    """A mark, written with the change: the text of these generations, of this span of time, is to be extracted."""

    uids = ArrayField(models.UUIDField())
    first_start = models.DateTimeField()
    last_start = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "search_mark"


DERIVED: Final = (RollupHour, RollupDay, RollupDirty, GenerationSearch, SearchMark, SearchSegment, SearchBits)
"""What is made from the rows that were recorded, and goes with them."""
