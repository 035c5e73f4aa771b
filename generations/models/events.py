"""What was recorded. Event tables carry their project, have no foreign keys, and are written by `recording` alone.

Their database key is (project_id, uid), with `started_at` behind it in the tables that are partitioned by it; Django
is told of `uid` alone, because its admin refuses composite keys. References to other rows hold the caller's id: they
may name what has not come yet, and lists and exports show them without a look-up.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, HashIndex
from django.db import models
from django.db.models import Q
from django.utils import timezone

from generations.models.recorded import Event, Told, changed, document, identifier, money, optional
from generations.querysets import StepTextManager, TextManager


class Participant(Event):
    """The end user of the application."""

    public_id = identifier()
    identifier = identifier()
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        db_table = "participant"
        indexes = [
            models.Index(fields=["project", "-last_seen_at", "-uid"], name="participant_list"),
            models.Index(fields=["project", "identifier"], name="participant_identifier"),
        ]

    def __str__(self) -> str:
        return str(self.identifier)


class Thread(Event):
    """A conversation or session."""

    public_id = identifier()
    name = optional()
    user_id = optional()
    environment = optional()
    tags = ArrayField(models.TextField(), default=list, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    started_at = models.DateTimeField()
    last_activity_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "thread"
        indexes = [
            models.Index(fields=["project", "-last_activity_at", "-uid"], name="thread_list"),
            models.Index(fields=["project", "-started_at", "-uid"], name="thread_by_start"),
            models.Index(
                fields=["project", "user_id", "-last_activity_at"],
                name="thread_user",
                condition=Q(user_id__isnull=False),
            ),
            GinIndex(fields=["tags"], name="thread_tags"),
            GinIndex(fields=["metadata"], name="thread_metadata", opclasses=["jsonb_path_ops"]),
        ]

    def __str__(self) -> str:
        return str(self.name or self.public_id)


class Step(Told):
    """One unit of work, in a tree of them. Its payload is `StepPayload`."""

    kind = "step"

    public_id = identifier()
    type = identifier(default="undefined")
    name = optional()
    thread_id = optional()
    parent_id = optional()
    root_id = optional()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    latency = models.FloatField(null=True, blank=True, help_text="Seconds.")
    error = models.TextField(null=True, blank=True)
    user_id = optional()
    environment = optional()
    release = optional()
    trace_id = optional()
    span_id = optional()
    tags = ArrayField(models.TextField(), default=list, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    input_preview = models.TextField(null=True, blank=True)
    output_preview = models.TextField(null=True, blank=True)
    start_assumed = models.BooleanField(default=False, help_text="No start was given yet: a record that brings it may.")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "step"
        indexes = [
            models.Index(fields=["project", "-started_at", "-uid"], name="step_list"),
            models.Index(
                fields=["project", "thread_id", "started_at"], name="step_thread", condition=Q(thread_id__isnull=False)
            ),
            models.Index(
                fields=["project", "parent_id", "started_at"], name="step_parent", condition=Q(parent_id__isnull=False)
            ),
            models.Index(
                fields=["project", "trace_id", "started_at"], name="step_trace", condition=Q(trace_id__isnull=False)
            ),
            models.Index(fields=["project", "span_id"], name="step_span", condition=Q(span_id__isnull=False)),
            models.Index(
                fields=["project", "user_id", "-started_at"], name="step_user", condition=Q(user_id__isnull=False)
            ),
            GinIndex(fields=["tags"], name="step_tags"),
            GinIndex(fields=["metadata"], name="step_metadata", opclasses=["jsonb_path_ops"]),
            changed("step_changed"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.name or self.public_id}"


class StepPayload(Event):
    """What a step was given and gave back, in full."""

    objects: ClassVar[Any] = StepTextManager()

    started_at = models.DateTimeField()
    input = document()
    output = document()
    attributes = document()
    events = document()
    error_detail = models.TextField(null=True, blank=True)

    class Meta:
        db_table = "step_payload"

    def __str__(self) -> str:
        return str(self.uid)


class Generation(Told):
    """The facts of one call to a model. What was said is in `GenerationPayload`."""

    kind = "generation"

    public_id = identifier()
    type = identifier(default="chat")
    name = optional()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    model_id = optional()
    model_name = optional()
    model_version = optional()
    provider = optional()
    input_type = identifier(default="text")
    output_type = identifier(default="text")
    error = models.TextField(null=True, blank=True)
    error_type = optional()
    finish_reason = optional()
    prompt_tokens = models.IntegerField(null=True, blank=True, help_text="Gross, of which cached.")
    completion_tokens = models.IntegerField(null=True, blank=True, help_text="Gross, of which reasoning.")
    total_tokens = models.IntegerField(null=True, blank=True)
    cached_tokens = models.IntegerField(null=True, blank=True)
    cache_write_tokens = models.IntegerField(null=True, blank=True)
    reasoning_tokens = models.IntegerField(null=True, blank=True)
    input_audio_tokens = models.IntegerField(null=True, blank=True)
    output_audio_tokens = models.IntegerField(null=True, blank=True)
    tokens_estimated = models.BooleanField(null=True, blank=True)
    cost = money()
    input_cost = money()
    output_cost = money()
    currency = optional()
    cost_source = optional()
    latency = models.FloatField(null=True, blank=True, help_text="Seconds.")
    time_to_first_token = models.FloatField(null=True, blank=True, help_text="Seconds.")
    tokens_per_second = models.FloatField(null=True, blank=True)
    environment = optional()
    release = optional()
    user_id = optional()
    session_id = optional()
    request_id = optional()
    function_id = optional()
    workflow_id = optional()
    agent_id = optional()
    thread_id = optional()
    step_id = optional()
    trace_id = optional()
    span_id = optional()
    response_id = optional()
    prompt_name = optional()
    prompt_version = models.IntegerField(null=True, blank=True)
    prompt_version_id = optional()
    selected_choice = models.IntegerField(null=True, blank=True)
    tags = ArrayField(models.TextField(), default=list, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    parameters = models.JSONField(default=dict, blank=True)
    request_attributes = document()
    response_attributes = document()
    input_preview = models.TextField(null=True, blank=True)
    output_preview = models.TextField(null=True, blank=True)
    start_assumed = models.BooleanField(default=False, help_text="No start was given yet: a record that brings it may.")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "generation"
        indexes = [
            models.Index(fields=["project", "-started_at", "-uid"], name="generation_list"),
            models.Index(
                fields=["project", "user_id", "-started_at"], name="generation_user", condition=Q(user_id__isnull=False)
            ),
            models.Index(
                fields=["project", "thread_id", "started_at"],
                name="generation_thread",
                condition=Q(thread_id__isnull=False),
            ),
            models.Index(
                fields=["project", "step_id", "started_at"], name="generation_step", condition=Q(step_id__isnull=False)
            ),
            models.Index(
                fields=["project", "trace_id", "started_at"],
                name="generation_trace",
                condition=Q(trace_id__isnull=False),
            ),
            models.Index(fields=["project", "span_id"], name="generation_span", condition=Q(span_id__isnull=False)),
            models.Index(
                fields=["project", "response_id"], name="generation_response", condition=Q(response_id__isnull=False)
            ),
            models.Index(
                fields=["project", "-started_at", "-uid"], name="generation_failed", condition=Q(error__isnull=False)
            ),
            models.Index(fields=["project", "model_id", "-started_at", "-uid"], name="generation_model"),
            models.Index(
                fields=["project", "prompt_name", "prompt_version", "-started_at"],
                name="generation_prompt",
                condition=Q(prompt_name__isnull=False),
            ),
            GinIndex(fields=["tags"], name="generation_tags"),
            GinIndex(fields=["metadata"], name="generation_metadata", opclasses=["jsonb_path_ops"]),
            changed("generation_changed"),
        ]

    def __str__(self) -> str:
        return str(self.public_id)


class GenerationPayload(Event):
    """What was sent to the model and what came back, in full."""

    objects: ClassVar[Any] = TextManager()

    started_at = models.DateTimeField()
    input = document()
    output = document()
    messages = document()
    message_completion = document()
    prompt = models.TextField(null=True, blank=True)
    completion = models.TextField(null=True, blank=True)
    variables = document()
    tools = document()
    logprobs = document()
    attributes = document()
    error_detail = models.TextField(null=True, blank=True)
    cost_arithmetic = document()

    class Meta:
        db_table = "generation_payload"

    def __str__(self) -> str:
        return str(self.uid)


class Alternative(Event):
    """Another answer to the same call. `uid` is computed from the generation's id and `index`."""

    objects: ClassVar[Any] = TextManager()

    started_at = models.DateTimeField()
    generation_uid = models.UUIDField()
    index = models.IntegerField()
    kind = identifier(default="choice")
    content = document()
    tokens = models.IntegerField(null=True, blank=True)
    score = models.FloatField(null=True, blank=True)
    finish_reason = optional()
    logprobs = document()

    class Meta:
        db_table = "alternative"
        indexes = [models.Index(fields=["project", "generation_uid", "index"], name="alternative_order")]

    def __str__(self) -> str:
        return f"{self.kind} {self.index}"


