"""Review: turns go to as many people as a queue asks for; answers become scores, and are taken back with them."""

from __future__ import annotations

import threading

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from generations import access, bulk, gathering, recording, reviewing
from generations.access import Grant, NotAllowed
from generations.models import AuditEntry, Job, Membership, Project, Review, ReviewItem, ReviewQueue, Score, User
from generations.models.accounts import Role
from generations.records import StepRecord
from generations.reviewing import BadQueue, NoSuchQueue, agreeing
from tests import web

pytestmark = pytest.mark.django_db

CRITERIA = "helpful: number 1-5\ntone: category kind, rude\nsafe: yes/no\nwhy: comment"
ANSWERS = {"helpful": "4", "tone": "kind", "safe": "yes", "why": "Short."}
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def project() -> Project:
    return web.project()


def person(project: Project, name: str, role: str = Role.MEMBER) -> Grant:
    user = web.person(name)
    Membership.objects.create(project=project, user=user, role=role)
    return access.by_user(user, project.slug)


def made(project: Project, *ids: str, reviewers: int = 1, criteria: str = CRITERIA) -> str:
    grant = access.of_system(project)
    queue = reviewing.create(grant, name="Answers", criteria=reviewing.parsed(criteria), reviewers=reviewers)
    reviewing.add(grant, str(queue.pk), "generation", ids)
    return str(queue.pk)


def judged(grant: Grant, queue: str, **answers: str) -> str:
    """Judge the next item, or pass it over without answers; returns its id."""
    turn = reviewing.take(grant, queue)
    assert turn is not None
    if answers:
        reviewing.save(grant, queue, str(turn.review.pk), answers)
    else:
        reviewing.skip(grant, queue, str(turn.review.pk))
    return turn.item.subject_id


def scores(project: Project) -> dict[str, tuple[float | None, str | None, str | None]]:
    return {row.name: (row.value, row.label, row.comment) for row in Score.objects.in_project(project.pk)}


# -------------------------------------------------------------------------------------------------------------- queues
def test_criteria_are_written_one_a_line_and_read_the_same() -> None:
    found = reviewing.parsed(f"\n{CRITERIA}\nfree: number\nhalf: number 0.5 to 2.5\n")

    assert [(one.name, one.form, one.low, one.high, one.options) for one in found] == [
        ("helpful", "number", 1, 5, ()),
        ("tone", "category", None, None, ("kind", "rude")),
        ("safe", "boolean", None, None, ()),
        ("why", "comment", None, None, ()),
        ("free", "number", None, None, ()),
        ("half", "number", 0.5, 2.5, ()),
    ]
    assert reviewing.parsed(reviewing.written(found)) == found
    assert [len(one.choices) for one in found] == [5, 2, 2, 0, 0, 0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("helpful", "line 1"),
        ("a: yes/no\nb: stars", "line 2"),
        ("", "1 to 20 criteria"),
        ("why: comment", "at least one that is a number"),
        ("a: category one", "2 to 30 categories"),
        ("a: number 5-1", "a range whose end is more"),
        ("a: yes/no\na: number", "no other criterion has"),
    ],
)
def test_criteria_that_cannot_be_are_refused(project: Project, text: str, words: str) -> None:
    with pytest.raises(BadQueue, match=words):
        made(project, criteria=text)
    assert ReviewQueue.objects.count() == 0


def test_what_is_in_a_queue_is_there_once(project: Project) -> None:
    queue = made(project, "a", "b")
    grant = access.of_system(project)

    assert reviewing.add(grant, queue, "generation", ["b", "c", "c"]) == 1
    assert reviewing.add(grant, queue, "step", ["a"]) == 1
    with pytest.raises(BadQueue):
        reviewing.add(grant, queue, "thread", ["a"])
    assert ReviewItem.objects.count() == 4


