"""What can be asked about a list: its fields, its relations, and how a name is found among them."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Final

from django.db import models
from django.db.models.expressions import Combinable

from generations.filters.conditions import BadFilter, Leaf
from generations.filters.kinds import INSTEAD, OF_ANY, OPERATORS, SYNONYMS, Kind
from generations.filters.sources import Source

MAX_SEGMENTS: Final = 20
MAX_SEGMENT: Final = 200


class Dynamic(StrEnum):
    """What may stand behind a field's path: nothing, keys of a JSON object, or one name."""

    NO = ""
    KEYS = "keys"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that a list can be asked about, declared once for every door.

    `path` is its name at the doors (`model.id`); `sentence` names it in English ("model"); `columns` are the model's
    attributes it reads; `choices` are all values there are, or none where any text may be; `spelt` writes a text that
    is asked for as it is stored. A dynamic field (`metadata`, `scores`) is asked about with keys behind it:
    `field(kind, "metadata.plan")` has them in `at`.
    """

    path: str
    kind: Kind
    source: Source
    sentence: str
    description: str
    aliases: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    spelt: Callable[[str], str] = str
    operators: tuple[str, ...] = ()
    sortable: bool = False
    groupable: bool = False
    dynamic: Dynamic = Dynamic.NO
    at: tuple[str, ...] = ()
    base: str = ""

    def __post_init__(self) -> None:
        if not self.operators:
            object.__setattr__(self, "operators", OPERATORS[self.kind])
        if not self.base:
            object.__setattr__(self, "base", self.path)

    @property
    def columns(self) -> tuple[str, ...]:
        """The attributes of the list's model that it reads; none when it reads another table."""
        return self.source.columns

    @property
    def column(self) -> str | None:
        """The attribute of a row that holds its value, when there is exactly one that does."""
        return self.source.column

    def expression(self, project_pk: int) -> Combinable:
        """Its value as an expression to filter, annotate, order or group by; NULL where it is unknown.

        A key of a JSON field is its text; `number` gives the number there.
        """
        return self.source.expression(project_pk, self.at)

    def number(self, project_pk: int) -> Combinable:
        """Its value as a number: as `expression`, but for a key of a JSON field NULL where there is no number."""
        return self.source.number(project_pk, self.at)

    def under(self, keys: tuple[str, ...]) -> Field:
        """The field that `keys` behind a dynamic field name."""
        if self.dynamic is Dynamic.NAME:
            keys = (".".join(keys),)
        if len(keys) > MAX_SEGMENTS or any(len(key) > MAX_SEGMENT for key in keys):
            raise BadFilter(
                self.path, ".".join(keys), f"at most {MAX_SEGMENTS} keys of at most {MAX_SEGMENT} characters"
            )
        for key in keys:
            clean_text(self.path, key)
        return replace(
            self,
            path=joined((self.base, *keys)),
            sentence=f"{self.sentence} {joined(keys)}",
            aliases=(),
            dynamic=Dynamic.NO,
            at=keys,
            base=self.base,
        )


