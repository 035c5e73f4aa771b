"""Makes records storable: bounds, characters, numbers and dates. What has no honest stored form is refused by name."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from decimal import Decimal
from operator import attrgetter
from types import NoneType
from typing import Any, Final

import orjson

from generations import weighing
from generations.records import KINDS, THUMBS, Alternative, InvalidRecord, Json, R, revised

MAX_ID: Final = 512
MAX_TEXT: Final = 1_000
MAX_ERROR: Final = 2_000
MAX_TAGS: Final = 100
MAX_TAG: Final = 200
MAX_METADATA: Final = 1 << 20
MAX_PAYLOAD: Final = 64 << 20
MAX_DEPTH: Final = 250
MAX_ALTERNATIVES: Final = 1_000
MAX_INT: Final = 2**31 - 1
MAX_BYTES: Final = 2**53 - 1
"""The largest size of a file: up to it, every reader of JSON has a whole number exactly."""
MAX_NUMBER: Final = 1e15
EARLIEST: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
LATEST_AHEAD: Final = dt.timedelta(days=2)


Packed = dict[int, tuple[Json, bytes | None]]
"""Values as JSON by where they are in memory, each beside its value, which stays there for as long; None as nothing."""
Columns = dict[str, tuple[Any, ...]]
"""What records of one type have in their fields, by the fields' names."""


def clean(record: R, *, now: dt.datetime, packed: Packed | None = None) -> R:
    """`record` made storable: NUL characters and lone surrogates dropped, sizes and ranges checked, dates clamped.

    Raises InvalidRecord for what has no honest stored form: NaN and infinities, numbers and texts out of bounds,
    an empty id, a rating outside 1 to 5. JSON that had to be written to be checked is kept in `packed`.
    """
    (done,) = clean_alike((record,), now=now, packed=packed)
    if isinstance(done, InvalidRecord):
        raise done
    return done


def columns(given: Sequence[Any]) -> Columns:
    """What these records of one type have in each field but `cleared`, by its name. There is at least one record."""
    names, read = _FIELDS[type(given[0])]
    return dict(zip(names, zip(*map(read, given), strict=True), strict=True))


def clean_alike(
    given: Sequence[R], *, now: dt.datetime, packed: Packed | None = None, read: Columns | None = None
) -> list[R | InvalidRecord]:
    """Each of these records of one type as `clean` makes it, or what is wrong with it.

    A field of all of them at a time: most of what comes needs nothing, which is seen sooner of many values than of one.
    Whoever has their `columns` already gives them as `read`.
    """
    if not given:
        return []
    nothing, latest = (None,) * len(given), now + LATEST_AHEAD
    packed = {} if packed is None else packed
    changes: dict[int, dict[str, Any]] = {}
    wrong: dict[int, InvalidRecord] = {}
    for name, values in (read or columns(given)).items():
        if values == nothing or _are_sound(name, values, latest, packed):
            continue
        done: dict[int, Any] = {}
        for place, value in enumerate(values):
            if value is None:
                continue
            try:
                if (tidy := done.get(id(value))) is None:  # many have the very same tags
                    tidy = done[id(value)] = _clean_field(name, value, now, packed)
            except InvalidRecord as error:
                wrong.setdefault(place, error)
            else:
                if tidy is not value:
                    changes.setdefault(place, {})[name] = tidy
    outcomes: list[R | InvalidRecord] = list(given)
    for place, change in changes.items():
        outcomes[place] = revised(given[place], **change)
    for place, refused in wrong.items():
        outcomes[place] = refused
    return outcomes


