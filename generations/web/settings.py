"""A project's settings and its keys."""

from __future__ import annotations

import datetime as dt
import uuid
import zoneinfo
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from generations import access
from generations.access import Grant, Scope
from generations.models import ApiKey, Membership, Project
from generations.web import stale
from generations.web.firsts import FIRSTS
from generations.web.frame import show
from generations.web.gate import page

SCOPES: Final = {
    Scope.INGEST: "send what is recorded",
    Scope.READ: "read and export",
    Scope.WRITE: "send, read, change, score, tag, delete",
    Scope.ADMIN: "all of that, and keys",
}
LIFETIMES: Final = {"": "never", "30": "in 30 days", "90": "in 90 days", "365": "in a year"}
MOST_KEYS: Final = 200


@cache
def zones() -> list[str]:
    """The names of all time zones."""
    return sorted(zoneinfo.available_timezones())


if TYPE_CHECKING:
    _Form = forms.ModelForm[Project]
else:
    _Form = forms.ModelForm  # generic to the type checker only


class ProjectForm(_Form):
    """What an administrator may change of a project."""

    logs_url = forms.CharField(required=False, max_length=1_000)

    class Meta:
        model = Project
        fields = ("name", "time_zone", "keep_generic_spans")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["logs_url"] = self.instance.logs_url

    def clean_time_zone(self) -> str:
        """A name that the zone database has."""
        name = str(self.cleaned_data["time_zone"])
        if name not in zones():
            raise forms.ValidationError("There is no such time zone. Expected a name such as Europe/Berlin or UTC.")
        return name

    def clean_logs_url(self) -> str:
        """An address of the web with a place for the trace's or the span's id, or nothing."""
        address = str(self.cleaned_data["logs_url"]).strip()
        is_web = address.startswith(("http://", "https://")) and ("{trace_id}" in address or "{span_id}" in address)
        if address and not is_web:
            example = "https://logs.example.com/?trace={trace_id}"
            raise forms.ValidationError(
                f"Expected an address with {{trace_id}} or {{span_id}} in it, such as {example}"
            )
        self.instance.settings = {**self.instance.settings, "logs_url": address}
        return address


@page()
@require_http_methods(["GET", "HEAD", "POST"])
def project(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The project's name and time zone, and who its members are."""
    form = ProjectForm(instance=grant.project)
    if request.method == "POST":
        grant.need(Scope.ADMIN)
        form = _saved(request, grant)
        if not form.errors:
            messages.success(request, "Saved.")
            return redirect("web:settings", slug=grant.project.slug)
    members = Membership.objects.filter(project=grant.project).select_related("user").order_by("user__username")
    context = {
        "form": form,
        "as_of": _mark(grant.project),
        "members": list(members[:MOST_KEYS]),
        "zones": zones(),
        "tab": "project",
    }
    return show(request, grant, "settings/project.html", context, here="settings", status=400 if form.errors else 200)


def _saved(request: HttpRequest, grant: Grant) -> ProjectForm:
    """The form that was sent, kept; with errors where it could not be, or where somebody else was faster."""
    with transaction.atomic():
        row = Project.objects.select_for_update().get(pk=grant.project.pk)
        now = _mark(row)
        form = ProjectForm(request.POST, instance=row)
        if form.is_valid():
            try:
                stale.refuse(request, now)
            except stale.Stale as error:
                form.add_error(None, str(error))
            else:
                form.save()
                access.audit(grant, "project.update", "project", row.slug, {"changed": form.changed_data})
    return form


def _mark(row: Project) -> str:
    return stale.mark(row.name, row.time_zone, row.keep_generic_spans, row.logs_url)


@never_cache
@page()
@require_http_methods(["GET", "HEAD", "POST"])
def keys(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The project's keys. A new one is made by a post, and its token is in the answer to that post and nowhere else."""
    token, problem = "", ""
    if request.method == "POST":
        try:
            token = _make(request, grant)
        except ValueError as error:
            problem = str(error)
    rows = ApiKey.objects.filter(project=grant.project).select_related("created_by").order_by("-created_at")
    first = FIRSTS.get(request.POST.get("first", ""), FIRSTS["generations"])
    context = {
        "rows": list(rows[:MOST_KEYS]),
        "now": timezone.now(),
        "token": token,
        "problem": problem,
        "given": request.POST,
        "scopes": SCOPES.items(),
        "chosen": request.POST.getlist("scopes") or [Scope.WRITE],
        "lifetimes": LIFETIMES.items(),
        "server": f"{request.scheme}://{request.get_host()}",
        "first": first,
        "first_place": reverse(f"web:{first.here}", args=[grant.project.slug]),
        "tab": "keys",
    }
    return show(request, grant, "settings/keys.html", context, here="settings", status=400 if problem else 200)


def _make(request: HttpRequest, grant: Grant) -> str:
    days = request.POST.get("days", "")
    if days not in LIFETIMES:
        raise ValueError(f"days: expected one of {', '.join(filter(None, LIFETIMES))}, or nothing")
    _, token = access.create_key(
        grant,
        name=request.POST.get("name", ""),
        scopes=request.POST.getlist("scopes"),
        expires_at=timezone.now() + dt.timedelta(days=int(days)) if days else None,
    )
    return token


@page(Scope.ADMIN)
@require_POST
def revoke(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """Revoke a key, for good."""
    key = access.revoke_key(grant, str(id))
    if key is None:
        raise Http404("There is no such key in this project.")
    messages.success(request, f"The key {key.name} is revoked.")
    return redirect("web:keys", slug=grant.project.slug)
