"""Frozen dataclasses that are made fast are the same as any others."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from generations import making
from generations.records import GenerationRecord, ScoreRecord, revised


@dataclass(frozen=True, slots=True, kw_only=True)
class _Thing:
    note: str | None = None
    parts: list[int] = field(default_factory=list)
    id: str


_copied = making.quick(_Thing).copied


def test_an_instance_has_its_type_and_what_was_given_and_the_defaults() -> None:
    thing = _Thing(id="a")
    assert (type(thing), thing.id, thing.note, thing.parts) == (_Thing, "a", None, [])
    assert thing == _Thing(id="a") and thing.parts is not _Thing(id="a").parts
    assert repr(thing) == "_Thing(note=None, parts=[], id='a')"


def test_it_is_still_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        _Thing(id="a").id = "b"  # type: ignore[misc]


@pytest.mark.parametrize("given", [{}, {"id": "a", "other": 1}])
def test_fields_that_lack_and_those_that_there_are_not_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(TypeError):
        _Thing(**given)  # type: ignore[arg-type]


def test_a_copy_has_every_field_and_is_another_object() -> None:
    thing = _Thing(note="n", parts=[1], id="a")
    copy = _copied(thing)
    assert copy == thing and copy is not thing and type(copy) is _Thing
    assert replace(thing, id="b") == _Thing(note="n", parts=[1], id="b")
    assert pickle.loads(pickle.dumps(thing)) == thing


def test_records_are_revised_without_touching_what_they_were() -> None:
    record = GenerationRecord(id="g", model_id="m", tags=("a",))
    changed = revised(record, model_id="n")
    assert (record.model_id, changed.model_id, changed.tags, changed.id) == ("m", "n", ("a",), "g")
    # A field without a default that stands behind one with.
    assert revised(ScoreRecord(name="s", value=1.0), value=2.0) == ScoreRecord(name="s", value=2.0)
