"""Tags, score schemas, datasets and prompts, in the admin."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from generations import datasets
from generations.admin.acting import Audited, ReadOnly, grant_of
from generations.admin.showing import block
from generations.models import Dataset, Prompt, PromptVersion, ScoreSchema, Tag

_MOST_VERSIONS: Final = 50


@admin.register(Tag)
class TagAdmin(Audited):
    """How tags look and what they mean. Rows carry a tag's name: to delete it here leaves it on them."""

    noun = "tag"
    list_display = ("name", "project", "colour", "description", "created_at")
    list_select_related = ("project",)
    list_filter = ("project",)
    search_fields = ("name",)
    autocomplete_fields = ("project",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The name and the project, once there is one: rows know it by them."""
        return ("project", "name") if obj else ()


@admin.register(ScoreSchema)
class ScoreSchemaAdmin(Audited):
    """How scores of a name are to be given."""

    noun = "score schema"
    list_display = ("name", "project", "minimum", "maximum", "created_at")
    list_select_related = ("project",)
    list_filter = ("project",)
    search_fields = ("name",)
    autocomplete_fields = ("project",)


@admin.register(Dataset)
class DatasetAdmin(ReadOnly):
    """Datasets. Their items are edited on their own pages, where every change makes a version."""

    list_display = ("name", "project", "type", "version", "created_by", "created_at")
    list_select_related = ("project", "created_by")
    list_filter = ("project",)
    search_fields = ("name",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who holds Django's permission."""
        return request.user.has_perm("generations.delete_dataset")

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """The datasets; their items, which may be very many, are not listed."""
        named = [f"Dataset: {found}, with all versions of its items" for found in objs]
        return named, {"datasets": len(named)}, set(), []

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """As at every other door."""
        datasets.delete(grant_of(request, obj.project), str(obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Dataset]) -> None:
        """One by one."""
        for dataset in queryset.select_related("project"):
            self.delete_model(request, dataset)


@admin.register(Prompt)
class PromptAdmin(ReadOnly):
    """Prompts and their latest versions. Versions are immutable, and made at the doors."""

    list_display = ("name", "project", "type", "created_at", "deleted_at")
    list_select_related = ("project",)
    list_filter = ("project",)
    search_fields = ("name",)
    fields = ("project", "name", "description", "type", "rollout", "created_at", "deleted_at", "versions")
    readonly_fields = ("versions",)

    @admin.display(description="latest versions")
    def versions(self, row: Prompt) -> str | SafeString:
        """Number, model, labels and day of the latest of them."""
        found = PromptVersion.objects.in_project(row.project_id).filter(prompt_uid=row.pk).order_by("-version")
        lines = (
            f"{one.version}  {one.created_at:%Y-%m-%d}  {one.model_id or '-'}  {', '.join(one.labels)}".rstrip()
            for one in found[:_MOST_VERSIONS]
        )
        return block("\n".join(lines))
