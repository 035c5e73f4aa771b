"""Forms that two people have open: the second to save is told, keeps what was typed, and may then save over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from generations.models import Evaluator, ReviewQueue
from tests import web

pytestmark = pytest.mark.django_db

TOLD = "Somebody has changed it since you opened this page."
QUEUE = {"do": "change", "description": "", "criteria": "safe: yes/no", "reviewers": "1"}


def as_of(page: Any) -> str:
    """What the form on the page says it was filled with."""
    [said] = {str(field["value"]) for field in web.tags(page, "input") if field.get("name") == "as_of"}
    return said


@pytest.mark.parametrize(
    ("new", "made", "kept"),
    [
        ("review/", {"name": "First", "criteria": "safe: yes/no", "reviewers": "1"}, QUEUE),
        ("evaluators/new/contains/", {"name": "First", "text": "sorry"}, {"text": "sorry", "score_name": ""}),
    ],
    ids=["a queue", "an evaluator"],
)
def test_what_somebody_else_has_changed_is_not_saved_over_in_silence(
    new: str, made: Mapping[str, str], kept: Mapping[str, str]
) -> None:
    project = web.project()
    mia = web.signed_in(project)
    ben = web.signed_in(project, name="ben")
    place = mia.post(f"/projects/{project.slug}/{new}", made).headers["Location"]
    opened = {who: as_of(who.get(place)) for who in (mia, ben)}

    first = mia.post(place, {**kept, "name": "Mine", "as_of": opened[mia]})
    second = ben.post(place, {**kept, "name": "Theirs", "as_of": opened[ben]})

    assert (first.status_code, second.status_code) == (302, 400)
    assert TOLD in web.text(second)
    assert "Theirs" in [field.get("value") for field in web.tags(second, "input")]
    assert names() == ["Mine"]
    third = ben.post(place, {**kept, "name": "Theirs", "as_of": as_of(second)})
    assert third.status_code == 302
    assert names() == ["Theirs"]


def names() -> list[str]:
    """The names of all that was made."""
    found = (*ReviewQueue.objects.values_list("name", flat=True), *Evaluator.objects.values_list("name", flat=True))
    return sorted(found)
