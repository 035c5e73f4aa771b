"""The list of generations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from generations import bundles
from generations.access import Grant
from generations.web import tables
from generations.web.gate import page
from generations.web.listing import bounded


@page()
@require_safe
@bounded
def generations(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The list of generations. Filters, order and place are in the address."""

    def hanging(rows: Sequence[Any]) -> Sequence[Any]:
        return bundles.of_generations(grant.project, rows, payload=False, alternatives=False, attachments=False)

    return tables.answer(request, grant, "generations", hanging)
