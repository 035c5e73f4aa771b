"""What is kept for how long, and what is not to be deleted whatever its age."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from generations.models.accounts import Project, User, new_uuid


class Kept(models.TextChoices):
    """The lists that rules and holds are about."""

    GENERATIONS = "generations", "generations"
    STEPS = "steps", "steps"


class RetentionRule(models.Model):
    """How long the text, or all, of what matches a filter is kept. For each row the first rule that matches it, in the
    order of `position`, decides; what no rule matches is kept for ever."""

    class What(models.TextChoices):
        TEXT = "text", "text"
        ALL = "all", "everything"

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="retention_rules")
    kind = models.CharField(max_length=20, choices=Kept.choices, default=Kept.GENERATIONS)
    what = models.CharField(max_length=10, choices=What.choices, default=What.TEXT)
    filter = models.JSONField(default=dict, blank=True)
    days = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: for ever.")
    position = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "retention_rule"
        ordering = ["kind", "what", "position", "id"]

    def __str__(self) -> str:
        return self.told(self.kind)

    def told(self, rows: str) -> str:
        """What it does, `rows` being what its filter lets through: `text of generations: 30 days`."""
        return f"{self.what} of {rows}: {'for ever' if self.days is None else f'{self.days} days'}"


class LegalHold(models.Model):
    """What matches is neither expired nor erased until the hold is released."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="holds")
    reason = models.CharField(max_length=500)
    kind = models.CharField(max_length=20, choices=Kept.choices, default=Kept.GENERATIONS)
    filter = models.JSONField(default=dict, blank=True, help_text="Empty: everything in the project.")
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "legal_hold"
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["project"], name="legal_hold_open", condition=Q(released_at__isnull=True))]

    def __str__(self) -> str:
        return self.reason
