"""JSON answers, written as fast as they are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import orjson
from django.http import HttpResponse

JSON: Final = "application/json"


def dumps(value: Any) -> bytes:
    """`value` as JSON; amounts as numbers, moments as ISO 8601 UTC."""
    try:
        return orjson.dumps(value, default=_default, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)
    except TypeError:
        # Whole numbers beyond 64 bits, which the store can hold and orjson cannot write, and halves of characters that
        # a refusal repeats.
        return json.dumps(value, default=_default, ensure_ascii=False).encode("utf-8", "replace")


def answer(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """`value` as an answer, which nobody on the way may keep."""
    kept = {"Cache-Control": "private, no-store", **(headers or {})}
    return HttpResponse(dumps(value), status=status, content_type=JSON, headers=kept)


def _default(value: object) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, orjson.Fragment):
        return json.loads(value.contents)
    return str(value)
