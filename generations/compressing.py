"""Answers of JSON as gzip, for programs that take it.

BREACH reads a secret out of the lengths of packed answers, by a browser that is made to ask again and again as who is
signed in (https://www.breachattack.com). So it is only for who brings a key, which no browser sends by itself.
"""

from __future__ import annotations

import zlib
from typing import Final, TypeVar

from django.http import HttpRequest, HttpResponseBase
from django.http.response import HttpResponse
from django.utils.cache import patch_vary_headers

LEAST: Final = 14_600
"""Bytes that arrive at once however long the way is: ten packets, as RFC 6928 has them. Less is sent as it is."""
_LEVEL: Final = 1
"""The next ones make it a tenth smaller and take up to twice the time."""
_GZIP: Final = zlib.MAX_WBITS | 16
_KEYS: Final = ("HTTP_AUTHORIZATION", "HTTP_X_API_KEY", "HTTP_X_GANTRY_API_KEY")
_NOT: Final = frozenset({"q=0", "q=0.", "q=0.0", "q=0.00", "q=0.000"})


R = TypeVar("R", bound=HttpResponseBase)


def compressed(request: HttpRequest, response: R) -> R:
    """`response`, packed where it is long JSON for a program that takes it so."""
    if not isinstance(response, HttpResponse) or len(response.content) < LEAST:
        return response
    if not response.headers["Content-Type"].startswith("application/json") or response.status_code == 206:
        return response
    if not any(name in request.META for name in _KEYS):
        return response
    patch_vary_headers(response, ["Accept-Encoding"])
    if not _takes_gzip(request.META.get("HTTP_ACCEPT_ENCODING", "")):
        return response
    packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
    response.content = packer.compress(response.content) + packer.flush()
    response["Content-Encoding"] = "gzip"
    response["Content-Length"] = str(len(response.content))
    etag = response.headers.get("ETag", "")
    if etag.startswith('"'):
        # > A strong validator is unique across all encodings (RFC 9110, 8.8.1)
        response["ETag"] = f"W/{etag}"
    return response


def _takes_gzip(said: str) -> bool:
    for part in said.lower().split(","):
        name, _, quality = part.partition(";")
        if name.strip() == "gzip":
            return quality.strip().replace(" ", "") not in _NOT
    return False
