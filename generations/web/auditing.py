"""The audit log: who did what to what, when; narrowed by what its parameters say."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from generations import cleaning
from generations.access import Grant, Scope
from generations.models import AuditEntry
from generations.web import markup
from generations.web.frame import show
from generations.web.gate import page
from generations.web.stretches import stretch

LIMIT: Final = 50
MOST_DETAIL: Final = 600
FIELDS: Final = {"action": "action__startswith", "actor": "actor", "kind": "subject_kind", "id": "subject_id"}
"""The parameters that narrow the log, and how each is compared."""


@page(Scope.ADMIN)
@require_safe
def audit_log(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The entries, the newest first: `action` by its beginning, `actor`, `kind` and `id` of the subject as they are."""
    given = {name: cleaning.clean_string(request.GET.get(name, "")).strip()[:500] for name in FIELDS}
    narrowed = {FIELDS[name]: value for name, value in given.items() if value}
    rows = stretch(request, AuditEntry.objects.filter(project=grant.project, **narrowed), limit=LIMIT)
    context = {
        "rows": rows,
        "shown": [(row, markup.compact(row.detail)[:MOST_DETAIL] if row.detail else "") for row in rows],
        "given": given,
        "is_filtered": bool(narrowed),
        "tab": "audit",
    }
    return show(request, grant, "settings/audit.html", context, here="settings")