class Score(Event):
    """One judgement: human, AI or code, on a generation, a step, a thread or an experiment item."""

    public_id = identifier()
    name = identifier()
    type = identifier(default="HUMAN")
    value = models.FloatField(null=True, blank=True)
    label = optional()
    comment = models.TextField(null=True, blank=True)
    author = optional()
    generation_id = optional()
    step_id = optional()
    thread_id = optional()
    experiment_item_id = optional()
    tags = ArrayField(models.TextField(), default=list, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "score"
        indexes = [
            models.Index(fields=["project", "-created_at", "-uid"], name="score_list"),
            models.Index(
                fields=["project", "generation_id", "name"],
                name="score_generation",
                condition=Q(generation_id__isnull=False),
            ),
            models.Index(fields=["project", "step_id"], name="score_step", condition=Q(step_id__isnull=False)),
            models.Index(fields=["project", "thread_id"], name="score_thread", condition=Q(thread_id__isnull=False)),
            models.Index(
                fields=["project", "experiment_item_id"],
                name="score_item",
                condition=Q(experiment_item_id__isnull=False),
            ),
            models.Index(fields=["project", "name", "value"], name="score_name"),
            changed("score_changed"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.label or self.value}"


class Feedback(Event):
    """What a user of the application said of an answer. History is kept; `is_latest` marks what is shown."""

    public_id = identifier()
    generation_id = optional()
    step_id = optional()
    rating = models.FloatField(null=True, blank=True)
    thumbs = optional()
    comment = models.TextField(null=True, blank=True)
    categories = ArrayField(models.TextField(), default=list, blank=True)
    user_id = optional()
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField(default=timezone.now)
    is_latest = models.BooleanField(default=True)

    class Meta:
        db_table = "feedback"
        verbose_name_plural = "feedback"
        indexes = [
            models.Index(fields=["project", "generation_id", "-created_at"], name="feedback_generation"),
            models.Index(
                fields=["project", "rating"], name="feedback_rating", condition=Q(is_latest=True, rating__isnull=False)
            ),
            models.Index(
                fields=["project", "thumbs"], name="feedback_thumbs", condition=Q(is_latest=True, thumbs__isnull=False)
            ),
            models.Index(fields=["project", "-created_at", "-uid"], name="feedback_list"),
            changed("feedback_changed"),
        ]

    def __str__(self) -> str:
        return f"{self.thumbs or ''} {self.rating or ''}".strip() or "feedback"


class Attachment(Event):
    """A file beside a step, a generation or a thread. Its bytes are in the storage."""

    public_id = identifier()
    name = optional()
    mime = optional()
    size = models.BigIntegerField(null=True, blank=True)
    sha256 = optional()
    storage_key = optional()
    url = models.TextField(null=True, blank=True)
    step_id = optional()
    generation_id = optional()
    thread_id = optional()
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "attachment"
        indexes = [
            models.Index(fields=["project", "step_id"], name="attachment_step", condition=Q(step_id__isnull=False)),
            models.Index(
                fields=["project", "generation_id"],
                name="attachment_generation",
                condition=Q(generation_id__isnull=False),
            ),
            models.Index(
                fields=["project", "thread_id"], name="attachment_thread", condition=Q(thread_id__isnull=False)
            ),
            models.Index(fields=["project", "-created_at", "-uid"], name="attachment_list"),
            # Whoever deletes a file looks for what else refers to it. Keys may be longer than other indexes take.
            HashIndex(fields=["storage_key"], name="attachment_file", condition=Q(storage_key__isnull=False)),
            changed("attachment_changed"),
        ]

    def __str__(self) -> str:
        return str(self.name or self.public_id)
