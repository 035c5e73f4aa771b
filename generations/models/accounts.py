"""Who may do what: people, projects, memberships, keys, and what was done."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any, Self

import uuid6
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models

from generations import horizons


def new_uuid() -> uuid.UUID:
    """A time-ordered UUIDv7."""
    return uuid.UUID(int=uuid6.uuid7().int)


class User(AbstractUser):
    """A person who signs in."""

    class Meta:
        db_table = "account"


class Project(models.Model):
    """A room of its own: everything that is recorded belongs to exactly one."""

    id = models.BigAutoField(primary_key=True)
    slug = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=200)
    time_zone = models.CharField(max_length=64, default="UTC")
    currency = models.CharField(max_length=3, default="USD")
    keep_generic_spans = models.BooleanField(
        default=True, help_text="Keep OpenTelemetry spans that are not model calls, as steps."
    )
    settings = models.JSONField(default=dict, blank=True)
    versions_made = models.PositiveIntegerField(default=0, editable=False)
    """How many prompt versions were ever made: whoever remembers versions looks again when it changes."""
    generation_text_from = models.DateTimeField(null=True, editable=False)
    """While expired text is being removed: the moment from which on text of generations is shown (see `horizons`)."""
    step_text_from = models.DateTimeField(null=True, editable=False)
    """The same of steps."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "project"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any]) -> Self:
        """The row as it was read, from which the process knows what of the project's text has expired."""
        row = super().from_db(db, field_names, values)
        row.note_horizons()
        return row

    def note_horizons(self) -> None:
        """Let the process know what of the project's text has expired, as this row has it."""
        for kind in ("generation", "step"):
            if (name := f"{kind}_text_from") in self.__dict__:
                horizons.note(self.pk, kind, self.__dict__[name])

    @property
    def logs_url(self) -> str:
        """Where the application's own logs are, with places for what a trace is found by; empty when nobody said."""
        return str(self.settings.get("logs_url") or "")


class Role(models.TextChoices):
    """What a member may do: each role may do all that the ones before it may."""

    VIEWER = "viewer", "Viewer: read"
    MEMBER = "member", "Member: read, score, tag, build datasets"
    ADMIN = "admin", "Admin: also keys, members, prices, retention"
    OWNER = "owner", "Owner: also delete the project"


class Membership(models.Model):
    """A person's place in a project."""

    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    project = models.ForeignKey(Project, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "membership"
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.user} in {self.project} as {self.role}"


class Invitation(models.Model):
    """A link by which one person becomes a member. Only a hash of it is kept."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    note = models.CharField(max_length=200, blank=True, default="", help_text="Who it is for.")
    hash = models.BinaryField(max_length=32, unique=True, editable=False)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    accepted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "invitation"
        indexes = [models.Index(fields=["project", "-created_at"], name="invitation_by_project")]

    def __str__(self) -> str:
        return f"to {self.project} as {self.role}"


class ApiKey(models.Model):
    """A program's way in. Only a hash is kept; the prefix is shown so that a person knows which one it is."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="keys")
    name = models.CharField(max_length=200)
    prefix = models.CharField(max_length=16, editable=False)
    hash = models.BinaryField(max_length=32, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=10), default=list)
    environment = models.CharField(max_length=40, blank=True, default="")
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "api_key"
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["project", "-created_at"], name="api_key_by_project")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class AuditEntry(models.Model):
    """Who did what to what, when. Written with the change, in its transaction."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, null=True, related_name="audit")
    user = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, blank=True, related_name="+")
    actor = models.CharField(max_length=250, default="", help_text="As it was called then.")
    action = models.CharField(max_length=60)
    subject_kind = models.CharField(max_length=40, default="", blank=True)
    subject_id = models.CharField(max_length=512, default="", blank=True)
    detail = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "audit_entry"
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["project", "-created_at", "-id"], name="audit_by_time")]

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {self.subject_kind} {self.subject_id}"


class SavedView(models.Model):
    """A named filter of a list, with its order and columns."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="views")
    kind = models.CharField(max_length=20, default="generations", help_text="The list that it is a view of.")
    name = models.CharField(max_length=120)
    filter = models.JSONField(default=dict, blank=True)
    order = models.CharField(max_length=80, blank=True, default="")
    columns = models.JSONField(default=list, blank=True)
    is_shared = models.BooleanField(default=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "saved_view"
        constraints = [
            models.UniqueConstraint(
                fields=["project", "kind", "name"], condition=models.Q(is_shared=True), name="saved_view_name"
            ),
            models.UniqueConstraint(
                fields=["project", "kind", "created_by", "name"],
                condition=models.Q(is_shared=False),
                name="saved_view_own_name",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class FailedSignIn(models.Model):
    """A wrong password: of which name, and from where. Kept for as long as it counts."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    name = models.TextField()
    address = models.TextField()
    failed_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "failed_sign_in"
        indexes = [models.Index(fields=["name", "address", "failed_at"], name="failed_sign_in_of")]

    def __str__(self) -> str:
        return f"{self.name} from {self.address}"


class ListColumns(models.Model):
    """The columns that a person chose for a list, or for one of its saved views."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20)
    view = models.ForeignKey(SavedView, models.CASCADE, null=True, related_name="+")
    columns = models.JSONField(default=list)

    class Meta:
        db_table = "list_columns"
        constraints = [
            models.UniqueConstraint(
                fields=["project", "user", "kind", "view"], nulls_distinct=False, name="list_columns_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {', '.join(map(str, self.columns))}"
