"""Where this server is for who asks it."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest


def base_of(request: HttpRequest) -> str:
    """The server's address without a slash at its end: the name that it was just reached by, and the scheme of
    PUBLIC_URL if that has the same name, because a proxy may have spoken TLS."""
    public: str = settings.PUBLIC_URL.rstrip("/")
    try:
        host = request.get_host()
    except DisallowedHost:
        return public
    return public if urlsplit(public).netloc == host else f"{request.scheme}://{host}"
