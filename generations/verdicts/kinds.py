"""The kinds of evaluators and what may be said of each, checked in one place for every door."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from generations.records import InvalidRecord, Json

MAX_PATTERN: Final = 2_000
MAX_TEXT: Final = 10_000
REQUIRED: Final = object()


@dataclass(frozen=True, slots=True)
class Option:
    """Something that may be said of an evaluator. `default` is REQUIRED where it has to be said."""

    name: str
    what: str
    default: Any
    take: Callable[[Json], Json]
    expected: str
    input: str = "text"
    """How a form asks for it: text, number, tick, lines, choice or model."""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to score: what its scores mean, and whether it compares with what was expected."""

    name: str
    title: str
    says: str
    options: tuple[Option, ...]
    needs_expected: bool = True
    calls: bool = False
    """Whether it calls a model."""


class _Wrong(ValueError):
    pass


def _flag(value: Json) -> bool:
    if not isinstance(value, bool):
        raise _Wrong
    return value


def _amount(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise _Wrong
    return float(value)


def _text(most: int, least: int = 1) -> Callable[[Json], str]:
    def take(value: Json) -> str:
        if not isinstance(value, str) or not least <= len(value.strip()) <= len(value) <= most:
            raise _Wrong
        return value

    return take


def _among(*choices: str) -> Callable[[Json], str]:
    def take(value: Json) -> str:
        if value not in choices:
            raise _Wrong
        return str(value)

    return take


def _pattern(value: Json) -> str:
    text = _text(MAX_PATTERN)(value)
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise _Wrong(f"a regular expression: {error}") from error
    return text


def _schema(value: Json) -> Json:
    if not isinstance(value, Mapping | bool):
        raise _Wrong
    return value


_CASE: Final = Option(
    "ignoreCase", "Take capital and small letters for the same", False, _flag, "true or false", "tick"
)
_MODEL: Final = Option(
    "model", "The model that is asked", REQUIRED, _text(300), "the name of a model, such as ngram:", "model"
)

KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind(
            "exact",
            "Exact",
            "1 where the answer is what was expected, 0 where not; spaces around it do not count. What was expected as"
            " an object or a list is compared with the answer as JSON.",
            (_CASE,),
        ),
        Kind(
            "contains",
            "Contains",
            "1 where the answer contains the text, or what was expected; 0 where not.",
            (
                Option(
                    "text",
                    "The text to look for; without one, what was expected",
                    None,
                    _text(MAX_TEXT),
                    f"a text of 1 to {MAX_TEXT} characters",
                ),
                _CASE,
            ),
        ),
        Kind(
            "regex",
            "Regular expression",
            "1 where the expression matches somewhere in the answer, or all of it; 0 where not.",
            (
                Option(
                    "pattern",
                    "A regular expression in Python's words",
                    REQUIRED,
                    _pattern,
                    f"a regular expression of 1 to {MAX_PATTERN} characters",
                ),
                Option("whole", "It has to match all of the answer", False, _flag, "true or false", "tick"),
                _CASE,
            ),
            needs_expected=False,
        ),
        Kind(
            "json_schema",
            "JSON schema",
            "1 where the answer is JSON that the schema allows, 0 where not, with what is wrong. Nothing is fetched"
            " for a schema: references lead into itself.",
            (Option("schema", "A JSON schema", REQUIRED, _schema, "a JSON schema: an object", "lines"),),
            needs_expected=False,
        ),
        Kind(
            "numeric",
            "Number within a tolerance",
            "1 where the last number of the answer is as far from the expected one as is allowed, or nearer; else 0.",
            (
                Option("absolute", "How far it may be off", 0.0, _amount, "a number of 0 or more", "number"),
                Option(
                    "relative",
                    "How far it may be off as a part of the expected number: 0.01 is 1 %",
                    0.0,
                    _amount,
                    "a number of 0 or more",
                    "number",
                ),
            ),
        ),
        Kind(
            "similarity",
            "Similarity",
            "From 0, nothing in common with what was expected, to 1.",
            (
                Option(
                    "by",
                    "What is compared: words whatever their order, or groups of three letters",
                    "words",
                    _among("words", "letters"),
                    "words or letters",
                    "choice",
                    ("words", "letters"),
                ),
            ),
        ),
        Kind(
            "log_probability",
            "Log-probability of the expected answer",
            "How likely a model takes what was expected to be, after what was asked: 0 is certain, less is less so.",
            (
                _MODEL,
                Option(
                    "per",
                    "The mean of its tokens, or their sum",
                    "token",
                    _among("token", "text"),
                    "token or text",
                    "choice",
                    ("token", "text"),
                ),
            ),
            calls=True,
        ),
        Kind(
            "judge",
            "A model as judge",
            "1 to 5, and why, by a model that is told the criterion. Its calls are recorded.",
            (
                _MODEL,
                Option(
                    "criterion",
                    "What the judge goes by",
                    REQUIRED,
                    _text(MAX_TEXT),
                    f"a text of 1 to {MAX_TEXT} characters",
                    "lines",
                ),
            ),
            needs_expected=False,
            calls=True,
        ),
    )
}
"""All kinds, in the order in which people choose among them."""


def checked(kind: str, options: Mapping[str, Json]) -> dict[str, Json]:
    """The options of an evaluator, whole. Raises InvalidRecord naming the option, its value and what is right.

    A schema is taken as it is: `Apart.check` says whether it is one.
    """
    if kind not in KINDS:
        raise InvalidRecord("kind", kind, f"one of {', '.join(KINDS)}")
    known = {option.name: option for option in KINDS[kind].options}
    for name in options:
        if name not in known:
            offered = f"an option of {kind}: one of {', '.join(known)}"
            raise InvalidRecord(f"options.{name}", options[name], offered)
    made: dict[str, Json] = {}
    for name, option in known.items():
        given = options.get(name)
        if given is None:
            if option.default is REQUIRED:
                raise InvalidRecord(f"options.{name}", given, option.expected)
            made[name] = option.default
            continue
        try:
            made[name] = option.take(given)
        except _Wrong as problem:
            raise InvalidRecord(f"options.{name}", given, str(problem) or option.expected) from problem
    return made
