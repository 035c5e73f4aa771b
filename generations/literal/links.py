"""Addresses that Literal AI's clients build for people: they lead to our pages."""

from __future__ import annotations

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from generations import access


@require_safe
def thread(request: HttpRequest, project: int, id: str) -> HttpResponse:
    """Chainlit's debug link: the page of a thread, for members of the project."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path(), login_url="/login/")
    slug = next((one.slug for one in access.projects_of(request.user) if one.pk == project), None)
    if slug is None:
        raise Http404("There is no such project that you are a member of.")
    address = reverse("web:thread", kwargs={"slug": slug, "id": id})
    step = request.GET.get("currentStepId")
    return HttpResponseRedirect(address + ("?" + urlencode({"currentStepId": step}) if step else ""))
