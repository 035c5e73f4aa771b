"""Times within, around and beside one another: the same as looking at each pair, and far fewer looks."""

from __future__ import annotations

import random
from typing import Any

import pytest

from generations.ingest.otlp import clients, couples
from generations.ingest.otlp.times import Times
from generations.records import GenerationRecord

Given = dict[str, tuple[int | None, int | None]]


def drawn(draw: random.Random) -> Given:
    """Up to 40 times within a short while, so that many begin or end at once; some have not ended."""
    found: Given = {}
    for number in range(draw.randint(0, 40)):
        start = draw.randint(0, 20)
        found[str(number)] = (start, start + draw.randint(0, 8) if draw.random() < 0.9 else None)
    return found


def paired(times: Given, start: int, end: int, *, is_nested: bool) -> set[str]:
    """The same by looking at each of them."""
    found = set()
    for id, (a, b) in times.items():
        if a is not None and b is not None:
            nested = (a <= start and end <= b) or (start <= a and b <= end)
            if nested if is_nested else (a <= end and start <= b):
                found.add(id)
    return found


@pytest.mark.parametrize("seed", range(200))
def test_those_that_are_taken_are_those_of_which_it_is_true_each_once(seed: int) -> None:
    draw = random.Random(seed)
    given = drawn(draw)
    times = Times(given)
    for _ in range(24):
        start = draw.randint(-2, 24)
        end = start + draw.randint(0, 10)
        is_nested = draw.random() < 0.5
        wanted = paired(given, start, end, is_nested=is_nested)
        assert (times.nested if is_nested else times.overlapping)(start, end) == wanted
        given = {id: time for id, time in given.items() if id not in wanted}


class Moment(int):
    """A moment that counts how often it is compared."""

    compared = 0

    def __lt__(self, other: object) -> bool:
        Moment.compared += 1
        return int.__lt__(self, other)  # type: ignore[operator]

    def __le__(self, other: object) -> bool:
        Moment.compared += 1
        return int.__le__(self, other)  # type: ignore[operator]


def test_two_thousand_calls_beside_two_thousand_are_not_compared_by_pairs() -> None:
    stored: dict[str, tuple[Any, Any]] = {str(n): (Moment(n * 10), Moment(n * 10 + 15)) for n in range(2_000)}
    new = []
    for id, (start, end) in stored.items():
        times: dict[str, Any] = {"started_at": Moment(start + 1), "ended_at": Moment(end - 1)}
        new.append(couples.Call(GenerationRecord(id=f"new {id}", model_id="claude", **times), None, "tests"))

    assert clients.beside(new, stored) == stored.keys()
    assert Moment.compared < 2_000 * 200