@dataclass(frozen=True, slots=True)
class Relation:
    """Rows of another list that belong to a row: joined where their `there` equals its `here`."""

    path: str
    kind: str
    there: str
    here: str
    sentence: str
    description: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Catalogue:
    """Everything that can be asked about one list. `time` is the field that `from` and `to` narrow."""

    kind: str
    model: type[models.Model]
    time: str
    order: str
    fields: tuple[Field, ...]
    noun: str
    relations: tuple[Relation, ...] = ()
    unfiltered: Mapping[str, str] = field(default_factory=dict)
    tie: str = "uid"

    @cached_property
    def names(self) -> dict[str, Field]:
        """Every field by its path and by its aliases."""
        named: dict[str, Field] = {}
        for one in self.fields:
            for name in (one.path, *one.aliases):
                if name in named:
                    raise ValueError(f"{self.kind}: {name} is declared twice")
                named[name] = one
        return named

    @cached_property
    def related(self) -> dict[str, Relation]:
        """Every relation by its path and by its aliases."""
        return {name: one for one in self.relations for name in (one.path, *one.aliases)}

    def find(self, path: str) -> Field | None:
        """The field called `path`, or None."""
        known = self.names.get(path)
        if known is not None:
            return None if known.dynamic else known
        keys = split(path)
        if keys is None:
            return None
        for n in range(len(keys) - 1, 0, -1):
            base = self.names.get(".".join(keys[:n]))
            if base is not None and base.dynamic:
                return base.under(tuple(keys[n:]))
        return None

    def field(self, path: str) -> Field:
        """The field called `path`; raises BadFilter with the nearest right name when there is none."""
        found = self.find(path)
        if found is None:
            raise self.unknown(path)
        return found

    def asked(self, leaf: Leaf) -> Field:
        """The field that a comparison is about."""
        if not leaf.path:
            return self.field(leaf.field)
        base = self.names.get(leaf.field)
        if base is None or not base.dynamic:
            raise self.unknown(joined((leaf.field, *leaf.path)))
        return base.under(leaf.path)

    def relation(self, path: str) -> Relation:
        """The relation called `path`; raises BadFilter with the nearest right name when there is none."""
        found = self.related.get(path)
        if found is None:
            raise BadFilter(_short(path), path, f"a relation of {self.kind}{nearest(path, self.related)}")
        return found

    def unknown(self, path: str) -> BadFilter:
        """The refusal of a name that is no field of this list."""
        known = self.names.get(path)
        if known is not None:
            return BadFilter(path, path, f"a name behind it, such as {known.path}.plan")
        return BadFilter(_short(path), path, f"a field of {self.kind}{nearest(path, [*self.names, *self.related])}")

    def groups(self) -> Iterator[str]:
        """Every proper prefix of a field's path: the objects that fields are nested in."""
        for name in self.names:
            parts = name.split(".")
            for n in range(1, len(parts)):
                yield ".".join(parts[:n])

    @cached_property
    def objects(self) -> frozenset[str]:
        """The prefixes that are not fields themselves but hold some (`model`, `usage`)."""
        return frozenset(self.groups())


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint at the name that was probably meant: "; did you mean model.id?", or nothing."""
    known = {_plain(n): n for n in names}
    found = difflib.get_close_matches(_plain(name[:200]), list(known), n=1, cutoff=0.6)
    return f"; did you mean {known[found[0]]}?" if found else ""


def _plain(name: str) -> str:
    return name.replace("_", "").replace("$", "").lower()


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"


def operator(field: Field, name: str) -> str:
    """The operator of `field` that `name` says; raises BadFilter with the nearest right one when it has none."""
    op = SYNONYMS.get(name, name)
    if field.kind is Kind.TAGS and op == "eq":
        op = "contains"
    if op not in field.operators:
        expected = f"one of the operators {', '.join(field.operators)}"
        raise BadFilter(field.path, name, expected + _hint(field, op))
    return op


def _hint(field: Field, op: str) -> str:
    hint = "" if op in OF_ANY else nearest(op, field.operators)
    if not hint and op.lower() not in INSTEAD:
        op = next(iter(difflib.get_close_matches(op.lower(), INSTEAD, n=1, cutoff=0.6)), op)
    return hint or _instead(field, op)


def _instead(field: Field, op: str) -> str:
    """The operator of `field` that comes nearest to one of another kind of field, or of another language."""
    instead = next((one for one in INSTEAD.get(op.lower(), ()) if one in field.operators), "")
    if not instead:
        return ""
    others = [kind for kind, known in OPERATORS.items() if op in known]
    why = f"{op} is for a field of kind {' or '.join(others)}, " if others else ""
    return f"; {why}did you mean {instead}?"


# ---------------------------------------------------------------------------------------------------------- paths
_BARE: Final = re.compile(r'[^."][^.]*')
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')


def split(path: str) -> list[str] | None:
    """The keys of a dotted path; a key in double quotes (as in JSON) may hold dots. None when it is malformed."""
    keys: list[str] = []
    at = 0
    while True:
        quoted = _QUOTED.match(path, at)
        match = quoted or _BARE.match(path, at)
        if match is None:
            return None
        if quoted:
            try:
                keys.append(json.loads(quoted[0]))
            except json.JSONDecodeError:
                return None
        else:
            keys.append(match[0])
        at = match.end()
        if at == len(path):
            return keys
        if path[at] != ".":
            return None
        at += 1


def joined(keys: Iterable[str]) -> str:
    """The dotted path of `keys`, quoted where that is needed: what `split` reads."""
    return ".".join(key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False) for key in keys)


def clean_text(name: str, text: str, limit: int = 2_000) -> str:
    """`text` as it is when the database can hold it; raises BadFilter otherwise."""
    if "\0" in text:
        raise BadFilter(name, text, "a text without NUL characters")
    if len(text) > limit:
        raise BadFilter(name, text, f"at most {limit} characters, got {len(text)}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadFilter(name, ascii(text), "a text without lone surrogates") from None
    return text
