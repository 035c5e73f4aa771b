"""What people are asked to judge: queues, what is in them, and who has judged it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from generations.models.accounts import Project, User, new_uuid


class ReviewQueue(models.Model):
    """Generations and steps to be judged by people, each by `reviewers` of them, on the same criteria."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="queues")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="")
    criteria = models.JSONField(default=list, help_text="Each with a name, a kind, and what its kind needs.")
    reviewers = models.PositiveSmallIntegerField(default=1, help_text="How many people judge each item.")
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "review_queue"
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="review_queue_name")]

    def __str__(self) -> str:
        return self.name


class ReviewItem(models.Model):
    """A generation or step in a queue. It is open until as many people as the queue asks for have judged it."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    queue = models.ForeignKey(ReviewQueue, models.CASCADE, related_name="items")
    kind = models.CharField(max_length=20)
    subject_id = models.TextField(db_collation="C")
    done = models.PositiveSmallIntegerField(default=0, help_text="How many people have judged it.")
    is_open = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "review_item"
        constraints = [models.UniqueConstraint(fields=["queue", "kind", "subject_id"], name="review_item_once")]
        indexes = [models.Index(fields=["queue", "id"], name="review_item_open", condition=Q(is_open=True))]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject_id}"


class Review(models.Model):
    """One person's turn at an item: held for a while, then judged or passed over."""

    class State(models.TextChoices):
        HELD = "held"
        DONE = "done"
        SKIPPED = "skipped"

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    item = models.ForeignKey(ReviewItem, models.CASCADE, related_name="reviews")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices, default=State.HELD)
    answers = models.JSONField(default=dict, blank=True)
    held_until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "review"
        constraints = [models.UniqueConstraint(fields=["item", "user"], name="review_once")]
        indexes = [models.Index(fields=["user", "-ended_at"], name="review_of_person")]

    def __str__(self) -> str:
        return f"{self.user} on {self.item}"