# --------------------------------------------------------------------------------------------------------------- turns
def test_answers_become_scores_of_a_person(project: Project) -> None:
    recording.record(project, [web.call(0, id="a")])
    mia, queue = person(project, "mia"), made(project, "a")

    judged(mia, queue, **ANSWERS)

    assert scores(project) == {
        "helpful": (4.0, None, None),
        "tone": (None, "kind", None),
        "safe": (1.0, "yes", None),
        "why": (None, None, "Short."),
    }
    one = Score.objects.in_project(project.pk).filter(name="helpful").get()
    assert (one.type, one.author, one.generation_id, one.metadata["queue"]) == ("HUMAN", "mia", "a", queue)
    assert reviewing.take(mia, queue) is None
    assert ReviewItem.objects.get().is_open is False


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({}, "at least one answer"),
        ({"helpful": "6"}, "a number from 1 to 5"),
        ({"helpful": "nan"}, "a number from 1 to 5"),
        ({"helpful": "many"}, "a number from 1 to 5"),
        ({"tone": "loud"}, "one of kind, rude"),
        ({"safe": "maybe"}, "yes or no"),
    ],
)
def test_an_answer_that_is_none_is_refused_and_nothing_is_stored(
    project: Project, answers: dict[str, str], words: str
) -> None:
    mia, queue = person(project, "mia"), made(project, "a")
    turn = reviewing.take(mia, queue)
    assert turn is not None

    with pytest.raises(BadQueue, match=words):
        reviewing.save(mia, queue, str(turn.review.pk), answers)
    assert scores(project) == {}
    assert Review.objects.get().state == "held"


def test_an_item_is_one_persons_turn_until_it_is_let_go(project: Project) -> None:
    mia, zoe, queue = person(project, "mia"), person(project, "zoe"), made(project, "a", "b")

    first = reviewing.take(mia, queue)
    again = reviewing.take(mia, queue)
    other = reviewing.take(zoe, queue)

    assert first is not None
    assert again is not None
    assert other is not None
    assert (first.item.subject_id, again.review.pk, other.item.subject_id) == ("a", first.review.pk, "b")
    with pytest.raises(NoSuchQueue):
        reviewing.save(zoe, queue, str(first.review.pk), ANSWERS)
    reviewing.release(zoe, queue)
    judged(mia, queue, **ANSWERS)
    assert judged(mia, queue, **ANSWERS) == "b"


def test_an_item_that_somebody_keeps_too_long_goes_to_another(project: Project) -> None:
    mia, zoe, queue = person(project, "mia"), person(project, "zoe"), made(project, "a")
    turn = reviewing.take(mia, queue)
    assert turn is not None
    assert reviewing.take(zoe, queue) is None

    Review.objects.update(held_until=web.NOON)

    assert judged(zoe, queue, **ANSWERS) == "a"
    # What mia has thought of meanwhile is not lost.
    reviewing.save(mia, queue, str(turn.review.pk), ANSWERS)
    assert ReviewItem.objects.get().done == 2


def test_each_item_is_judged_by_as_many_people_as_the_queue_asks_for(project: Project) -> None:
    people = [person(project, name) for name in ("mia", "zoe", "kim")]
    queue = made(project, "a", reviewers=2)

    turns = [reviewing.take(one, queue) for one in people]
    assert [turn is not None for turn in turns] == [True, True, False]
    for one in people[:2]:
        judged(one, queue, **ANSWERS)

    assert reviewing.take(people[2], queue) is None
    assert ReviewItem.objects.get().is_open is False
    reviewing.update(people[0], queue, name="Answers", criteria=reviewing.parsed(CRITERIA), description="", reviewers=3)
    assert judged(people[2], queue, **ANSWERS) == "a"


def test_what_is_passed_over_is_left_to_others(project: Project) -> None:
    mia, zoe, queue = person(project, "mia"), person(project, "zoe"), made(project, "a")

    assert judged(mia, queue) == "a"
    assert reviewing.take(mia, queue) is None
    assert judged(zoe, queue, **ANSWERS) == "a"


def test_the_last_answer_is_taken_back_with_its_scores_and_comes_again(project: Project) -> None:
    mia, queue = person(project, "mia"), made(project, "a", "b", "c")
    judged(mia, queue, **ANSWERS)
    judged(mia, queue, helpful="2")
    reviewing.take(mia, queue)

    turn = reviewing.undo(mia, queue)
    assert turn is not None
    assert (turn.item.subject_id, turn.answers) == ("b", {"helpful": 2.0})
    assert {row.generation_id for row in Score.objects.in_project(project.pk)} == {"a"}
    assert ReviewItem.objects.get(subject_id="b").is_open is True

    judged(mia, queue, helpful="3")
    assert judged(mia, queue) == "c"
    again = reviewing.undo(mia, queue)
    assert again is not None
    assert again.item.subject_id == "c"
    assert reviewing.undo(person(project, "zoe"), queue) is None


