"""The keys by which rows are known: computed, no two the same, and together where their rows are written together."""

import hashlib
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as some

from generations import identities
from tests import rows

OLD, NEW = 7, identities.TOGETHER_FROM
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
UUID7 = "01a1d4c7-6600-700f-98b1-4f547678cc28"
IDS = some.one_of(
    some.text(max_size=60),
    some.uuids().map(str),
    some.builds(lambda n: str(uuid.UUID(int=n << 80 | 0x7000 << 64 | 0x8 << 60)), some.integers(0, 2**48 - 1)),
    some.builds("{:032x}-{:016x}".format, some.integers(0, 2**128 - 1), some.integers(0, 2**64 - 1)),
)


def hashed(project: int, kind: str, id: str) -> uuid.UUID:
    """How keys were made before they began as ids do."""
    digest = hashlib.blake2b(f"{project}\0{kind}\0{id}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return uuid.UUID(int=int.from_bytes(digest) & ~(0xF << 76 | 0b11 << 62) | 0x8 << 76 | 0b10 << 62)


@given(IDS)
def test_projects_that_were_there_keep_their_keys(id: str) -> None:
    assert identities.uid(OLD, "step", id) == hashed(OLD, "step", id)


@given(IDS)
def test_a_key_is_a_uuid_that_says_how_it_is_made(id: str) -> None:
    key = identities.uid(NEW, "step", id)
    assert str(key) == identities.uid_text(NEW, "step", id)
    assert (key.version, key.variant) == (8, uuid.RFC_4122)


@given(some.lists(IDS, unique=True))
def test_no_two_rows_have_one_key(ids: list[str]) -> None:
    named = [(project, kind, id) for project in (NEW, NEW + 1) for kind in ("step", "generation") for id in ids]
    assert len({identities.uid(*one) for one in named}) == len(named)


@pytest.mark.parametrize("id", [f"{TRACE}-00f067aa0ba902b7", f"{TRACE}-00f067aa0ba902b8", UUID7])
def test_keys_begin_with_the_trace_or_the_time_of_their_ids(id: str) -> None:
    assert identities.uid(NEW, "step", id).hex[:12] == id.replace("-", "")[:12]
    assert identities.uid(NEW, "step", id).hex[12:] == hashed(NEW, "step", id).hex[12:]


@pytest.mark.parametrize("id", [TRACE.upper() + "-00f067aa0ba902b7", "é" * 49, "x" * 32 + "-" + "0" * 16, UUID7 + "\n"])
def test_what_only_looks_like_that_is_hashed_whole(id: str) -> None:
    assert identities.uid(NEW, "step", id) == hashed(NEW, "step", id)


@pytest.mark.django_db
def test_new_projects_have_keys_that_lie_together() -> None:
    assert rows.project().pk >= identities.TOGETHER_FROM
