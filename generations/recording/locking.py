"""Who writes to a project at the same time: one alone, or several that each lock what they write.

Alone is the rule: two first sights of an id cannot land in two partitions, and nothing deadlocks. Whoever can name
beforehand all that its rows hang together by (spans: their traces and answers) locks these names instead, beside others
of its kind. What both write without having named it, threads and participants that are made wider and tags, is merged
by the database, in the order of the ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any, Final

_LOCK: Final = 0x47454E32  # the first half of a project's lock; the second is the project
MOST: Final = 250
"""Names that are locked one by one: PostgreSQL has room for some 64 locks a connection, and they share it."""


def alone(project: int) -> str:
    """A statement that waits until nobody else writes to the project, and lets nobody in until the transaction ends."""
    return f"SELECT pg_advisory_xact_lock({_LOCK}, {project % 2**31})"


def beside(project: int, names: Collection[str]) -> str:
    """A statement that waits until nobody writes alone, nor anybody who named one of these, until the transaction ends.

    At most MOST names: whoever has more writes alone. They are locked in one order, so that nobody waits in a circle.
    """
    keys = ",".join(map(str, sorted({_key(project, name) for name in names})))
    return (
        f"SELECT pg_advisory_xact_lock_shared({_LOCK}, {project % 2**31})"  # noqa: S608
        f" UNION ALL SELECT pg_advisory_xact_lock(key) FROM unnest('{{{keys}}}'::bigint[]) AS named (key)"
    )


def lock(cursor: Any, project: int) -> None:
    """Write alone from here until the transaction ends."""
    cursor.execute(alone(project))


def _key(project: int, name: str) -> int:
    digest = hashlib.blake2b(f"{project}\0{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
