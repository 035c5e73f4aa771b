"""What was recorded, in the admin: read-only, one project at a time, each row found by its whole key."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString

from generations import bundles, identities
from generations.admin.acting import ReadOnly
from generations.admin.lists import KeysetAdmin, KeysetList
from generations.admin.narrowing import PROJECT, SINCE, UNTIL, ByProject, Failed, Typed, chosen, typed
from generations.admin.showing import UNKNOWN, block, line
from generations.models import Feedback, Participant, Project, Score, Step, StepPayload, Thread

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_MOST_PROJECTS: Final = 500


class EventList(KeysetList):
    """A page of one project's rows. Links to a row carry all of its key."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """The rows that the filters leave; clearing all filters keeps the project."""
        rows = super().get_queryset(request, exclude_parameters)
        self.clear_all_filters_qs = f"?{PROJECT}={request.GET.get(PROJECT, '')}"
        self.has_active_filters = bool(self.filter_params.keys() - {PROJECT})
        return rows

    def url_for_result(self, result: Any) -> str:
        """The page of a row."""
        assert isinstance(self.model_admin, EventAdmin)
        name = f"{self.opts.app_label}_{self.opts.model_name}_change"
        return reverse(f"{self.model_admin.admin_site.name}:{name}", args=[quote(self.model_admin.key_of(result))])


class EventAdmin(ReadOnly, KeysetAdmin):
    """A table of what was recorded.

    Every query says the project by its number, so that a cluster can send it to one place: without a project in the
    URL there is a choice of projects and no rows. Rows of partitioned tables are found with their start.
    """

    keyset = ("started_at", "uid")
    narrowed_by: ClassVar[tuple[type[admin.ListFilter], ...]] = ()
    not_listed: ClassVar[tuple[str, ...]] = ()
    search_fields = ("public_id",)
    search_help_text = "The whole id, as the application gave it."
    change_form_template = "admin/generations/event.html"
    list_display_links = ("own_id",)

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """The project first."""
        return [ByProject, *self.narrowed_by]

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Only what the filters beside the list ask for: any other column might read the whole table."""
        names = {getattr(one, "parameter_name", None) for one in (ByProject, *self.narrowed_by)}
        return lookup in names

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list of one project."""
        return EventList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows of the chosen project, without what the list does not show; none when none is chosen."""
        project = chosen(request)
        if project is None:
            nothing: QuerySet[Any] = self.model._default_manager.none()
            return nothing
        rows: QuerySet[Any] = self.model._default_manager.filter(project_id=project.pk).defer(*self.not_listed)
        return rows

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[Any, bool]:
        """The row that has this id."""
        project, term = chosen(request), search_term.strip()
        if term and project is not None:
            kind = str(self.opts.model_name)
            queryset = queryset.filter(uid=identities.uid(project.pk, kind, term))
        return queryset, False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, or the choice of a project that comes before it."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        if chosen(request) is None:
            return self._choice(request)
        return super().changelist_view(request, extra_context)

    def _choice(self, request: HttpRequest) -> HttpResponse:
        projects = list(Project.objects.order_by("name")[: _MOST_PROJECTS + 1])
        context = {
            **self.admin_site.each_context(request),
            "title": f"Select a project to see its {self.opts.verbose_name_plural}",
            "opts": self.opts,
            "projects": projects[:_MOST_PROJECTS],
            "is_cut": len(projects) > _MOST_PROJECTS,
        }
        return TemplateResponse(request, "admin/generations/choose_project.html", context)

    # ------------------------------------------------------------------------------------------------------ one row
    def key_of(self, row: Any) -> str:
        """All of a row's key as one text: project, uid, and microseconds of what its list is ordered by."""
        moment: dt.datetime = getattr(row, self.keyset[0])
        return f"{row.project_id}-{row.pk.hex}-{(moment - _EPOCH) // _MICROSECOND}"

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The row of such a key, by one query that visits one partition; None when there is none."""
        try:
            project, uid, start = object_id.split("-")
            key, place = int(project), uuid.UUID(hex=uid)
            moment = _EPOCH + int(start) * _MICROSECOND
        except (ValueError, OverflowError):
            return None
        rows = self.model._default_manager.filter(project_id=key, uid=place, **{self.keyset[0]: moment})
        return rows.select_related("project").first() if 0 <= key < 2**63 else None

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """The row's page, with a link to the one that the project's members see."""
        if obj is not None:
            there = reverse(f"admin:generations_{self.opts.model_name}_changelist")
            context.update(elsewhere=self._elsewhere(obj), back=f"{there}?{PROJECT}={obj.project_id}")
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _elsewhere(self, row: Any) -> str:
        try:
            return reverse(f"web:{self.opts.model_name}", args=[row.project.slug, row.public_id])
        except NoReverseMatch:
            return ""

    @admin.display(description="id")
    def own_id(self, row: Any) -> str:
        """The id that the application gave it."""
        return line(row.public_id)

    @admin.display(description="metadata")
    def metadata_block(self, row: Any) -> str | SafeString:
        """What else the application said."""
        return block(row.metadata)

    @admin.display(description="tags")
    def tag_list(self, row: Any) -> str:
        """The row's tags by commas."""
        return ", ".join(row.tags) or UNKNOWN

    @admin.display(description="input")
    def input_line(self, row: Any) -> str:
        """The beginning of what was sent."""
        return line(row.input_preview)

    @admin.display(description="error")
    def error_line(self, row: Any) -> str:
        """The beginning of the error."""
        return line(row.error)

    @admin.display(description="comment")
    def comment_line(self, row: Any) -> str:
        """The beginning of the comment."""
        return line(row.comment)


