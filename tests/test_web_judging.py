"""What people add to a generation on its page: scores, tags, feedback, a place in a dataset."""

from typing import Any

import pytest
from django.test import Client

from generations import access, retention
from generations.models import Dataset, DatasetItem, Feedback, Generation, Project, Score
from generations.models.accounts import Role
from generations.records import FeedbackRecord, ScoreRecord
from tests import web
from tests.web import page, recorded, shop_client, shop_project  # noqa: F401  the fixtures `client` and `project`

pytestmark = pytest.mark.django_db


def send(client: Client, project: Project, what: str, part: bool = False, **sent: Any) -> Any:
    """Send one of the page's forms."""
    headers = {"HX-Request": "true"} if part else {}
    return client.post(f"/projects/{project.slug}/generations/one/{what}/", sent, headers=headers)


def test_a_score_is_added_by_its_author_and_deleted_again(client: Client, project: Project) -> None:
    recorded(project)

    added = send(client, project, "scores", name="quality", value="0,75", comment="Good", part=True)

    score = Score.objects.in_project(project.pk).get()
    assert (score.name, score.value, score.label, score.comment) == ("quality", 0.75, None, "Good")
    assert (score.type, score.author, score.generation_id) == ("HUMAN", "mia", "one")
    assert "quality 0.75" in web.text(added)
    assert added.content.lstrip().startswith(b'<section class="panel" id="scores">')

    removed = send(client, project, "scores", remove=score.public_id, part=True)

    assert "No scores yet." in web.text(removed)
    assert Score.objects.in_project(project.pk).count() == 0


def test_another_persons_score_stays(client: Client, project: Project) -> None:
    recorded(project, scores=(ScoreRecord(id="theirs", name="quality", value=1, author="judge"),))
    recorded(project, id="two", scores=(ScoreRecord(id="mine", name="quality", value=1, author="mia"),))

    for id in ("theirs", "mine", "nothing", "a\0b"):
        refused = send(client, project, "scores", True, remove=id)
        assert refused.status_code == 400
        assert "your own only" in web.text(refused)

    assert Score.objects.in_project(project.pk).count() == 2


def test_a_score_of_a_held_call_is_not_taken_back(client: Client, project: Project) -> None:
    recorded(project, scores=(ScoreRecord(id="mine", name="quality", value=1, author="mia"),))
    retention.add_hold(access.of_system(project), reason="Case 7", kind="generations")

    refused = send(client, project, "scores", True, remove="mine")

    assert (refused.status_code, 'The legal hold "Case 7" keeps this score' in web.text(refused)) == (400, True)
    assert Score.objects.in_project(project.pk).count() == 1


def test_a_comment_is_read_by_the_team_and_deleted_by_its_author(client: Client, project: Project) -> None:
    recorded(project, feedback=FeedbackRecord(rating=4))
    other = web.signed_in(project, name="ben")

    mine = send(client, project, "comments", comment=" Look at\nthe tool. ", part=True)
    theirs = send(other, project, "comments", comment="It was <b>down</b>.", part=True)

    first = Score.objects.in_project(project.pk).get(author="mia", name="comment")
    assert (first.comment, first.value, first.label, first.type) == ("Look at\nthe tool.", None, None, "HUMAN")
    assert "mia" in web.text(mine)
    assert "Look at the tool." in web.text(theirs)
    assert b"It was &lt;b&gt;down&lt;/b&gt;." in theirs.content
    assert theirs.content.count(b'name="remove"') == 1
    assert web.text(page(client, project)).count("It was <b>down</b>.") == 1
    assert Feedback.objects.in_project(project.pk).get(is_latest=True).rating == 4

    refused = send(other, project, "comments", remove=first.public_id, part=True)
    assert (refused.status_code, "your own only" in web.text(refused)) == (400, True)
    send(client, project, "comments", remove=first.public_id)
    assert not Score.objects.in_project(project.pk).filter(author="mia").exists()


def test_a_score_that_is_no_number_is_a_label(client: Client, project: Project) -> None:
    recorded(project)

    response = send(client, project, "scores", name="tone", value="friendly")

    assert response["Location"] == f"/projects/{project.slug}/generations/one/#scores"
    score = Score.objects.in_project(project.pk).get()
    assert (score.value, score.label) == (None, "friendly")


def test_tags_are_added_and_removed(client: Client, project: Project) -> None:
    recorded(project, tags=("old",))

    send(client, project, "tags", add="new, two words")
    send(client, project, "tags", remove="old")

    assert Generation.objects.in_project(project.pk).get().tags == ["new", "two words"]


def test_feedback_is_added_and_the_latest_is_shown(client: Client, project: Project) -> None:
    recorded(project)

    send(client, project, "feedback", rating="2", comment="No")
    send(client, project, "feedback", rating="5", thumbs="up", categories="kind, exact", comment="Yes")

    latest = Feedback.objects.in_project(project.pk).get(is_latest=True)
    assert (latest.rating, latest.thumbs, latest.categories, latest.comment) == (5, "up", ["kind", "exact"], "Yes")
    assert Feedback.objects.in_project(project.pk).count() == 2


def test_a_generation_is_added_to_a_dataset(client: Client, project: Project) -> None:
    recorded(project, prompt="Hello", completion="Hi")

    response = send(client, project, "datasets", new_dataset="Hard ones", part=True)

    item = DatasetItem.objects.get()
    assert (item.dataset.name, item.generation_id, item.expected_output) == ("Hard ones", "one", "Hi")
    assert "Hard ones" in web.text(response)
    assert Dataset.objects.get().project == project


@pytest.mark.parametrize(
    ("what", "sent", "words"),
    [
        ("scores", {"name": "", "value": "1"}, "A score has a name"),
        ("scores", {"name": "x", "value": ""}, "A score has a name"),
        ("scores", {"name": "x", "value": "nan"}, "finite number"),
        ("comments", {"comment": " \n "}, "Write something"),
        ("tags", {"add": " , "}, "Say which tags"),
        ("tags", {"add": "x" * 999}, "characters each"),
        ("feedback", {"comment": ""}, "at least one of"),
        ("feedback", {"rating": "6"}, "from 1 to 5"),
        ("feedback", {"rating": "many"}, "from 1 to 5"),
        ("feedback", {"thumbs": "sideways"}, "'up' or 'down'"),
        ("datasets", {}, "Choose a dataset"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_the_reason_and_kept_in_the_form(
    client: Client, project: Project, what: str, sent: dict[str, str], words: str
) -> None:
    recorded(project)

    part = send(client, project, what, True, **sent)
    whole = client.get(send(client, project, what, False, **sent)["Location"])

    assert part.status_code == 400
    assert words in web.text(part)
    assert words in web.text(whole)
    assert Score.objects.count() == Feedback.objects.count() == DatasetItem.objects.count() == 0
    assert Generation.objects.in_project(project.pk).get().tags == []


@pytest.mark.parametrize("what", ["scores", "comments", "tags", "feedback", "datasets"])
def test_a_viewer_sees_no_forms_and_may_not_write(project: Project, what: str) -> None:
    recorded(project)
    viewer = web.signed_in(project, Role.VIEWER)

    response = page(viewer, project)
    refused = send(viewer, project, what, name="x", value="1", add="x", comment="x", new_dataset="x")

    assert not [form for form in web.tags(response, "form") if (form.get("action") or "").endswith(f"/{what}/")] or (
        what == "tags"
    )
    assert refused.status_code == 403
    assert Score.objects.count() == Feedback.objects.count() == Dataset.objects.count() == 0
    assert Generation.objects.in_project(project.pk).get().tags == []


@pytest.mark.parametrize("what", ["scores", "comments", "tags", "feedback", "datasets"])
def test_nothing_is_added_to_what_is_not_there(client: Client, project: Project, what: str) -> None:
    recorded(web.project("Other"))

    assert send(client, project, what, name="x", value="1", add="x", comment="x", new_dataset="x").status_code == 404
    assert Score.objects.count() == Feedback.objects.count() == Dataset.objects.count() == 0
