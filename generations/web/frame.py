"""What surrounds every page of a project: its navigation, the projects to switch to, and what this person may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

from generations import access
from generations.access import Grant, Scope
from generations.web import refused
from generations.web.gate import is_part, zone_of


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation: `name` is that of its address, `icon` one of the sprite, `scope` what it takes."""

    name: str
    title: str
    icon: str
    scope: Scope = Scope.READ


PLACES: Final = (
    Place("dashboard", "Dashboard", "layout-dashboard"),
    Place("generations", "Generations", "sparkles"),
    Place("threads", "Threads", "messages-square"),
    Place("steps", "Steps", "list-tree"),
    Place("users", "Users", "users"),
    Place("datasets", "Datasets", "database"),
    Place("experiments", "Experiments", "flask"),
    Place("evaluators", "Evaluators", "gauge"),
    Place("prompts", "Prompts", "message-square"),
    Place("playground", "Playground", "play"),
    Place("review", "Review", "clipboard-check"),
    Place("import", "Import", "upload", Scope.WRITE),
    Place("exports", "Exports", "download"),
    Place("jobs", "Jobs", "loader-circle"),
    Place("settings", "Settings", "settings"),
)


SWITCHED: Final = 20
"""So many of a person's projects are on every page; all of them are on a page of their own."""


def show(
    request: HttpRequest,
    grant: Grant,
    template: str,
    context: Mapping[str, Any],
    *,
    here: str,
    part: str | None = None,
    status: int = 200,
) -> HttpResponse:
    """A page of the project, in its frame, with the entry `here` of the navigation marked.

    When htmx asks, and there is a template for that `part`, the part alone. Forms that were `refused` before, and led
    back here, are in the context unless the page refuses one itself.
    """
    said = {**context, "grant": grant, "project": grant.project, **_permissions(grant)}
    if part is not None and is_part(request):
        return render(request, part, said, status=status)
    slug = grant.project.slug
    said["here"] = here
    said.setdefault("refused", refused.taken(request))
    said["places"] = [(place, reverse(f"web:{place.name}", args=[slug])) for place in PLACES if grant.may(place.scope)]
    said["zone"] = zone_of(grant).key
    said["projects"] = access.projects_of(request.user, most=SWITCHED)
    return render(request, template, said, status=status)


def part(request: HttpRequest, grant: Grant, template: str, context: Mapping[str, Any]) -> SafeString:
    """A part of a page of the project, by itself: to be measured before it is put into the page."""
    said = {**context, "grant": grant, "project": grant.project, **_permissions(grant)}
    return render_to_string(template, said, request)


def _permissions(grant: Grant) -> dict[str, bool]:
    return {"may_write": grant.may(Scope.WRITE), "may_admin": grant.may(Scope.ADMIN)}
