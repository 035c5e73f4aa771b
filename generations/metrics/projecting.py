"""Reads `$project` and applies it to a document, or to the shape of one: keep, drop and rename, nothing computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from generations.metrics.grouping import path_of
from generations.metrics.query import BadQuery

Tree = Any
MISSING: Final = object()
"""What is at a path that a document does not have."""


@dataclass(frozen=True, slots=True)
class Projection:
    """Either what is made of a document, (path, path it is taken from), or only what is dropped from it.

    `has_key` says whether the document's own id stays without being named.
    """

    made: tuple[tuple[str, str], ...]
    dropped: tuple[str, ...]
    has_key: bool

    @property
    def sources(self) -> tuple[str, ...]:
        """The paths that it names in the document it is applied to."""
        return tuple(source for _, source in self.made) + self.dropped


def read(spec: object, key: str) -> Projection:
    """The projection that a `$project` document asks for; `key` is the path that stays unless it is dropped."""
    if not isinstance(spec, Mapping) or not spec:
        raise BadQuery("$project", spec, "an object such as {totalTokens: 1, model: '$_id'}")
    made: list[tuple[str, str]] = []
    dropped: list[str] = []
    for path, wanted in spec.items():
        if not isinstance(path, str) or not all(path.split(".")) or path.startswith("$"):
            raise BadQuery("$project", path, "a path that does not begin with $")
        if isinstance(wanted, bool) or (isinstance(wanted, int) and wanted in (0, 1)):
            if wanted:
                made.append((path, path))
            else:
                dropped.append(path)
        elif isinstance(wanted, str):
            made.append((path, path_of(f"$project.{path}", wanted)))
        else:
            raise BadQuery(f"$project.{path}", wanted, "1, 0 or a path such as '$_id'; nothing is computed here")
    others = [path for path in dropped if path not in (key, "_id")]
    if made and others:
        raise BadQuery("$project", others[0], f"what to keep or what to drop, not both, {key} apart")
    targets = [target for target, _ in made]
    for target in targets:
        if any(target != other and target.startswith(f"{other}.") for other in targets):
            raise BadQuery("$project", target, "paths that do not lie within each other")
    is_said = any(path == key or path.startswith(f"{key}.") for path in (*targets, *dropped))
    has_key = not is_said and "_id" not in dropped
    return Projection(tuple(made), tuple(path for path in dropped if path != "_id" or key == "_id"), has_key)


def applied(projection: Projection, tree: Mapping[str, Tree], key: str) -> dict[str, Tree]:
    """A document as the projection leaves it; what it does not have is left out."""
    if not projection.made:
        result = dict(tree)
        for path in projection.dropped:
            result = _without(result, path.split("."))
        return result
    result = {key: tree[key]} if projection.has_key and key in tree else {}
    for target, source in projection.made:
        found = at(tree, source)
        if found is not MISSING:
            _put(result, target.split("."), found)
    return result


def at(tree: Tree, path: str) -> Tree:
    """What is at a dotted path of a document, `MISSING` when there is nothing; numbers count the items of lists."""
    for name in path.split("."):
        if isinstance(tree, Mapping) and name in tree:
            tree = tree[name]
        elif isinstance(tree, list) and name.isascii() and name.isdigit() and int(name[:9]) < len(tree):
            tree = tree[int(name[:9])]
        else:
            return MISSING
    return tree


def leaves(tree: Tree, path: str = "") -> Iterator[tuple[str, Tree]]:
    """Every value in a document that is neither an object nor a list, with its path, in order."""
    if isinstance(tree, Mapping):
        pairs: list[tuple[str, Tree]] = [(str(name), part) for name, part in tree.items()]
    elif isinstance(tree, list):
        pairs = [(str(n), part) for n, part in enumerate(tree)]
    else:
        yield path, tree
        return
    for name, part in pairs:
        yield from leaves(part, f"{path}.{name}" if path else name)


def _without(tree: dict[str, Tree], names: list[str]) -> dict[str, Tree]:
    head, *rest = names
    if not rest:
        return {name: part for name, part in tree.items() if name != head}
    if isinstance(tree.get(head), Mapping):
        return {**tree, head: _without(dict(tree[head]), rest)}
    return tree


def _put(tree: dict[str, Tree], names: list[str], value: Tree) -> None:
    for name in names[:-1]:
        tree = tree.setdefault(name, {})
    tree[names[-1]] = value