def _are_sound(name: str, values: Sequence[Any], latest: dt.datetime, packed: Packed) -> bool:
    """Whether these values of a field can be stored as they are, as far as that is seen at once."""
    kinds = {*map(type, values)}
    if NoneType in kinds:
        kinds.discard(NoneType)
        values = [value for value in values if value is not None]
    if len(kinds) > 1:
        return all(_are_sound(name, [v for v in values if type(v) is kind], latest, packed) for kind in kinds)
    (kind,) = kinds
    if kind is str:
        return _are_plain(values, _LONGEST[name]) and name != "thumbs" and (name != "id" or "" not in values)
    if kind is dict or kind is list:
        return _are_json(values, _limit(name), packed)
    if name in _ANYTHING and (kind is int or kind is float):
        return _are_json(values, _limit(name), packed)
    if kind is int:
        return name not in _FLOATS and name not in _AMOUNTS and min(values) >= 0 and max(values) <= _largest(name)
    if kind is float:
        # The sum tells whether one of them is not a number, which neither min nor max does.
        is_finite = name != "rating" and math.isfinite(sum(values))
        return is_finite and min(values) >= 0 and max(values) <= MAX_NUMBER
    if kind is dt.datetime:
        return {*map(id, map(_ZONE, values))} == {id(dt.UTC)} and min(values) >= EARLIEST and max(values) <= latest
    return kind is bool or (kind in _EMPTY and not any(values))


_EMPTY: Final = frozenset({tuple, frozenset})
_ZONE: Final = attrgetter("tzinfo")


def _are_plain(texts: Sequence[str], longest: int) -> bool:
    every = "".join(texts)
    if len(every) > longest and max(map(len, texts)) > longest:
        return False
    return "\0" not in every and (every.isascii() or _is_unicode(every))


