"""Addresses that Literal AI's clients build for people: they lead to our pages, for members of the project."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from generations import access, prompts
from generations.access import Grant

P = ParamSpec("P")


def _member(
    view: Callable[Concatenate[HttpRequest, Grant, P], HttpResponse],
) -> Callable[..., HttpResponse]:
    """Gate a view by the number of a project, which is what the clients know of it."""

    @require_safe
    @wraps(view)
    def gated(request: HttpRequest, project: int, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path(), login_url="/login/")
        slug = access.own(request.user).filter(pk=project).values_list("slug", flat=True).first()
        if slug is None:
            raise Http404("There is no such project that you are a member of.")
        return view(request, access.by_user(request.user, slug), *args, **kwargs)

    return gated


@_member
def thread(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """Chainlit's debug link: the page of a thread, at the turn of a step."""
    address = reverse("web:thread", kwargs={"slug": grant.project.slug, "id": id})
    step = request.GET.get("currentStepId")
    return HttpResponseRedirect(address + ("?" + urlencode({"currentStepId": step}) + "#current" if step else ""))


@_member
def playground(request: HttpRequest, grant: Grant) -> HttpResponse:
    """A prompt's `url`: the page of the version that it names."""
    name, version = request.GET.get("name", ""), request.GET.get("version", "")
    row = prompts.named(grant, name)
    if row is None:
        raise Http404(f"There is no prompt '{name[:80]}' in this project.")
    address = reverse("web:prompt", kwargs={"slug": grant.project.slug, "id": row.pk})
    return HttpResponseRedirect(address + ("?" + urlencode({"version": version}) if version else ""))
