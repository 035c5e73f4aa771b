"""The address that Gantry's client prints for a new version, which names no project: it leads to the prompt's page."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from generations import access
from generations.models import Prompt
from generations.web.gate import to_login


@require_safe
def versions(request: HttpRequest, name: str) -> HttpResponse:
    """The prompt of this name, the newest one if several projects of who asks have one."""
    if not request.user.is_authenticated:
        return to_login(request)
    own = Prompt.objects.filter(project__in=access.own(request.user), name=name).select_related("project")
    found = own.order_by("-created_at", "pk").first()
    if found is None:
        raise Http404("None of your projects has an application of this name.")
    return redirect("web:prompt", slug=found.project.slug, id=found.pk)
