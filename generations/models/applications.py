"""Applications as the Gantry client knows them, and the files that its datasets are versions of."""

from __future__ import annotations

from django.db import models

from generations.models.accounts import Project, new_uuid
from generations.models.collections import Dataset


class Application(models.Model):
    """What logs under one name. Its versions are those of the prompt of the same name."""

    class Type(models.TextChoices):
        CUSTOM = "Custom"
        CHAT = "Chat"
        COMPLETION = "Completion"

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="applications")
    name = models.CharField(max_length=200)
    type = models.CharField(max_length=20, choices=Type.choices, default=Type.CUSTOM)
    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "application"
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="application_name")]

    def __str__(self) -> str:
        return self.name


class DatasetFile(models.Model):
    """One version of one file of a dataset; the bytes are in the storage under `storage_key`."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="files")
    path = models.CharField(max_length=1_000)
    storage_key = models.CharField(max_length=400)
    size = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "dataset_file"
        indexes = [models.Index(fields=["dataset", "path", "-created_at"], name="dataset_file_path")]

    def __str__(self) -> str:
        return self.path


class DatasetCommit(models.Model):
    """A state of a dataset's files: the version of the list of them, and what was said of the change."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="commits")
    number = models.PositiveIntegerField()
    message = models.TextField(blank=True, default="")
    manifest = models.ForeignKey(DatasetFile, models.PROTECT, related_name="+")
    created_by = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "dataset_commit"
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["dataset", "number"], name="dataset_commit_number")]

    def __str__(self) -> str:
        return f"{self.dataset_id} {self.number}"