def _is_unicode(text: str) -> bool:
    """Whether there is no surrogate in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _clean_field(name: str, value: Any, now: dt.datetime, packed: Packed | None = None) -> Any:
    kind = type(value)
    if kind is dict or kind is list:
        return clean_json(name, value, _limit(name), packed) if value else value
    if isinstance(value, str):
        return _clean_text(name, value)
    if isinstance(value, bool):
        return value
    if name in _ANYTHING and isinstance(value, int | float):
        return clean_json(name, value, _limit(name), packed)
    if isinstance(value, int) and name in _FLOATS:
        value = float(value) if abs(value) < 10**18 else math.inf
    if isinstance(value, int) and name in _AMOUNTS:
        value = Decimal(value)
    if isinstance(value, int):
        most = _largest(name)
        if not 0 <= value <= most:
            raise InvalidRecord(name, value, f"a whole number from 0 to {most}")
        return value
    if isinstance(value, Decimal | float):
        return _clean_number(name, value)
    if isinstance(value, dt.datetime):
        return clamp(value, now)
    if name in ("tags", "categories"):
        return _clean_tags(name, value)
    if name in ("scores", "attachments"):
        return tuple(clean(child, now=now) for child in value)
    if name == "feedback":
        return clean(value, now=now)
    if name == "alternatives":
        return _clean_alternatives(value)
    return clean_json(name, value, _limit(name))


def _largest(name: str) -> int:
    """The largest whole number that this field takes."""
    return MAX_BYTES if name == "size" else MAX_INT


def _limit(name: str) -> int:
    return MAX_METADATA if name in ("metadata", "request_attributes", "response_attributes") else MAX_PAYLOAD


_FLOATS: Final = frozenset({"rating", "value", "latency", "time_to_first_token", "tokens_per_second"})
_AMOUNTS: Final = frozenset({"cost", "input_cost", "output_cost"})
_ANYTHING: Final = frozenset({"input", "output"})
"""Fields that hold any JSON, for which a number is a number like any other in it."""
_PAYLOAD_TEXT: Final = frozenset({"prompt", "completion", "error_detail", "comment", "input", "output"})


def _longest(name: str) -> int:
    """How many characters a text in this field may have."""
    if name in _PAYLOAD_TEXT or name == "error":
        return MAX_PAYLOAD
    if name == "id" or name.endswith("_id"):
        return MAX_ID
    if name in ("type", "thumbs"):
        return 40
    return MAX_TEXT if name != "url" else 4_000


_NAMES: Final = {kind: tuple(f.name for f in fields(kind) if f.name != "cleared") for kind in KINDS}
_FIELDS: Final = {kind: (names, attrgetter(*names)) for kind, names in _NAMES.items()}
"""The fields of each type of record, and what reads them all."""
_LONGEST: Final = {name: _longest(name) for names in _NAMES.values() for name in names}


def _clean_text(name: str, value: str) -> str:
    text, limit = clean_string(value), _LONGEST[name]
    if name == "id" and not text:
        raise InvalidRecord("id", value, f"a text of 1 to {MAX_ID} characters")
    if len(text) > limit:
        raise InvalidRecord(name, text, f"at most {limit} characters, got {len(text)}")
    if name == "thumbs" and text not in THUMBS:
        raise InvalidRecord(name, text, "'up' or 'down'")
    return text


def _clean_number(name: str, value: Decimal | float) -> Decimal | float:
    number = float(value)
    if not math.isfinite(number):
        raise InvalidRecord(name, value, "a finite number")
    if name == "rating" and not 1 <= number <= 5:
        raise InvalidRecord(name, value, "a number from 1 to 5")
    if abs(number) > MAX_NUMBER:
        raise InvalidRecord(name, value, f"a number between -{MAX_NUMBER:g} and {MAX_NUMBER:g}")
    if number < 0 and name not in ("value", "score", "rating"):
        raise InvalidRecord(name, value, "a number that is not negative")
    return value


def _clean_tags(name: str, value: Iterable[str]) -> tuple[str, ...]:
    if (
        type(value) is tuple
        and len(value) <= 10
        and all(type(t) is str and t.isalnum() and len(t) <= 40 for t in value)
    ):
        return tuple(dict.fromkeys(value)) if len(set(value)) != len(value) else value
    tags = tuple(dict.fromkeys(tag for tag in (clean_string(str(t)).strip() for t in value) if tag))
    if len(tags) > MAX_TAGS:
        raise InvalidRecord(name, len(tags), f"at most {MAX_TAGS} of them")
    for tag in tags:
        if len(tag) > MAX_TAG:
            raise InvalidRecord(name, tag, f"at most {MAX_TAG} characters each")
    return tags if tags != value else tuple(value)


def _clean_alternatives(alternatives: Sequence[Alternative]) -> tuple[Alternative, ...]:
    if len(alternatives) > MAX_ALTERNATIVES:
        raise InvalidRecord("alternatives", len(alternatives), f"at most {MAX_ALTERNATIVES} of them")
    if len({a.index for a in alternatives}) != len(alternatives):
        raise InvalidRecord("alternatives.index", [a.index for a in alternatives], "each index once")
    return tuple(
        replace(
            a,
            content=clean_json("alternatives.content", a.content, MAX_PAYLOAD),
            logprobs=clean_json("alternatives.logprobs", a.logprobs, MAX_PAYLOAD),
            score=None if a.score is None else float(_clean_number("score", a.score)),
            finish_reason=a.finish_reason and clean_string(a.finish_reason),
            tokens=None if a.tokens is None else int(_clean_field("alternatives.tokens", a.tokens, EARLIEST)),
        )
        for a in alternatives
    )


_STRICT: Final = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS


def clean_string(text: str) -> str:
    """`text` without NUL characters (PostgreSQL has no place for them) and lone surrogates."""
    if "\0" in text:
        text = text.replace("\0", "")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def clean_json(name: str, value: Json, limit: int, packed: Packed | None = None) -> Json:
    """`value` with clean strings; refuses what JSON or the store cannot hold, naming the path to it.

    The text of a value that is left as it is goes to `packed`.
    """
    if _are_json([value], limit, packed):
        return value
    if weighing.are_too_many(value):
        raise InvalidRecord(name, "…", f"at most {weighing.MAX_VALUES} values")
    if weighing.are_too_long(value):
        raise InvalidRecord(name, "…", f"at most {weighing.MAX_DIGITS} digits in its numbers, without exponents")
    size = 0

    def walk(node: Json, path: str, depth: int) -> Json:
        nonlocal size
        if isinstance(node, str):
            size += len(node) + 2
            if size > limit:
                raise InvalidRecord(name, "…", f"at most {limit} bytes of JSON")
            return clean_string(node)
        if node is None or isinstance(node, bool):
            size += 5
            return node
        if isinstance(node, int):
            size += 8
            if abs(node) > 10**300:
                raise InvalidRecord(path, "a huge number", "a number below 1e300")
            return node
        if isinstance(node, float):
            size += 8
            if not math.isfinite(node):
                raise InvalidRecord(path, node, "a finite number (JSON has no NaN or Infinity)")
            return node
        if depth > MAX_DEPTH:
            raise InvalidRecord(path[:200], "…", f"at most {MAX_DEPTH} levels of nesting")
        if isinstance(node, Mapping):
            size += 2
            return {
                clean_string(key if isinstance(key, str) else str(key)): walk(item, f"{path}.{key}", depth + 1)
                for key, item in node.items()
            }
        if isinstance(node, list | tuple):
            size += 2
            return [walk(item, f"{path}[{n}]", depth + 1) for n, item in enumerate(node)]
        if isinstance(node, dt.datetime | dt.date | uuid.UUID | Decimal):
            return str(node)
        raise InvalidRecord(path, type(node).__name__, "a JSON value")

    result = walk(value, name, 0)
    if size > limit:
        raise InvalidRecord(name, f"{size} bytes", f"at most {limit} bytes of JSON")
    return result


def _are_json(values: Sequence[Json], limit: int, packed: Packed | None) -> bool:
    """Whether each of these is JSON that can be stored as it is; their texts go to `packed`.

    orjson sees that a hundred times sooner than a walk through them. It writes null for what is not a number.
    """
    try:
        # Copied: orjson's own stay as large as what was reserved for them, and are kept for a while.
        texts = [b"%b" % orjson.dumps(value, None, _STRICT) for value in values]
    except (TypeError, orjson.JSONDecodeError):
        return False  # not JSON, deeper than orjson goes, or not Unicode: the walk says where
    every = b"".join(texts)
    if b"\\u0000" in every or (len(every) > limit and max(map(len, texts)) > limit):
        return False
    if len(every) > weighing.MAX_VALUES and any(
        weighing.are_too_many(value)
        for value, text in zip(values, texts, strict=True)
        if weighing.may_be_too_many(text)
    ):
        return False
    if len(every) > weighing.LONG and any(
        weighing.are_too_long(value)
        for value, text in zip(values, texts, strict=True)
        if weighing.may_be_too_long(text)
    ):
        return False
    if b"null" in every and not all(
        _are_numbers(value) for value, text in zip(values, texts, strict=True) if b"null" in text
    ):
        return False
    if packed is not None:
        packed.update(zip(map(id, values), zip(values, texts, strict=True), strict=True))
    return True


def _are_numbers(value: Json) -> bool:
    """Whether all floats in it are numbers. orjson wrote it, so that there are no types in it but those of JSON."""
    seen: list[Any] = [(value,)]
    for one in seen:  # and what is in it, which joins behind
        inner = one.values() if type(one) is dict else one
        kinds = {*map(type, inner)}
        if float in kinds and not all(math.isfinite(other) for other in inner if type(other) is float):
            return False
        if not kinds.isdisjoint(weighing.NESTED):
            seen += [other for other in inner if type(other) in weighing.NESTED]
    return True


def clamp(moment: dt.datetime, now: dt.datetime) -> dt.datetime:
    """`moment` in UTC, pulled to `now` when it lies before 2000 or more than two days ahead: no clock means that."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    try:
        moment = moment.astimezone(dt.UTC)
    except OverflowError:
        return now
    return moment if EARLIEST <= moment <= now + LATEST_AHEAD else now
