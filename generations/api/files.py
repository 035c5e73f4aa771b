"""Attachments' bytes, to whoever has a signed address of theirs."""

from __future__ import annotations

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from generations import attachments


@require_safe
def file(request: HttpRequest, key: str) -> HttpResponseBase:
    """A stored file: inline when it cannot carry a script, else as a download. Any origin may read it."""
    mime = request.GET.get("type", "")
    try:
        attachments.check(key, mime, request.GET.get("X-Amz-Date", ""), request.GET.get("signature", ""))
        content = attachments.open_file(key)
    except attachments.BadSignature as error:
        return HttpResponse(str(error), status=403, content_type="text/plain; charset=utf-8")
    except FileNotFoundError:
        return HttpResponse("This file is not here (any more).", status=404, content_type="text/plain; charset=utf-8")
    is_inline = mime.partition(";")[0].strip().lower() in attachments.INLINE
    answer = FileResponse(
        content,
        as_attachment=not is_inline,
        filename=key.rpartition("/")[2],
        content_type=mime if is_inline else "application/octet-stream",
    )
    # Pages of other origins (Chainlit's, for one) show these files; the address itself is the permission.
    answer["Access-Control-Allow-Origin"] = "*"
    answer["Cross-Origin-Resource-Policy"] = "cross-origin"
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:"
    answer["Cache-Control"] = "private, max-age=3600"
    return answer
