"""How answers are scored by the product itself, when it is asked to and, where a project says so, as they come in."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from generations.models.accounts import ApiKey, Project, User, new_uuid


class Evaluator(models.Model):
    """A way to score an answer. With a `share` above 0 it also scores that part of what newly comes in."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="evaluators")
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=20)
    options = models.JSONField(default=dict, blank=True)
    score_name = models.CharField(max_length=200)
    filter = models.JSONField(default=dict, blank=True, help_text="Which new generations are scored.")
    share = models.FloatField(default=0, help_text="Percent of them; 0 scores none.")
    scored_until = models.DateTimeField(null=True, blank=True, help_text="What was written before has been looked at.")
    held_until = models.DateTimeField(null=True, blank=True, help_text="A worker is at new generations until then.")
    problem = models.TextField(blank=True, default="", help_text="Why new generations are not scored any more.")
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_by_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "evaluator"
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="evaluator_name")]
        indexes = [
            models.Index(
                fields=["project"], name="evaluator_online", condition=Q(share__gt=0) & Q(archived_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return self.name
