"""`Idempotency-Key`: what a request records without an id has the same id when the request is sent again.

The id is made of the key, the address and the body: so nothing has to be kept to know a request again, and another
body that is sent with the same key by mistake is recorded as what it is. The draft of the standard would refuse that
one (422, draft-ietf-httpapi-idempotency-key-header); here what was called is not lost for it.
"""

from __future__ import annotations

import hashlib
from typing import Final

from django.http import HttpRequest

from generations.api.errors import Refused
from generations.records import Json

HEADER: Final = "HTTP_IDEMPOTENCY_KEY"
DIGEST: Final = "generations.digest"
"""Where a request's META holds the digest of its body, once that was read and there is such a key."""
LONGEST: Final = 255


def named(request: HttpRequest, document: Json, place: int = 0) -> Json:
    """`document` with an id where the caller gave none and sent a key; `place` is where in the body it stood.

    Raises Refused for a key that is empty or too long.
    """
    key = request.META.get(HEADER)
    if key is None:
        return document
    if not 0 < len(key) <= LONGEST:
        expected = f"1 to {LONGEST} characters"
        sentence = f"The header Idempotency-Key has {len(key)} characters; expected {expected}."
        raise Refused(400, "bad_request", sentence, "Idempotency-Key", key[:80], expected)
    if not isinstance(document, dict) or "id" in document:
        return document
    said = (key, request.path, request.META.get(DIGEST, ""), str(place))
    made = hashlib.sha256("\n".join(said).encode("utf-8", "surrogatepass"))
    return {"id": f"again-{made.hexdigest()[:32]}", **document}
