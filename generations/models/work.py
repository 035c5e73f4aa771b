"""What is done later, what was refused, and what calls cost and need."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from generations.models.accounts import ApiKey, Project, User, new_uuid


class ExportSchedule(models.Model):
    """An export that is made again and again, into a folder or a bucket."""

    class Every(models.TextChoices):
        HOUR = "hour", "every hour"
        DAY = "day", "every day"
        WEEK = "week", "every week"

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="export_schedules")
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=20, default="generations")
    format = models.CharField(max_length=10, default="jsonl")
    compression = models.CharField(max_length=10, default="none")
    filter = models.JSONField(default=dict, blank=True)
    fields = models.JSONField(null=True, blank=True)
    every = models.CharField(max_length=10, choices=Every.choices, default=Every.DAY)
    minute = models.PositiveSmallIntegerField(default=0)
    hour = models.PositiveSmallIntegerField(default=0)
    weekday = models.PositiveSmallIntegerField(default=0, help_text="0 is Monday.")
    zone = models.CharField(max_length=60, default="UTC")
    destination = models.CharField(max_length=500)
    incremental = models.BooleanField(default=False)
    is_paused = models.BooleanField(default=False)
    next_at = models.DateTimeField()
    revision = models.PositiveIntegerField(default=1, help_text="How often what is exported has been changed.")
    complete_until = models.DateTimeField(null=True, blank=True, help_text="What changed before has been delivered.")
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_by_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "export_schedule"
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="export_schedule_name")]
        indexes = [
            models.Index(fields=["next_at"], name="export_schedule_due", condition=Q(is_paused=False)),
        ]

    def __str__(self) -> str:
        return str(self.name)


class Departure(models.Model):
    """A row that was deleted, or hung on another one than now: kept where incremental exports tell of it, until all of
    them have."""

    id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=20)
    uid = models.UUIDField()
    public_id = models.TextField(db_collation="C")
    generation_id = models.TextField(db_collation="C", null=True, blank=True)
    step_id = models.TextField(db_collation="C", null=True, blank=True)
    at = models.DateTimeField()

    class Meta:
        db_table = "departure"
        indexes = [models.Index(fields=["project", "at"], name="departure_since")]

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id[:80]}"


class Job(models.Model):
    """Long work: exports, imports, bulk actions, evaluations, erasures. Held by a lease, so that a killed worker's
    job is taken up again by another."""

    class Kind(models.TextChoices):
        EXPORT = "export"
        IMPORT = "import"
        BULK = "bulk"
        REPRICE = "reprice"
        EVALUATION = "evaluation"
        RETENTION = "retention"
        ERASURE = "erasure"

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"
        EXPIRED = "expired"

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="jobs")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    parameters = models.JSONField(default=dict, blank=True)
    result = models.JSONField(default=dict, blank=True)
    error = models.TextField(blank=True, default="")
    progress_done = models.BigIntegerField(default=0)
    progress_total = models.BigIntegerField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    max_attempts = models.PositiveIntegerField(default=3)
    leased_until = models.DateTimeField(null=True, blank=True)
    leased_by = models.CharField(max_length=100, blank=True, default="")
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    schedule = models.ForeignKey(
        ExportSchedule, models.SET_NULL, null=True, blank=True, related_name="jobs", db_index=False
    )
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_by_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "job"
        indexes = [
            models.Index(fields=["project", "kind", "-created_at", "-id"], name="job_list"),
            models.Index(fields=["leased_until"], name="job_open", condition=Q(state__in=["queued", "running"])),
            models.Index(fields=["expires_at"], name="job_expiry", condition=Q(state="done")),
            models.Index(fields=["schedule", "-created_at"], name="job_schedule", condition=Q(schedule__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


def price() -> Any:
    """A price for one million tokens."""
    return models.DecimalField(max_digits=18, decimal_places=8, null=True, blank=True)


class PriceOverride(models.Model):
    """What a project pays for a model in a period, per million tokens, instead of the public price."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="prices")
    match = models.CharField(max_length=200, help_text="Model id; `*` stands for any characters.")
    provider = models.CharField(max_length=100, blank=True, default="", help_text="Empty: any provider.")
    currency = models.CharField(max_length=3, default="USD")
    input_price = price()
    cached_input_price = price()
    cache_write_price = price()
    output_price = price()
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_to = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "price_override"
        ordering = ["match", "-valid_from"]
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True)
                | Q(valid_from__isnull=True)
                | Q(valid_to__gt=models.F("valid_from")),
                name="price_override_period",
            )
        ]

    def __str__(self) -> str:
        return self.match


class ProviderCredential(models.Model):
    """A project's own key for a model provider, encrypted."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="credentials")
    provider = models.CharField(max_length=60)
    name = models.CharField(max_length=120)
    endpoint = models.URLField(blank=True, default="")
    secret = models.BinaryField(editable=False)
    options = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "provider_credential"
        constraints = [models.UniqueConstraint(fields=["project", "provider", "name"], name="credential_name")]

    def __str__(self) -> str:
        return f"{self.provider}: {self.name}"


class IngestReject(models.Model):
    """A kind of thing that came in and could not be stored on one day: why, how often, and the raw body of the first,
    kept for a day."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="rejects")
    door = models.CharField(max_length=40)
    reason = models.TextField()
    field = models.TextField(blank=True, default="")
    index = models.IntegerField(null=True, blank=True)
    record_id = models.TextField(null=True, blank=True)
    count = models.BigIntegerField(default=1)
    body = models.BinaryField(null=True, blank=True)
    body_size = models.BigIntegerField(null=True, blank=True)
    body_type = models.CharField(max_length=100, blank=True, default="")
    agent = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    last_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "ingest_reject"
        indexes = [models.Index(fields=["project", "-created_at", "-id"], name="ingest_reject_list")]

    def __str__(self) -> str:
        return f"{self.door}: {self.reason[:80]}"


class Intake(models.Model):
    """How much one program sent by one door in one minute. Minutes are kept for a day, the last of each for a month."""

    id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    door = models.CharField(max_length=40)
    agent = models.CharField(max_length=200, blank=True, default="")
    minute = models.DateTimeField()
    requests = models.BigIntegerField(default=0)
    items = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        db_table = "intake"
        constraints = [models.UniqueConstraint(fields=["project", "door", "agent", "minute"], name="intake_minute")]

    def __str__(self) -> str:
        return f"{self.door} {self.agent} {self.minute:%Y-%m-%d %H:%M}"
