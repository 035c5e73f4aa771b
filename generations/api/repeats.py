"""`Idempotency-Key`: what a request records or starts without an id has the same id when the request is sent again.

The id is made of the key, the address and the body: so nothing has to be kept to know a request again, and another
body that is sent with the same key by mistake is recorded as what it is. The draft of the standard would refuse that
one (422, draft-ietf-httpapi-idempotency-key-header); here what was called is not lost for it.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from typing import Final

from django.core.files.base import File
from django.http import HttpRequest

from generations import claims, jobs
from generations.access import Grant
from generations.api.errors import Refused
from generations.models import Job
from generations.records import Json

HEADER: Final = "HTTP_IDEMPOTENCY_KEY"
DIGEST: Final = "generations.digest"
"""Where a request's META holds the digest of its body, once that was read and there is such a key."""
LONGEST: Final = 255


def named(request: HttpRequest, document: Json, place: int = 0) -> Json:
    """`document` with an id where the caller gave none and sent a key; `place` is where in the body it stood.

    Raises Refused for a key that is empty or too long.
    """
    made = _made(request, str(place))
    if made is None or not isinstance(document, dict) or "id" in document:
        return document
    return {"id": f"again-{made.hex()}", **document}


def key_of(request: HttpRequest, project_pk: int, place: str = "") -> uuid.UUID | None:
    """The key of a row that is one of all projects, such as a job's, made of the same; None where the caller sent no
    key. Raises Refused, as `named` does."""
    made = _made(request, f"{project_pk}/{place}")
    return None if made is None else uuid.UUID(bytes=made, version=5)


def job_of(request: HttpRequest, grant: Grant, kind: Job.Kind) -> tuple[Job | None, uuid.UUID | None]:
    """The job that a request with this key has made before, and the id of the one that it is to make otherwise.

    To be asked before anything that the request names is looked up: that may be gone by now.
    """
    id = key_of(request, grant.project.pk)
    return (None, None) if id is None else jobs.repeated(grant, kind, id)


def claimed(request: HttpRequest, grant: Grant) -> claims.Claim:
    """The right to answer this request, if it has a key. Raises UnderWay while the same one is being answered."""
    id = key_of(request, grant.project.pk)
    return claims.claim(None if id is None else f"{request.path}/{id}")


def digest(request: HttpRequest, parts: Iterable[tuple[str, str | File[bytes]]]) -> None:
    """Note what a form holds, whose body is another each time that it is sent: names, with texts or files."""
    if HEADER not in request.META:
        return
    whole = hashlib.sha256()
    for name, part in sorted(parts, key=lambda part: part[0]):
        whole.update(f"\n{name}\n".encode("utf-8", "surrogatepass"))
        if isinstance(part, str):
            whole.update(hashlib.sha256(part.encode("utf-8", "surrogatepass")).digest())
            continue
        for chunk in part.chunks():
            whole.update(chunk)
        part.seek(0)
    request.META[DIGEST] = whole.hexdigest()


def _made(request: HttpRequest, place: str) -> bytes | None:
    key = request.META.get(HEADER)
    if key is None:
        return None
    if not 0 < len(key) <= LONGEST:
        expected = f"1 to {LONGEST} characters"
        sentence = f"The header Idempotency-Key has {len(key)} characters; expected {expected}."
        raise Refused(400, "bad_request", sentence, "Idempotency-Key", key[:80], expected)
    said = (key, request.path, request.META.get(DIGEST, ""), place)
    return hashlib.sha256("\n".join(said).encode("utf-8", "surrogatepass")).digest()[:16]