@pytest.mark.django_db(transaction=True)
def test_people_who_ask_at_once_get_different_items() -> None:
    project = web.project()
    queue = made(project, *(f"g{n}" for n in range(12)))
    people = [person(project, f"p{n}") for n in range(4)]
    seen: list[str] = []

    def work(grant: Grant) -> None:
        try:
            while (turn := reviewing.take(grant, queue)) is not None:
                reviewing.save(grant, queue, str(turn.review.pk), {"safe": "no"})
                seen.append(turn.item.subject_id)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(one,)) for one in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # Nobody judged what another one had; what is left was somebody's turn when the others looked.
    assert len(seen) == len(set(seen)) == 12


# ----------------------------------------------------------------------------------------------------------- agreement
def test_agreement_is_told_by_criterion() -> None:
    # Krippendorff's own example of two observers and ten units: alpha is 0.095.
    left, right = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    units = list(zip(left, right, strict=True))

    assert agreeing.alpha(units, agreeing._nominal) == pytest.approx(0.095, abs=0.001)
    assert agreeing.alpha([(1, 1), (1, 1)], agreeing._nominal) is None
    assert agreeing.alpha([(1, 1), (5, 5)], agreeing._interval) == 1
    assert agreeing.alpha([(1, 5), (5, 1)], agreeing._interval) == pytest.approx(-0.5)


def test_agreement_counts_items_that_several_people_judged(project: Project) -> None:
    mia, zoe = person(project, "mia"), person(project, "zoe")
    queue = made(project, "a", "b", "c", reviewers=2)
    for grant, tones in ((mia, ("kind", "rude", "kind")), (zoe, ("kind", "kind"))):
        for tone in tones:
            judged(grant, queue, tone=tone, why="x")

    (told,) = reviewing.agreement(ReviewQueue.objects.get())

    assert (told.criterion.name, told.items, told.same) == ("tone", 2, 0.5)
    assert told.alpha == pytest.approx(0)


# --------------------------------------------------------------------------------------------------------------- doors
def test_all_that_match_go_to_review_by_a_job_and_the_selected_at_once(project: Project) -> None:
    recording.record(project, [web.call(n, tags=("odd",) if n % 2 else ()) for n in range(20)])
    recording.record(project, [StepRecord(id="step")])
    grant, queue = person(project, "mia"), made(project)
    client = Client()
    client.force_login(User.objects.get(username="mia"))

    job = gathering.into_queue(grant, queue, kind="generations", document={"tags": "odd"})
    assert bulk.run(job.pk)
    job.refresh_from_db()
    assert job.result == {"matched": 10, "added": 10}

    sent = {"do": "review", "id": "step", "queue": queue, "of": "row"}
    done = client.post("/projects/shop/bulk/steps/", sent, follow=True)
    assert done.redirect_chain[-1][0] == "/projects/shop/steps/step/"
    assert "Put 1 step into the review queue" in web.text(done)
    assert f"/projects/shop/review/{queue}/" in web.links(done)
    assert bulk.apply(grant, "generations", "review", ["call-000", "call-001"], {"queue": queue}) == 1
    assert "Choose a review queue" in web.text(
        client.post("/projects/shop/bulk/steps/", {"do": "review", "id": "step"}, follow=True)
    )
    assert ReviewItem.objects.count() == 12
    assert "into the queue Answers" in web.text(client.get(f"/projects/shop/jobs/{job.pk}/"))


def test_a_queue_is_made_looked_at_and_worked_through_on_pages(project: Project) -> None:
    recording.record(
        project, [web.call(0, id="a", prompt=f"**{HOSTILE}**", completion="**A** reply"), web.call(1, id="b")]
    )
    client = web.signed_in(project)
    new = client.post("/projects/shop/review/", {"name": "Answers", "criteria": CRITERIA, "reviewers": "1"})
    queue = new.headers["Location"]
    reviewing.add(access.of_system(project), queue.split("/")[-2], "generation", ["a", "b", "gone"])

    turn = client.get(f"{queue}next/")
    review = next(str(tag["value"]) for tag in web.tags(turn, "input") if tag.get("name") == "review")
    assert "<strong>A</strong> reply" in turn.content.decode()
    assert f"**{HOSTILE}**" in web.text(turn)
    assert "<script>alert" not in turn.content.decode()
    wrong = client.post(f"{queue}next/", {"do": "save", "review": review, "answer-0": "9"})
    assert (wrong.status_code, "from 1 to 5" in web.text(wrong)) == (400, True)
    client.post(f"{queue}next/", {"do": "save", "review": review, "answer-0": "5", "answer-3": HOSTILE})
    shown = client.get(queue)

    assert "1 of 3" in web.text(shown)
    assert "helpful 5" in web.text(shown)
    assert f"why {HOSTILE}" in web.text(shown)
    assert "<script>alert" not in shown.content.decode()
    stale = client.post(f"{queue}next/", {"do": "save", "review": review, "answer-0": "5"}, follow=True)
    assert "not your turn any more" in web.text(stale)
    client.post(f"{queue}next/", {"do": "undo"})
    assert "0 of 3" in web.text(client.get(queue))
    for _ in range(3):
        turn = client.get(f"{queue}next/")
        review = next(str(tag["value"]) for tag in web.tags(turn, "input") if tag.get("name") == "review")
        client.post(f"{queue}next/", {"do": "skip", "review": review})
    assert "is not there: it was not recorded" in web.text(turn)
    assert "Nothing is left for you here" in web.text(client.get(f"{queue}next/"))


