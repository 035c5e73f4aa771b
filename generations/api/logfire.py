"""`/v1/info`: where Logfire's SDKs ask whose key they have before they send spans.

With `LOGFIRE_BASE_URL` they ask here (`LogfireCredentials.from_token` in Python's logfire/_internal/config.py, 5.4).
The key stands in the header `Authorization` by itself. Answered with 401 an SDK says that its key is wrong.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import re_path, reverse
from django.views.decorators.csrf import csrf_exempt

from generations.api import otlp
from generations.api.addresses import base_of
from generations.api.errors import Refused
from generations.api.straight import straight


@straight
@csrf_exempt
def info(request: HttpRequest) -> HttpResponse:
    """The project of the key: its name and the address of its page."""

    def told() -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            raise Refused(405, "method_not_allowed", "Send a GET.", headers={"Allow": "GET, HEAD"})
        project = otlp.exporter(request).project
        page = base_of(request) + reverse("web:dashboard", args=[project.slug])
        return JsonResponse({"project_name": project.name, "project_url": page})

    return otlp.guarded(told, _refused)


def _refused(status: int, message: str, headers: dict[str, str] | None = None) -> HttpResponse:
    return JsonResponse({"detail": message}, status=status, headers=headers)


urlpatterns = [re_path(r"^v1/info/?\Z", info)]
