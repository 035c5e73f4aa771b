"""The filters beside the lists of what was recorded: typed or chosen, compiled by the one catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from generations import filters
from generations.models import Project

PROJECT = "project"


def chosen(request: HttpRequest) -> Project | None:
    """The project that the URL names, looked up once a request; None when it names none that there is."""
    known: dict[str, Project | None] = request.__dict__.setdefault("_projects_by_key", {})
    key = request.GET.get(PROJECT, "")
    if key not in known:
        is_key = key.isascii() and key.isdigit() and len(key) <= 18
        known[key] = Project.objects.filter(pk=key).first() if is_key else None
    return known[key]


class _Always(admin.SimpleListFilter):
    """A filter that is shown whatever there is to choose from."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """None: there is nothing to look up."""
        return []

    def has_output(self) -> bool:
        """Always."""
        return True


class ByProject(_Always):
    """The chosen project, and the way to another. The rows are narrowed to it before any filter sees them."""

    title = "project"
    parameter_name = PROJECT

    def choices(self, changelist: Any) -> Iterator[Any]:
        """The project that was chosen, and the way back to the choice."""
        yield {"selected": True, "query_string": f"?{PROJECT}={self.value()}", "display": self.name}
        yield {"selected": False, "query_string": "?", "display": "Another project"}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows as they are."""
        project = chosen(request)
        self.name = project.name if project else ""
        return queryset


class Typed(_Always):
    """A field of the catalogue compared with what is typed in."""

    template = "admin/generations/typed_filter.html"
    path: ClassVar[str] = ""
    op: ClassVar[str] = "eq"
    hint: ClassVar[str] = ""

    def choices(self, changelist: Any) -> Iterator[Any]:
        """What the template needs: the value, and the other parameters to keep."""
        others = [(k, v) for k, values in changelist.filter_params.items() for v in values if k != self.parameter_name]
        clear = changelist.get_query_string({self.parameter_name: None}) if self.value() else ""
        yield {
            "name": self.parameter_name,
            "value": self.value() or "",
            "hint": self.hint,
            "others": others,
            "clear": clear,
        }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows that compare; none when the comparison cannot be made, and a message that says why."""
        value = (self.value() or "").strip()
        return narrowed(request, queryset, {self.path: {f"${self.op}": value}}) if value else queryset


class Failed(admin.SimpleListFilter):
    """Whether it ended in an error."""

    title = "error"
    parameter_name = "error"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """With and without."""
        return [("yes", "With an error"), ("no", "Without")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows that did, or did not."""
        value = self.value()
        return narrowed(request, queryset, {"hasError": value == "yes"}) if value else queryset


def narrowed(request: HttpRequest, rows: QuerySet[Any], document: dict[str, Any]) -> QuerySet[Any]:
    """The rows of the chosen project that satisfy a filter document; none, and a message, when it says nothing."""
    project = chosen(request)
    if project is None:
        return rows.none()
    kind = KINDS[rows.model.__name__]
    try:
        return rows.filter(filters.q(kind, filters.from_document(kind, document), project.pk))
    except filters.BadFilter as error:
        messages.error(request, str(error))
        return rows.none()


KINDS = {
    "Generation": "generations",
    "Step": "steps",
    "Thread": "threads",
    "Participant": "participants",
    "Score": "scores",
}
"""The lists of the catalogue, by the models they are of."""


def typed(label: str, path: str, op: str = "eq", *, name: str | None = None, hint: str = "") -> type[Typed]:
    """A filter by one typed value, such as `typed("model", "model.id")`."""
    attributes = {"title": label, "parameter_name": name or label, "path": path, "op": op, "hint": hint}
    return type(f"By{label.title()}", (Typed,), {"__doc__": f"By {label}.", "__module__": __name__, **attributes})


SINCE = typed("from", "timestamp", "gte", hint="2026-01-31 or now-24h")
UNTIL = typed("to", "timestamp", "lte", hint="2026-01-31 or now-1h")
