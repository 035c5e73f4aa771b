"""What a page says where a link leads to nothing: what is gone, why it may be, and where to go."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views import defaults

from generations import access, identities
from generations.access import Grant
from generations.models import AuditEntry, Generation, RetentionRule, Step, Thread
from generations.web.frame import PLACES, show
from generations.web.gate import is_part

MODELS: Final[dict[str, Any]] = {"generation": Generation, "step": Step, "thread": Thread}
MOST_PROJECTS: Final = 20
LEAST_PARTS: Final = 4
"""Those of `/projects/SLUG/ROOM`, with the empty one in front."""


class Gone(Http404):
    """A generation, step or thread that a project does not have, or has no more."""

    def __init__(self, grant: Grant, kind: str, id: str) -> None:
        super().__init__(f"There is no such {kind} in this project.")
        self.grant, self.kind, self.id = grant, kind, id.replace("\0", "")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The answer to whatever is not there; to htmx a line that takes the place of what it asked for."""
    if is_part(request):
        return render(request, "missing/part.html", {"reason": str(exception)}, status=404)
    if not isinstance(exception, Gone):
        return _in_project(request, exception) or defaults.page_not_found(request, exception)
    grant, kind, id = exception.grant, exception.kind, exception.id
    project = grant.project
    # One that was deleted with others is named in what is told of them all.
    named = Q(subject_id=id[:512]) | Q(subject_id="", detail__ids__contains=[id])
    deleted = AuditEntry.objects.filter(named, project=project, action=f"{kind}.delete")
    context = {
        "kind": kind,
        "id": id,
        "deleted": deleted.order_by("-created_at").first(),
        "expires": RetentionRule.objects.filter(project=project, kind=f"{kind}s").exists(),
        "elsewhere": _elsewhere(request, grant, kind, id),
        "list_name": f"web:{kind}s",
        "search": urlencode({"q": id[:500]}),
    }
    return show(request, grant, "missing/page.html", context, here=f"{kind}s", status=404)


def _in_project(request: HttpRequest, exception: Exception) -> HttpResponse | None:
    """The page for what is below a project of this person's: with the navigation around it, and the way to the others
    of its kind. None for anything else, and for who is not signed in."""
    parts = request.path.split("/")
    if len(parts) < LEAST_PARTS or parts[1] != "projects":
        return None
    try:
        grant = access.by_user(request.user, parts[2])
    except (access.NotAuthenticated, access.NoSuchProject):
        return None
    place = next((place for place in PLACES if place.name == parts[3] and grant.may(place.scope)), PLACES[0])
    ids = [part for part in parts[LEAST_PARTS:] if part and "\0" not in part]
    deleted = AuditEntry.objects.filter(project=grant.project, action__endswith=".delete", subject_id__in=ids)
    reason = exception.args[0] if exception.args and isinstance(exception.args[0], str) else ""
    context = {
        "reason": reason or "There is nothing at this address.",
        "deleted": deleted.order_by("-created_at").first(),
        "is_lost": reason.startswith("There is no "),
        "place": place,
        "way": reverse(f"web:{place.name}", args=[grant.project.slug]),
    }
    return show(request, grant, "missing/room.html", context, here=place.name, status=404)


def _elsewhere(request: HttpRequest, grant: Grant, kind: str, id: str) -> list[Any]:
    """The other projects of this person that have something of this id."""
    return [
        project
        for project in access.projects_of(request.user, most=MOST_PROJECTS)
        if project.pk != grant.project.pk
        and MODELS[kind].objects.in_project(project.pk).filter(uid=identities.uid(project.pk, kind, id)).exists()
    ]
