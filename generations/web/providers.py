"""The providers of a project: who they are and where, tried by a button; their keys are taken and never shown."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import pluralize
from django.views.decorators.http import require_http_methods, require_POST

from generations import generating, llm, providers
from generations.access import Grant, Scope
from generations.models import ProviderCredential
from generations.records import InvalidRecord
from generations.web.frame import show
from generations.web.gate import page


@page()
@require_http_methods(["GET", "HEAD", "POST"])
def provider_list(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The project's providers; a post keeps one under its name, in place of the one that has it."""
    problem, given = "", request.POST
    if request.method == "POST":
        grant.need(Scope.ADMIN)
        try:
            row = providers.save(
                grant,
                kind=given.get("kind", ""),
                name=given.get("name", "").strip() or given.get("kind", ""),
                secret=given.get("key", "").strip() or None,
                endpoint=given.get("endpoint", ""),
            )
        except InvalidRecord as error:
            problem = str(error)
        else:
            messages.success(request, f"{row.name} is kept. Its models are called {row.name}/MODEL.")
            return redirect("web:providers", slug=grant.project.slug)
    context = {
        "rows": [(row, len(row.options.get("models", []))) for row in providers.every(grant)],
        "kinds": providers.ENDPOINTS.items(),
        "problem": problem,
        "given": given if problem else {},
        "tab": "providers",
    }
    return show(request, grant, "settings/providers.html", context, here="settings", status=400 if problem else 200)


@page(Scope.ADMIN)
@require_POST
def attempt(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """Ask a provider for its models: whether the address and the key are right is seen at no cost."""
    row = ProviderCredential.objects.filter(project=grant.project, pk=id).first()
    if row is None:
        raise Http404("There is no such provider in this project.")
    try:
        found = generating.tried(grant, row)
    except (llm.LLMError, generating.Full) as problem:
        messages.error(request, f"{row.name}: {problem}")
    else:
        messages.success(request, f"{row.name} answers, and lists {len(found)} model{pluralize(len(found))}.")
    return redirect("web:providers", slug=grant.project.slug)


@page(Scope.ADMIN)
@require_POST
def forget(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """Forget a provider and its key."""
    if not providers.forget(grant, str(id)):
        raise Http404("There is no such provider in this project.")
    messages.success(request, "It is forgotten, with its key.")
    return redirect("web:providers", slug=grant.project.slug)
