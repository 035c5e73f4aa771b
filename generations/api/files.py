"""Attachments' bytes, to whoever has a signed address of theirs: whole or a range, to pages of any origin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Final

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from generations import attachments

CHUNK: Final = 64 * 1024
# A browser draws it as an image, where no script in it runs, and takes it for a download when it is opened by itself.
DRAWN: Final = frozenset({"image/svg+xml"})
SANDBOX: Final = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; media-src 'self'"
# A sandboxed PDF is not shown by browsers. What runs in one, runs in the browser's own viewer, away from our origin.
OF_PDF: Final = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'"
_CHARSET: Final = re.compile(r"charset=([\w-]{1,40})", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@csrf_exempt
@xframe_options_exempt
@require_http_methods(["GET", "HEAD", "OPTIONS"])
def file(request: HttpRequest, key: str) -> HttpResponseBase:
    """A stored file: inline when it cannot carry a script, else as a download. The address is the permission."""
    answer = HttpResponse(status=204) if request.method == "OPTIONS" else _file(request, key)
    # Pages of other origins show these files (Chainlit's, for one), and have to be able to read why they cannot.
    answer["Access-Control-Allow-Origin"] = "*"
    answer["Access-Control-Allow-Methods"] = "GET, HEAD"
    answer["Access-Control-Allow-Headers"] = "Range"
    answer["Access-Control-Expose-Headers"] = "Accept-Ranges, Content-Length, Content-Range, Content-Disposition"
    answer["Cross-Origin-Resource-Policy"] = "cross-origin"
    answer["X-Content-Type-Options"] = "nosniff"
    answer.headers.setdefault("Content-Security-Policy", SANDBOX)
    return answer


def _file(request: HttpRequest, key: str) -> HttpResponseBase:
    mime, name = request.GET.get("type", ""), request.GET.get("name", "")
    try:
        attachments.check(key, mime, name, request.GET.get("X-Amz-Date", ""), request.GET.get("signature", ""))
        content = attachments.open_file(key)
    except attachments.BadSignature as error:
        return HttpResponse(str(error), status=403, content_type="text/plain; charset=utf-8")
    except FileNotFoundError:
        return HttpResponse("This file is not here (any more).", status=404, content_type="text/plain; charset=utf-8")
    kind = mime.partition(";")[0].strip().lower()
    size = content.size
    asked = _range(request.headers.get("Range", ""), size)
    if asked is not None and asked.start >= size:
        content.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    whole = FileResponse(
        content,
        as_attachment=kind not in attachments.INLINE,
        filename=_CONTROL.sub(" ", name) or key.rpartition("/")[2],
        content_type=_content_type(kind, mime),
    )
    answer: HttpResponseBase = whole if asked is None else _part(whole, content, asked, size)
    answer["Accept-Ranges"] = "bytes"
    answer["Cache-Control"] = "private, max-age=3600"
    if kind == "application/pdf":
        answer["Content-Security-Policy"] = OF_PDF
    return answer


def _content_type(kind: str, mime: str) -> str:
    """The type to say: that of the file if it is harmless. A text without a charset is read as UTF-8."""
    if kind not in attachments.INLINE | DRAWN:
        return "application/octet-stream"
    if not kind.startswith("text/"):
        return kind
    charset = _CHARSET.search(mime)
    return f"{kind}; charset={charset[1] if charset else 'utf-8'}"


def _range(header: str, size: int) -> range | None:
    """The bytes that are asked for; None for all of them, which also answers what is not understood (RFC 9110)."""
    found = _RANGE.fullmatch(header.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        last = int(found[2])
        return range(max(0, size - last), size) if last else range(size, size)
    first = int(found[1])
    if found[2] and int(found[2]) < first:
        return None
    return range(first, min(int(found[2]) + 1, size) if found[2] else size)


def _part(whole: FileResponse, content: IO[bytes], asked: range, size: int) -> StreamingHttpResponse:
    """Some of the bytes of an answer."""
    part = StreamingHttpResponse(_bytes(content, asked), status=206, content_type=whole["Content-Type"])
    part["Content-Disposition"] = whole["Content-Disposition"]
    part["Content-Range"] = f"bytes {asked.start}-{asked.stop - 1}/{size}"
    part["Content-Length"] = str(len(asked))
    return part


def _bytes(content: IO[bytes], asked: range) -> Iterator[bytes]:
    with content:
        content.seek(asked.start)
        left = len(asked)
        while left and (chunk := content.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk
