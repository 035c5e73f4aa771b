"""Forms that two people have open: the second to save is told, keeps what was typed, and may then save over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from generations import access, datasets, evaluating, prompts
from generations.exporting import schedules
from generations.models import Evaluator, ExportSchedule, Project, ReviewQueue, SavedView
from generations.models.accounts import Role
from generations.web.dashboard import kept
from tests import web

pytestmark = pytest.mark.django_db

TOLD = "Somebody has changed it since you opened this page."
QUEUE = {"do": "change", "description": "", "criteria": "safe: yes/no", "reviewers": "1"}


def as_of(page: Any) -> str:
    """What the form on the page says it was filled with."""
    [said] = {str(field["value"]) for field in web.tags(page, "input") if field.get("name") == "as_of"}
    return said


def values(page: Any) -> list[str | None]:
    """What stands in the fields on the page."""
    return [field.get("value") for field in web.tags(page, "input")]


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
    assert "Theirs" in values(second)
    assert names() == ["Mine"]
    third = ben.post(place, {**kept, "name": "Theirs", "as_of": as_of(second)})
    assert third.status_code == 302
    assert names() == ["Theirs"]


def names() -> list[str]:
    """The names of all that was made."""
    found = (*ReviewQueue.objects.values_list("name", flat=True), *Evaluator.objects.values_list("name", flat=True))
    return sorted(found)


def test_settings_that_somebody_else_has_changed_are_not_saved_over_in_silence() -> None:
    project = web.project()
    mia, ben = web.signed_in(project, Role.ADMIN), web.signed_in(project, Role.ADMIN, name="ben")
    address = f"/projects/{project.slug}/settings/"
    opened = {who: as_of(who.get(address)) for who in (mia, ben)}

    first = mia.post(address, {"name": "Mine", "time_zone": "UTC", "as_of": opened[mia]})
    second = ben.post(address, {"name": "Theirs", "time_zone": "UTC", "as_of": opened[ben]})

    assert (first.status_code, second.status_code) == (302, 400)
    assert TOLD in web.text(second)
    assert "Theirs" in values(second)
    assert Project.objects.get().name == "Mine"
    assert "Theirs" not in web.text(second)
    ben.post(address, {"name": "Theirs", "time_zone": "UTC", "as_of": as_of(second)})
    assert Project.objects.get().name == "Theirs"


def test_a_schedule_that_somebody_else_has_changed_is_not_saved_over_in_silence() -> None:
    project = web.project()
    mia, ben = web.signed_in(project, Role.ADMIN), web.signed_in(project, Role.ADMIN, name="ben")
    rhythm = {"every": "day", "hour": 2, "minute": 0, "zone": "UTC"}
    content = {"format": "jsonl", "compression": "none", "destination": "nightly"}
    row = schedules.create(access.of_system(project), {"name": "Nightly", "kind": "generations", **rhythm, **content})
    page = f"/projects/{project.slug}/exports/"
    opened = {who: as_of(who.get(page)) for who in (mia, ben)}
    kept = {"do": "save", "name": "Nightly", "every": "day", "weekday": "0", "zone": "UTC", **content}

    first = mia.post(f"{page}schedules/{row.pk}/", {**kept, "at": "03:30", "as_of": opened[mia]})
    second = ben.post(f"{page}schedules/{row.pk}/", {**kept, "at": "04:45", "as_of": opened[ben]})

    assert (first.status_code, second.status_code) == (302, 400)
    assert TOLD in web.text(second)
    assert "04:45" in values(second)
    assert ExportSchedule.objects.get().hour == 3
    ben.post(f"{page}schedules/{row.pk}/", {**kept, "at": "04:45", "as_of": as_of(second)})
    assert ExportSchedule.objects.get().hour == 4


@pytest.mark.parametrize(
    ("given", "kept"),
    [({"name": "Theirs", "shared": "on"}, "Mine"), ({"do": "overwrite", "list": "hasError=false"}, {"hasError": True})],
    ids=["its name", "its filter"],
)
def test_a_view_that_somebody_else_has_changed_is_not_saved_over_in_silence(
    given: dict[str, str], kept: object
) -> None:
    project = web.project()
    web.recorded(project)
    mia, ben = web.signed_in(project), web.signed_in(project, name="ben")
    view = SavedView.objects.create(
        project=project, kind="generations", name="Ours", filter={"hasError": True}, is_shared=True
    )
    change, here = f"/projects/{project.slug}/views/{view.pk}/", f"/projects/{project.slug}/generations/?view={view.pk}"
    opened = {who: as_of(who.get(f"{here}&hasError=false")) for who in (mia, ben)}

    mia.post(change, {"name": "Mine", "shared": "on", "as_of": opened[mia]})
    given = {name: value.replace("hasError", f"view={view.pk}&hasError") for name, value in given.items()}
    told = ben.post(change, {**given, "as_of": opened[ben]}, follow=True)

    assert TOLD in web.text(told)
    view.refresh_from_db()
    assert kept in (view.name, view.filter)
    ben.post(change, {**given, "as_of": as_of(told)})
    view.refresh_from_db()
    assert kept not in (view.name, view.filter)


def test_labels_that_somebody_else_has_moved_are_not_moved_back_in_silence() -> None:
    project = web.project()
    grant = access.of_system(project)
    mia, ben = web.signed_in(project), web.signed_in(project, name="ben")
    prompt = prompts.get_or_create(grant, "answer")
    for text in ("One", "Two", "Three"):
        prompts.add_version(grant, prompt, template=text)
    prompts.move(grant, prompt, {"prod": 0})
    page = f"/projects/{project.slug}/prompts/{prompt.pk}/"
    opened = {who: as_of(who.get(page)) for who in (mia, ben)}

    mia.post(f"{page}labels/", {"label": "prod", "version": "1", "as_of": opened[mia]})
    told = ben.post(
        f"{page}labels/", {"label": ["prod", "test"], "version": ["0", "2"], "as_of": opened[ben]}, follow=True
    )

    assert TOLD in web.text(told)
    assert prompts.labels_of(grant, [prompt.pk])[prompt.pk] == {"prod": 1}
    ben.post(f"{page}labels/", {"label": ["prod", "test"], "version": ["0", "2"], "as_of": as_of(told)})
    assert prompts.labels_of(grant, [prompt.pk])[prompt.pk] == {"prod": 0, "test": 2}


def test_a_dataset_that_somebody_else_has_renamed_is_not_renamed_in_silence() -> None:
    project = web.project()
    mia, ben = web.signed_in(project), web.signed_in(project, name="ben")
    row = datasets.create(access.of_system(project), name="Questions")
    page = f"/projects/{project.slug}/datasets/{row.pk}/"
    opened = {who: as_of(who.get(page)) for who in (mia, ben)}

    mia.post(page, {"do": "rename", "name": "Mine", "as_of": opened[mia]})
    told = ben.post(page, {"do": "rename", "name": "Theirs", "as_of": opened[ben]}, follow=True)

    assert TOLD in web.text(told)
    assert "Theirs" in values(told)
    row.refresh_from_db()
    assert row.name == "Mine"
    ben.post(page, {"do": "rename", "name": "Theirs", "as_of": as_of(told)})
    row.refresh_from_db()
    assert row.name == "Theirs"


def test_a_trigger_that_somebody_else_has_changed_is_not_saved_over_in_silence() -> None:
    project = web.project()
    mia, ben = web.signed_in(project), web.signed_in(project, name="ben")
    row = evaluating.create(access.of_system(project), kind="contains", name="Sorry", options={"text": "sorry"})
    page = f"/projects/{project.slug}/evaluators/{row.pk}/"
    opened = {who: as_of(who.get(page)) for who in (mia, ben)}

    first = mia.post(f"{page}trigger/", {"share": "50", "as_of": opened[mia]})
    second = ben.post(f"{page}trigger/", {"share": "5", "filter": "name=x", "as_of": opened[ben]})

    assert (first.status_code, second.status_code) == (302, 400)
    assert TOLD in web.text(second)
    assert {"5", "name=x"} <= set(values(second))
    assert Evaluator.objects.get().share == 50
    ben.post(f"{page}trigger/", {"share": "5", "as_of": as_of(second)})
    assert Evaluator.objects.get().share == 5


@pytest.mark.parametrize("what", ["remove", "up", "reset"])
def test_tiles_that_somebody_else_has_changed_are_not_taken_for_others(what: str) -> None:
    project = web.project()
    web.recorded(project)
    mia, ben = web.signed_in(project), web.signed_in(project, name="ben")
    page = f"/projects/{project.slug}/dashboard/"
    mia.post(f"{page}tiles/", {"add": "cost"})
    opened = {who: as_of(who.get(page)) for who in (mia, ben)}
    mia.post(f"{page}tiles/", {"remove": "0", "as_of": opened[mia]})
    project.refresh_from_db()
    left = kept(project)

    told = ben.post(f"{page}tiles/", {what: "1", "as_of": opened[ben]}, follow=True)

    assert "Somebody has changed the tiles since you opened this page." in web.text(told)
    project.refresh_from_db()
    assert kept(project) == left
    ben.post(f"{page}tiles/", {what: "1", "as_of": as_of(told)})
    project.refresh_from_db()
    assert kept(project) != left
