"""Whatever was said of a call, its page shows it as text and stays small."""

import datetime as dt
import re
import uuid

import pytest
from django.test import Client

from generations import recording
from generations.models import Dataset, DatasetItem, Project, ReviewQueue, User
from generations.records import FeedbackRecord, ScoreRecord, StepRecord
from tests import web
from tests.web import NOON, page, recorded, shop_client, shop_project  # noqa: F401  the fixtures `client` and `project`

pytestmark = pytest.mark.django_db

BOUND = 150_000


EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><svg onload=alert(1)> [x](javascript:alert(1)) ![y](http://evil.example/p.png)"


@pytest.mark.parametrize("view", ["formatted", "raw", "json"])
def test_nothing_that_was_said_becomes_markup(client: Client, project: Project, view: str) -> None:
    recorded(
        project,
        name=EVIL,
        provider=EVIL,
        error=EVIL,
        error_type=EVIL,
        finish_reason=EVIL,
        user_id=EVIL,
        messages=[{"role": EVIL, "name": EVIL, "content": EVIL}, {"role": "assistant", "content": EVIL}],
        message_completion={"role": "assistant", "content": EVIL, "tool_calls": [{"id": EVIL, "name": EVIL}]},
        variables={EVIL: EVIL},
        tools=[{"name": EVIL, "description": EVIL}],
        parameters={EVIL: EVIL},
        metadata={EVIL: EVIL},
        tags=(EVIL[:60],),
        scores=(ScoreRecord(name=EVIL[:60], label=EVIL, comment=EVIL, author=EVIL),),
        feedback=FeedbackRecord(comment=EVIL, categories=(EVIL[:60],)),
    )

    response = page(client, project, query=f"?view={view}")

    assert response.status_code == 200
    assert all("nonce" in script for script in web.tags(response, "script"))
    assert not [image for image in web.tags(response, "img") if "evil" in str(image) or image.get("src") == "x"]
    for attributes in web.tags(response):
        assert not [name for name in attributes if name.startswith("on")]
        assert not (attributes.get("href") or "").startswith("javascript:")


@pytest.mark.parametrize("header", ["Referer", "HX-Current-URL"])
def test_an_address_that_is_none_in_a_header_is_none_at_all(client: Client, project: Project, header: str) -> None:
    recorded(project)

    response = client.get(
        f"/projects/{project.slug}/generations/one/", headers={header: "http://[::1", "HX-Request": "true"}
    )

    assert response.status_code == 200


@pytest.mark.parametrize("letter", ["a", "<", "'", "é", "東", "\n", "- ", "```\n"])
@pytest.mark.parametrize("view", ["formatted", "json"])
def test_a_page_is_bounded_whatever_was_said(client: Client, project: Project, letter: str, view: str) -> None:
    large = letter * (2_000_000 // len(letter))
    id = "東" * 500
    recorded(
        project,
        id=id,
        thread_id=id,
        step_id=id,
        user_id=id,
        trace_id=id,
        messages=[{"role": "user", "content": large}, *[{"role": "assistant", "content": large[:5000]}] * 60],
        message_completion={"role": "assistant", "content": large},
        variables={"large": large},
        tools=[{"name": "tool", "description": large} for _ in range(3)],
        parameters={"large": large},
        metadata={"large": large[:100_000]},
        scores=tuple(ScoreRecord(name=f"s{n}", comment=large[:1000]) for n in range(60)),
    )

    response = page(client, project, id, query=f"?view={view}")

    assert response.status_code == 200
    assert len(response.content) < BOUND


@pytest.mark.parametrize(("id_length", "shown_of_each"), [(12, 4), (500, 1)])
def test_a_page_is_bounded_whatever_was_said_of_the_call(
    client: Client, project: Project, id_length: int, shown_of_each: int
) -> None:
    """Twenty-five scores, comments and entries of feedback, twenty datasets and queues, and a tree, all hostile."""
    user = User.objects.get()
    heavy, id = EVIL * 8, "東" * id_length
    scores = [
        ScoreRecord(id=f"{kind}{n}" + id[4:], name=heavy[:200], comment=heavy, author=user.username, label=label)
        for n in range(25)
        for kind, label in (("s", heavy[:500]), ("c", None))
    ]
    recorded(
        project,
        id=id,
        step_id=id,
        trace_id=id,
        thread_id=id,
        user_id=id,
        messages=[{"role": "user", "content": heavy * 100} for _ in range(50)],
        completion=heavy * 100,
        scores=tuple(scores),
        tags=tuple(f"{n}{EVIL[:90]}" for n in range(20)),
    )
    recording.record(
        project,
        [
            *(
                FeedbackRecord(
                    id=f"f{n}{id[4:]}",
                    generation_id=id,
                    comment=heavy,
                    rating=n % 5 + 1,
                    user_id=heavy[:500],
                    categories=tuple(f"{m}{EVIL[:90]}" for m in range(9)),
                    created_at=NOON + dt.timedelta(minutes=n),
                )
                for n in range(25)
            ),
            *(
                StepRecord(
                    id=id if n == 0 else f"{n:03}{id[3:]}",
                    parent_id=None if n == 0 else id,
                    name=heavy[:900],
                    trace_id=id,
                )
                for n in range(100)
            ),
        ],
    )
    for n in range(60):
        dataset = Dataset.objects.create(project=project, name=f"{n}{EVIL}")
        DatasetItem.objects.create(dataset=dataset, generation_id=id, key=uuid.uuid4(), added_in=1)
        ReviewQueue.objects.create(project=project, name=f"{n}{EVIL}")

    response = page(client, project, id)

    assert response.status_code == 200
    assert len(response.content) < BOUND
    shown = web.text(response)
    assert f"Scores 25 {25 - shown_of_each} earlier, in the raw JSON." in shown
    assert f"Comments 25 {25 - shown_of_each} earlier, in the raw JSON." in shown
    assert ('class="tree-rows"' in response.content.decode()) is (id_length == 12)
    assert "Earlier feedback is left out." in shown


def test_what_is_left_out_of_scores_and_feedback_is_said(client: Client, project: Project) -> None:
    recorded(project, id="g1", scores=tuple(ScoreRecord(id=f"s{n}", name="fit", value=n) for n in range(22)))
    recording.record(project, [FeedbackRecord(id=f"f{n}", generation_id="g1", rating=1) for n in range(21)])

    shown = web.text(page(client, project, "g1"))

    assert "Scores 22 2 earlier, in the raw JSON." in shown
    assert "Feedback 20+" in shown
    assert "Earlier feedback is left out." in shown


def test_an_output_of_twenty_megabytes_is_read_piece_by_piece(client: Client, project: Project) -> None:
    large = "".join(f"line {n:07}\n" for n in range(20_000_000 // 13))
    recorded(project, prompt="Count", completion=large)

    response = page(client, project)

    assert len(response.content) < BOUND
    assert "line 0000000" in web.text(response)
    (more,) = [address for address in web.links(response) if "/block/?at=%2Fcompletion&from=" in address]
    start = int(more.rpartition("=")[2])
    piece = client.get(more, headers={"HX-Request": "true"})
    assert len(piece.content) < 70_000
    assert piece.content.decode().startswith('<pre class="text" dir="auto">' + large[start : start + 20])
    assert "<html" in client.get(more).content.decode()
    whole = client.get(more.partition("&")[0] + "&as=text")
    assert whole.content == large.encode()
    assert whole["Content-Type"] == "text/plain; charset=utf-8"


def test_where_room_is_short_the_answer_and_the_ends_of_the_conversation_have_it(
    client: Client, project: Project
) -> None:
    said = [{"role": "system" if n == 0 else "user", "content": f"message {n:02} {'x' * 3000}"} for n in range(28)]
    recorded(project, messages=said, completion="the answer " + "y" * 60_000)

    shown = web.text(page(client, project))

    assert "the answer yyy" in shown
    for n in (0, 27):
        assert f"message {n:02} {'x' * 3000}" in shown
    assert "Show this message message 05" in shown


def test_a_conversation_of_a_thousand_messages_has_a_gap_that_opens(client: Client, project: Project) -> None:
    said = [{"role": "user", "content": f"message number {n:04} {'x' * 900}"} for n in range(1000)]
    recorded(project, messages=said, completion="Done")

    response = page(client, project)

    assert len(response.content) < BOUND
    shown = web.text(response)
    assert "message number 0000" in shown
    assert "message number 0999" in shown
    assert "message number 0500" not in shown
    # The next ones, and all: without scripts both open the next.
    (gap,) = {address for address in web.links(response) if "/messages/?from=4&to=976" in address}
    opened = client.get(gap, headers={"HX-Request": "true"})
    assert "message number 0004" in web.text(opened)
    assert "message number 0043" in web.text(opened)
    assert len(opened.content) < BOUND
    assert any("/messages/?from=44&to=976" in address for address in web.links(opened))


@pytest.mark.parametrize(
    "query",
    [
        "?at=/nothing",
        "?at=nothing",
        "?at=/messages/7",
        "?at=/messages/x",
        "?at=/messages&as=file",
        "?at=/prompt&as=file",
    ],
)
def test_a_place_that_is_not_in_the_call_is_not_there(client: Client, project: Project, query: str) -> None:
    recorded(project, prompt="Hello", messages=[{"role": "user", "content": "x"}])

    assert client.get(f"/projects/{project.slug}/generations/one/block/{query}").status_code == 404


@pytest.mark.parametrize("view", ["formatted", "raw", "json"])
def test_what_a_terminal_obeys_and_what_turns_text_around_is_shown_by_its_number(
    client: Client, project: Project, view: str
) -> None:
    evil = "say \u202eh\u2066i\x1b[31m\x07\x9b end"
    recorded(
        project,
        name=evil,
        user_id=evil,
        messages=[{"role": "user", "name": evil, "content": evil}],
        message_completion={"role": "assistant", "content": evil},
        variables={"v": "h\u2066i"},
        tools=[{"name": evil, "description": evil}],
        metadata={evil: evil},
        scores=(ScoreRecord(name=evil[:60], label=evil, comment=evil),),
    )

    response = page(client, project, query=f"?view={view}")

    html = response.content.decode()
    assert re.findall("[^\n]{0,40}[\u202e\u2066\x1b\x07\x9b]", html) == []
    assert "⟨U+202E⟩h⟨U+2066⟩i⟨U+001B⟩[31m⟨U+0007⟩⟨U+009B⟩ end" in html or view == "json"
    # What is copied is what was said.
    copied = client.get(f"/projects/{project.slug}/generations/one/block/?at=/messages/0/content&as=text")
    assert copied.content.decode() == evil


def test_a_message_in_the_middle_of_a_long_conversation_has_an_address(client: Client, project: Project) -> None:
    said = [{"role": "user", "content": f"message number {n:04} {'x' * 900}"} for n in range(1000)]
    recorded(project, messages=said, completion="Done")

    response = page(client, project, query="?message=500&list=model.id%3Dgpt-4o")

    assert len(response.content) < BOUND
    assert "message number 0500" in web.text(response)
    assert "message number 0499" in web.text(response)
    assert "m-messages-500" in {found.get("id") for found in web.tags(response)}
    assert "?message=501&list=model.id%3Dgpt-4o#m-messages-501" in web.links(response)
    assert len({link for link in web.links(response) if "/messages/?from=4&to=492" in link}) == 1
    assert len({link for link in web.links(response) if "/messages/?from=509&to=992" in link}) == 1
    for odd in ("-1", "x", "5000", "99999999999999"):
        assert page(client, project, query=f"?message={odd}").status_code == 200
