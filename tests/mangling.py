"""Bodies that somebody's program got wrong: any part of a right one in the place of another, or gone, or odd."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator, Sequence
from typing import Any, Final

TEXTS: Final = (
    *("", " ", "\0", "a\0b", "x" * 300, "x" * 70_000, "-1", "1e999", "NaN", "null", "9" * 25, "9" * 5_000, "\u00b2"),
    *("2026-13-45T99:99:99Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999+14:00", "\ufffe\uffff", "\u202e"),
    *("data:image/png;base64,", "data:;base64,!!!!", "https://[bad", '{"a":', "[1,2", "{'a': None}", "[" * 2_000),
    *('[{"role":null,"content":[]}]', '[{"role":"user","parts":[{}]}]', '{"choices":[{"message":null}]}', '"\\ud83d"'),
)
NUMBERS: Final = (0, 1, -1, 7, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 0.5, -0.0, 1e308, 1e-320)
NAMES: Final = (
    "role",
    "content",
    "type",
    "text",
    "id",
    "name",
    "function",
    "arguments",
    "parts",
    "tool_calls",
    "0",
    "",
)
_ODD_NAMES: Final = ("", "\0", "x" * 300, "$set", "a.b", "0")


def odd(draw: random.Random, depth: int = 0) -> Any:
    """A JSON value that nobody expects."""
    kind = draw.random()
    if kind < 0.6 or depth > 2:
        return draw.choice([None, True, False, *draw.sample(NUMBERS, 3), *draw.sample(TEXTS, 4)])
    if kind < 0.8:
        return [odd(draw, depth + 1) for _ in range(draw.randint(0, 3))]
    return {draw.choice(NAMES): odd(draw, depth + 1) for _ in range(draw.randint(0, 3))}


def mangled(draw: random.Random, value: Any, times: int | None = None) -> Any:
    """A copy of a JSON value, of which up to three parts are not what they were."""
    value = copy.deepcopy(value)
    for _ in range(times or draw.choice((1, 1, 1, 2, 3))):
        places = list(_places(value))
        path = draw.choice(places)
        if not path:
            if draw.random() < 0.1:
                return odd(draw)
            continue
        holder, key = _at(value, path[:-1]), path[-1]
        what = draw.random()
        if what < 0.1:
            del holder[key]
        elif what < 0.2 and isinstance(holder, dict):
            holder[draw.choice(_ODD_NAMES)] = holder[key]
        else:
            holder[key] = _instead(draw, holder[key], _at(value, draw.choice(places)))
    return value


def text(draw: random.Random, said: str) -> Any:
    """What may stand in the place of a text: JSON of which something is mangled, where the text was some."""
    try:
        inner = json.loads(said)
    except (ValueError, RecursionError):
        return odd(draw)
    made = mangled(draw, inner)
    return json.dumps(made) if draw.random() < 0.7 else made


def _instead(draw: random.Random, old: Any, other: Any) -> Any:
    what = draw.random()
    if what < 0.5:
        return odd(draw)
    if what < 0.6:
        return [old]
    if what < 0.7:
        return {"value": old}
    if what < 0.8:
        return copy.deepcopy(other)
    return text(draw, old) if isinstance(old, str) else json.dumps(old)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from _places(one, (*path, key))


def _at(value: Any, path: Sequence[Any]) -> Any:
    for key in path:
        value = value[key]
    return value
