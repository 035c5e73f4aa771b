"""Rules that compare an answer with what was expected. All of them end, in time that grows with the texts alone.

Regular expressions and JSON schemas may not: `apart` has them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from generations import reading
from generations.records import Json

MOST: Final = 200_000
"""Characters of a text that are looked at."""
_NUMBER: Final = re.compile(r"[-+]?(?:\d{1,300}(?:,\d{3})*(?:\.\d{1,300})?|\.\d{1,300})(?:[eE][-+]?\d{1,4})?")
_FENCE: Final = re.compile(r"```[\w-]*")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A score, and what there is to say about it."""

    value: float
    comment: str | None = None


class Unscored(Exception):
    """There is no score, for the reason that the sentence says."""


def plain(value: Json) -> str:
    """The text of an answer, or of what was expected: of a message what it says, of one named value the value."""
    if isinstance(value, Mapping):
        if "role" in value:
            return reading.message_text(value)
        if len(value) == 1:
            return plain(next(iter(value.values())))
    if isinstance(value, list) and value and all(isinstance(one, Mapping) and "role" in one for one in value):
        return reading.message_text(value[-1])
    return reading.text_of(value)


def said_by(kind: str, options: Mapping[str, Any], output: Json, expected: Json) -> Verdict:
    """What the rule says of an answer. Raises Unscored."""
    try:
        return _RULES[kind](options, output, expected)
    except RecursionError:
        raise Unscored("The answer, or what was expected, is nested too deep.") from None


def json_of(text: str) -> Json:
    """The JSON that a text is, also within a fence of Markdown. Raises Unscored."""
    # In parts, and not by one expression: that would look at each end of a line for each other one.
    head, _, rest = text.strip().partition("\n")
    is_fenced = rest.endswith("```") and _FENCE.fullmatch(head.rstrip()) is not None
    try:
        return orjson.loads(rest.removesuffix("```") if is_fenced else text)
    except orjson.JSONDecodeError as error:
        raise Unscored(f"it is not JSON: {error}") from error


def _exact(options: Mapping[str, Any], output: Json, expected: Json) -> Verdict:
    if isinstance(expected, list | Mapping) and not isinstance(output, list | Mapping):
        try:
            if json_of(plain(output)) == expected:
                return Verdict(1)
        except Unscored:
            pass
    elif output == expected:
        return Verdict(1)
    left, right = _folded(options, output).strip(), _folded(options, expected).strip()
    return Verdict(float(left == right))


def _contains(options: Mapping[str, Any], output: Json, expected: Json) -> Verdict:
    wanted = _folded(options, expected if options.get("text") is None else options["text"]).strip()
    if not wanted:
        raise Unscored("What was expected is empty, which every answer contains.")
    return Verdict(float(wanted in _folded(options, output)))


def _numeric(options: Mapping[str, Any], output: Json, expected: Json) -> Verdict:
    wanted = _number("What was expected", expected)
    given = _number("The answer", output)
    allowed = max(float(options["absolute"]), float(options["relative"]) * abs(wanted))
    # A difference of the last digits is the machine's, not the model's.
    is_near = abs(given - wanted) <= allowed or math.isclose(abs(given - wanted), allowed, rel_tol=1e-9)
    return Verdict(float(is_near), f"{given:g} where {wanted:g} was expected, and {allowed:g} allowed")


def _number(whose: str, value: Json) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        found = [value]
    else:
        found = [one.replace(",", "") for one in _NUMBER.findall(plain(value)[-MOST:])]
    try:
        number = float(found[-1]) if found else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Unscored(f"{whose} has no number in it{' that can be compared' if found else ''}.")
    return number


def _similarity(options: Mapping[str, Any], output: Json, expected: Json) -> Verdict:
    split = _words if options["by"] == "words" else _letters
    left, right = split(plain(output)[:MOST].casefold()), split(plain(expected)[:MOST].casefold())
    both, all_ = (left & right).total(), left.total() + right.total()
    return Verdict(round(2 * both / all_, 6) if all_ else 1.0)


def _words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text))


def _letters(text: str) -> Counter[str]:
    text = f" {' '.join(text.split())} "
    return Counter(text[place : place + 3] for place in range(len(text) - 2)) if text.strip() else Counter()


def _folded(options: Mapping[str, Any], value: Json) -> str:
    text = plain(value)
    return text.casefold() if options.get("ignoreCase") else text


_RULES: Final[Mapping[str, Callable[[Mapping[str, Any], Json, Json], Verdict]]] = {
    "exact": _exact,
    "contains": _contains,
    "numeric": _numeric,
    "similarity": _similarity,
}
