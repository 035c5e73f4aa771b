"""Attachments' bytes, to whoever has a signed address of theirs: whole or a range, to pages of any origin."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import IO, Final, TypeVar

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from generations import attachments, outages
from generations.api import ranges

# A browser draws it as an image, where no script in it runs, and takes it for a download when it is opened by itself.
DRAWN: Final = frozenset({"image/svg+xml"})
SANDBOX: Final = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; media-src 'self'"
# A sandboxed PDF is not shown by browsers. What runs in one, runs in the browser's own viewer, away from our origin.
OF_PDF: Final = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'"
EXPOSED: Final = "Accept-Ranges, Content-Length, Content-Range, Content-Disposition, ETag, Retry-After"
KEPT: Final = "private, max-age=3600"
_CHARSET: Final = re.compile(r"charset=([\w-]{1,40})", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")


R = TypeVar("R", bound=HttpResponseBase)
log = logging.getLogger(__name__)


@csrf_exempt
@xframe_options_exempt
@require_http_methods(["GET", "HEAD", "OPTIONS"])
def file(request: HttpRequest, key: str) -> HttpResponseBase:
    """A stored file: inline when it cannot carry a script, else as a download. The address is the permission."""
    if request.method == "OPTIONS":
        return told(HttpResponse(status=204))
    try:
        return told(_file(request, key))
    except outages.ERRORS as error:
        if (outage := outages.of(error)) is None:
            raise
        log.error("%s: %s", outage.code, error)
        return refused(503, outage.sentence, {"Retry-After": str(outage.retry_after)})


def refused(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Why there is no file, for pages of other origins to read too."""
    return told(HttpResponse(sentence, status=status, content_type="text/plain; charset=utf-8", headers=headers))


def told(answer: R) -> R:
    """`answer`, for pages of any origin; nothing in it is run, nor taken for what it does not say that it is."""
    # Pages of other origins show these files (Chainlit's, for one), and have to be able to read why they cannot.
    answer["Access-Control-Allow-Origin"] = "*"
    answer["Access-Control-Allow-Methods"] = "GET, HEAD"
    answer["Access-Control-Allow-Headers"] = "Range, If-Range, If-None-Match"
    answer["Access-Control-Expose-Headers"] = EXPOSED
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
        return refused(403, str(error))
    except FileNotFoundError:
        return refused(404, "This file is not here (any more).")
    kind = mime.partition(";")[0].strip().lower()
    size = content.size
    etag = attachments.etag(key)
    if etag is not None and ranges.is_known(request, etag):
        content.close()
        return HttpResponse(status=304, headers={"ETag": etag, "Cache-Control": KEPT})
    asked = ranges.asked(request, size, etag)
    if asked is not None and not asked:
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
    answer["Cache-Control"] = KEPT
    if etag is not None:
        answer["ETag"] = etag
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


def _part(whole: FileResponse, content: IO[bytes], asked: range, size: int) -> StreamingHttpResponse:
    """Some of the bytes of an answer."""
    part = StreamingHttpResponse(ranges.pieces(content, asked), status=206, content_type=whole["Content-Type"])
    part["Content-Disposition"] = whole["Content-Disposition"]
    part["Content-Range"] = f"bytes {asked.start}-{asked.stop - 1}/{size}"
    part["Content-Length"] = str(len(asked))
    return part