def test_a_queue_shows_what_is_to_be_reviewed_and_not_only_its_ids(project: Project) -> None:
    recording.record(
        project,
        [
            web.call(0, id="call", prompt=f"Where is it? {HOSTILE}", model_id="gpt-4o"),
            StepRecord(id="step", type="tool", name="look up", input={"order": 7}, started_at=web.call(1).started_at),
        ],
    )
    queue = made(project, "call", "gone")
    reviewing.add(access.of_system(project), queue, "step", ["step"])

    answer = web.signed_in(project).get(f"/projects/shop/review/{queue}/")
    shown = web.text(answer)

    assert f"Where is it? {HOSTILE} gpt-4o" in shown
    assert '{"order":7} look up' in shown.replace(": ", ":")
    assert "gone not there" in shown
    assert "<script>alert" not in answer.content.decode()


def test_messages_that_are_left_out_of_what_is_judged_are_told(project: Project) -> None:
    client = web.signed_in(project, Role.OWNER)
    said = tuple({"role": "user", "content": f"Word {n:03}"} for n in range(62))
    web.recorded(project, id="long", messages=said)
    queue = made(project, "long")

    told = web.text(client.get(f"/projects/{project.slug}/review/{queue}/next/"))

    assert "2 earlier messages are left out" in told
    assert "Word 001" not in told
    assert "Word 002" in told


def test_a_viewer_judges_nothing_a_stranger_sees_nothing_and_a_key_has_no_turn(project: Project) -> None:
    queue = made(project, "a")
    viewer, stranger = web.signed_in(project, Role.VIEWER, "vic"), web.signed_in(web.project("Other"), name="zoe")
    address = f"/projects/shop/review/{queue}/"

    assert viewer.get(address).status_code == 200
    assert viewer.get(f"{address}next/").status_code == 403
    assert viewer.post(address, {"do": "delete"}).status_code == 403
    assert viewer.post("/projects/shop/review/", {"name": "x", "criteria": CRITERIA}).status_code == 403
    for path in (address, f"{address}next/"):
        assert stranger.get(path).status_code == 404
        assert stranger.get(path.replace("/shop/", "/other/")).status_code == 404
    assert stranger.post(f"{address}next/".replace("/shop/", "/other/"), {"do": "undo"}).status_code == 404
    with pytest.raises(NotAllowed):
        reviewing.take(access.of_system(project), queue)
    with pytest.raises(NoSuchQueue):
        reviewing.take(person(web.project("Third"), "tom"), queue)
    assert (ReviewQueue.objects.count(), Review.objects.count(), Job.objects.count()) == (1, 0, 0)


def test_a_queue_is_deleted_and_its_scores_stay(project: Project) -> None:
    mia, queue = person(project, "mia"), made(project, "a")
    judged(mia, queue, safe="no")

    reviewing.delete(mia, queue)

    assert (ReviewQueue.objects.count(), scores(project)) == (0, {"safe": (0.0, "no", None)})
    assert AuditEntry.objects.filter(action="queue.delete").count() == 1


def test_pages_take_as_many_queries_for_one_item_as_for_fifty(project: Project) -> None:
    client, queue = web.signed_in(project), made(project, "0")
    addresses = ["/projects/shop/review/", f"/projects/shop/review/{queue}/", f"/projects/shop/review/{queue}/next/"]

    def queries(address: str) -> int:
        with CaptureQueriesContext(connection) as found:
            assert client.get(address).status_code == 200
        return len(found)

    few = [queries(address) for address in addresses]
    few[2] = queries(addresses[2])
    reviewing.add(access.of_system(project), queue, "generation", [str(n) for n in range(50)])
    for n in range(49):
        reviewing.create(access.of_system(project), name=f"q{n}", criteria=reviewing.parsed(CRITERIA))

    assert [queries(address) for address in addresses] == few
