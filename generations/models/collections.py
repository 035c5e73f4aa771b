"""What people build from what was recorded: tags, datasets, experiments, prompts, and how they score."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from generations.models.accounts import Project, User, new_uuid
from generations.querysets import EventManager


class Tag(models.Model):
    """A label. Rows carry its name; this row gives it a colour and a description."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="tags")
    name = models.TextField(db_collation="C")
    colour = models.CharField(max_length=20, blank=True, default="")
    description = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "tag"
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="tag_name")]

    def __str__(self) -> str:
        return self.name


class ScoreSchema(models.Model):
    """How scores of one name are to be given: a range of numbers, or categories with a number each."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="score_schemas")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="")
    minimum = models.FloatField(null=True, blank=True)
    maximum = models.FloatField(null=True, blank=True)
    categories = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "score_schema"
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="score_schema_name")]

    def __str__(self) -> str:
        return self.name


class Dataset(models.Model):
    """A list of inputs and expected outputs. `version` counts every change of its items."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="datasets")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="")
    type = models.CharField(max_length=20, default="key_value")
    metadata = models.JSONField(default=dict, blank=True)
    version = models.PositiveIntegerField(default=1)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "dataset"
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="dataset_name")]
        indexes = [models.Index(fields=["project", "-created_at", "-id"], name="dataset_list")]

    def __str__(self) -> str:
        return self.name


class DatasetVersion(models.Model):
    """How one version of a dataset came to be. The items themselves know which versions they are part of."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    action = models.CharField(max_length=20)
    count = models.PositiveIntegerField(default=0, help_text="Items that were added, replaced or removed.")
    actor = models.CharField(max_length=250, default="", help_text="As it was called then.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "dataset_version"
        constraints = [models.UniqueConstraint(fields=["dataset", "number"], name="dataset_version_number")]

    def __str__(self) -> str:
        return f"version {self.number}"


class DatasetItem(models.Model):
    """An item as it was from version `added_in` until version `removed_in`. `key` stays the same over edits."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="items")
    key = models.UUIDField(default=new_uuid, editable=False)
    input = models.JSONField(default=dict)
    expected_output = models.JSONField(null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    intermediary_steps = models.JSONField(null=True, blank=True)
    generation_id = models.TextField(null=True, blank=True, db_collation="C")
    step_id = models.TextField(null=True, blank=True, db_collation="C")
    split = models.CharField(max_length=100, blank=True, default="", help_text="Train, test or another part.")
    added_in = models.PositiveIntegerField(default=1)
    removed_in = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "dataset_item"
        indexes = [
            models.Index(fields=["dataset", "-created_at", "-id"], name="dataset_item_list"),
            models.Index(
                fields=["generation_id"], name="dataset_item_generation", condition=Q(generation_id__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Experiment(models.Model):
    """One run of an application, or of an evaluation, over a dataset."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="experiments")
    dataset = models.ForeignKey(Dataset, models.SET_NULL, null=True, blank=True, related_name="experiments")
    name = models.CharField(max_length=200)
    prompt_version_id = models.TextField(null=True, blank=True, db_collation="C")
    params = models.JSONField(null=True, blank=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "experiment"
        indexes = [models.Index(fields=["project", "-created_at", "-id"], name="experiment_list")]

    def __str__(self) -> str:
        return self.name


class ExperimentItem(models.Model):
    """What one item of the dataset led to in an experiment. Its scores name it in `experiment_item_id`."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    experiment = models.ForeignKey(Experiment, models.CASCADE, related_name="items")
    dataset_item = models.ForeignKey(DatasetItem, models.SET_NULL, null=True, blank=True, related_name="results")
    run_id = models.TextField(null=True, blank=True, db_collation="C", help_text="The step that ran it.")
    generation_id = models.TextField(null=True, blank=True, db_collation="C")
    input = models.JSONField(null=True, blank=True)
    output = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "experiment_item"
        indexes = [
            models.Index(fields=["experiment", "-created_at", "-id"], name="experiment_item_list"),
            models.Index(
                fields=["generation_id"], name="experiment_item_generation", condition=Q(generation_id__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Prompt(models.Model):
    """A named line of prompt versions. `rollout` weighs versions for A/B tests."""

    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="prompts")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="")
    type = models.CharField(max_length=20, default="chat")
    rollout = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "prompt"
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="prompt_name")]

    def __str__(self) -> str:
        return self.name


class PromptVersion(models.Model):
    """An immutable state of a prompt: template, inputs, model, settings and tools. Labels move between versions."""

    project = models.ForeignKey(Project, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    uid = models.UUIDField(primary_key=True, editable=False)
    public_id = models.TextField(db_collation="C")
    prompt_uid = models.UUIDField()
    version = models.IntegerField()
    content_hash = models.BinaryField(max_length=16)
    template_messages = models.JSONField(null=True, blank=True)
    template = models.TextField(null=True, blank=True)
    inputs = models.JSONField(default=list, blank=True)
    input_defaults = models.JSONField(default=dict, blank=True)
    model_id = models.TextField(null=True, blank=True, db_collation="C")
    provider = models.TextField(null=True, blank=True, db_collation="C")
    settings = models.JSONField(default=dict, blank=True)
    tools = models.JSONField(null=True, blank=True)
    description = models.TextField(blank=True, default="")
    labels = ArrayField(models.TextField(), default=list, blank=True)
    tags = ArrayField(models.TextField(), default=list, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField()

    objects: ClassVar[Any] = EventManager()

    class Meta:
        db_table = "prompt_version"
        constraints = [
            models.UniqueConstraint(fields=["project", "prompt_uid", "version"], name="prompt_version_number")
        ]
        indexes = [models.Index(fields=["project", "prompt_uid", "content_hash"], name="prompt_version_content")]

    def __str__(self) -> str:
        return f"version {self.version}"