def every_field(model: type[models.Model], *without: str) -> list[Any]:
    """All columns of a table as `columns` shows them, but for some."""
    hidden = {"uid", "metadata", "tags", "input_preview", "output_preview", *without}
    return columns(model, *(field.name for field in model._meta.concrete_fields if field.name not in hidden))


def columns(model: type[models.Model], *names: str) -> list[Any]:
    """Columns for a row's page: by name, moments to the microsecond and not as a person would say them."""
    are_moments = {name: isinstance(model._meta.get_field(name), models.DateTimeField) for name in names}
    return [_moment(name) if is_moment else name for name, is_moment in are_moments.items()]


def _moment(name: str) -> Callable[[Any], str]:
    @admin.display(description=name.replace("_", " "))
    def show(row: Any) -> str:
        moment: dt.datetime | None = getattr(row, name)
        return UNKNOWN if moment is None else f"{moment:%Y-%m-%d %H:%M:%S.%f} UTC"

    show.__name__ = f"{name}_exactly"
    return show


@admin.register(Step)
class StepAdmin(EventAdmin):
    """Units of work that are not calls to a model."""

    narrowed_by = (
        SINCE,
        UNTIL,
        typed("type", "type"),
        typed("user", "metadata.userId"),
        typed("tag", "tags", "contains"),
        Failed,
    )
    not_listed = ("metadata", "output_preview")
    list_display = (
        "own_id",
        "when",
        "type",
        "name",
        "user_id",
        "latency",
        "tag_list",
        "error_line",
        "input_line",
    )
    fields = readonly_fields = (*every_field(Step), "tag_list", "metadata_block", "input_block", "output_block")

    def _payload(self, row: Any) -> StepPayload | None:
        if not hasattr(row, "payload_of_page"):
            found = bundles.of_steps(row.project, [row], scores=False, attachments=False, generations=False)
            row.payload_of_page = found[0].payload
        payload: StepPayload | None = row.payload_of_page
        return payload

    @admin.display(description="input")
    def input_block(self, row: Any) -> str | SafeString:
        """What it was given."""
        payload = self._payload(row)
        return block(payload and payload.input)

    @admin.display(description="output")
    def output_block(self, row: Any) -> str | SafeString:
        """What it gave back."""
        payload = self._payload(row)
        return block(payload and payload.output)


@admin.register(Thread)
class ThreadAdmin(EventAdmin):
    """Conversations and sessions."""

    keyset = ("last_activity_at", "uid")
    narrowed_by = (typed("user", "metadata.userId"), typed("tag", "tags", "contains"))
    not_listed = ("metadata",)
    list_display = ("own_id", "name", "user_id", "environment", "tag_list", "when")
    fields = readonly_fields = (*every_field(Thread), "tag_list", "metadata_block")


@admin.register(Participant)
class ParticipantAdmin(EventAdmin):
    """The end users of the application."""

    keyset = ("last_seen_at", "uid")
    not_listed = ("metadata",)
    list_display = ("own_id", "identifier", "when")
    fields = readonly_fields = (*every_field(Participant), "metadata_block")

    def _elsewhere(self, row: Any) -> str:
        return ""


@admin.register(Score)
class ScoreAdmin(EventAdmin):
    """Judgements."""

    keyset = ("created_at", "uid")
    narrowed_by = (typed("name", "name"), typed("type", "type"), typed("generation", "generationId"))
    not_listed = ("metadata",)
    list_display = ("own_id", "when", "name", "type", "value", "label", "author", "generation_id", "step_id")
    fields = readonly_fields = (*every_field(Score), "tag_list", "metadata_block")

    def _elsewhere(self, row: Any) -> str:
        return ""


class _OnGeneration(Typed):
    """By the id of the generation, for feedback, which is no list of the catalogue."""

    title = parameter_name = "generation"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The feedback on this generation."""
        value = (self.value() or "").strip().replace("\0", "")
        return queryset.filter(generation_id=value) if value else queryset


@admin.register(Feedback)
class FeedbackAdmin(EventAdmin):
    """What users of the application said of its answers, all of it."""

    keyset = ("created_at", "uid")
    narrowed_by = (_OnGeneration,)
    not_listed = ("metadata",)
    list_display = (
        "own_id",
        "when",
        "generation_id",
        "rating",
        "thumbs",
        "comment_line",
        "user_id",
        "is_latest",
    )
    fields = readonly_fields = (*every_field(Feedback), "metadata_block")

    def _elsewhere(self, row: Any) -> str:
        return ""
