"""JSON as Python programs write it: with NaN, halves of characters and NUL, none of which can be stored."""

from __future__ import annotations

import json
from typing import Final

import orjson

from generations.cleaning import clean_string
from generations.records import Json

_NUL: Final = b"\\u0000"


def loads(sent: bytes) -> Json:
    """The value that JSON stands for, without NUL and lone surrogates; NaN and infinities are null.

    Raises orjson.JSONDecodeError for what is none by anybody's reading, or is nested too deep.
    """
    try:
        value = orjson.loads(sent)
    except orjson.JSONDecodeError as error:
        try:
            return _clean(json.loads(sent, parse_constant=lambda name: None))
        except (ValueError, RecursionError):
            raise error from None
    # Seldom; a text that only looks like it costs a walk and stays as it is.
    return _clean(value) if _NUL in sent else value


def _clean(value: Json) -> Json:
    if isinstance(value, str):
        return clean_string(value)
    if isinstance(value, dict):
        return {clean_string(name): _clean(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_clean(inner) for inner in value]
    return value
