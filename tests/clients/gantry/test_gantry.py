"""The real Gantry client, in its own environment, against a running server: all that it can do with an application."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.clients.gantry import running
from tests.stack import Stack

pytestmark = [pytest.mark.slow]

EXPECTED: dict[str, Any] = {
    "types": ["CompletionApplication", "ChatApplication", "Application"],
    "no_version": None,
    "numbers": [1, 2],
    "not_deployed": None,
    "test": [1, "Summarise {{topic}} for {{audience}}"],
    "prod": 2,
    "moved": 1,
    "latest": [
        2,
        {
            "prompt": "Explain {{topic}}",
            "prompt_inputs": ["topic"],
            "model": "text-davinci-003",
            "params": {},
            "vendor": "openai",
        },
    ],
    "talker": 1,
    "run": [["nightly", 1]],
    "run_by_tags": 1,
    "columns": ["env", "feedback.ok", "inputs.q", "inputs.who", "join_id", "k", "outputs.y"],
    "rows": 6,
    "sum": 153.0,
    "dtypes": {"feedback.ok": "bool", "inputs.q": "float", "inputs.who": "str", "outputs.y": "float"},
    "ok": ["False", "True", "True", "True", "True", "True"],
    "mean": 25.5,
    "count": 6,
    "quantile": {"0.5": 17.0},
    "above": [25.0, 49.0, 64.0],
    "isnull": 0,
    "true": 5 / 6,
    "grouped": [{"feedback.ok": True, "mean": 17.8}, {"feedback.ok": False, "mean": 64.0}],
    "head": 2,
    "described": ["inputs.q", "inputs.who", "outputs.y", "feedback.ok", "env", "k"],
    "points": 6.0,
    "of_version": ["B"],
    "environments": ["dev"],
    "pushed": True,
    "pulled": True,
    "table": "q,a\n1,x\n2,y\n",
    "diff": ["artifacts/note.txt"],
    "committed": "a note",
    "versions": ["a note", "Uploaded table.csv to dataset", "Initial commit"],
    "from_query": "6 rows of plain",
    "of_plain": ["ds1"],
    "rollback": True,
    "after": [],
}
RAISED = {
    "again": "There is an application 'writer' in this project already.",
    "unknown": "There is no application 'nobody' in this project.",
    "unknown_model": "ValueError: Model 'no-such-model' not supported.",
    "behind": "DatasetHeadOutOfDateException",
    "no_dataset": "DatasetNotFoundError",
    "archived": "There is no application 'talker' in this project.",
    "deleted": "There is no application 'plain' in this project.",
}


@pytest.fixture(scope="module")
def ran(live_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> tuple[Stack, dict[str, Any], str]:
    """The server, what the program told, and what was printed."""
    return live_stack, *running.results(live_stack, "everything.py", tmp_path_factory.mktemp("gantry"))


def test_each_answer_that_the_client_gives_is_the_right_one(ran: Any) -> None:
    _, told, _ = ran

    for name, value in EXPECTED.items():
        assert told.get(name, "is missing") == value, name
    for name, part in RAISED.items():
        assert part in str(told[name]), (name, told[name])
    # Others keep datasets and applications in this project too.
    assert "ds1" in told["datasets"]
    assert {"plain", "talker", "writer"} <= set(told["applications"])
    assert set(told) == {*EXPECTED, *RAISED, "datasets", "applications"}


def test_the_client_reports_no_event_as_lost_but_the_one_that_it_drops_itself(ran: Any) -> None:
    _, _, printed = ran

    errors = {line.partition(" ERROR ")[2].strip() for line in printed.splitlines() if " ERROR " in line}
    assert errors == {"Dropping record as it is larger than the maximum size allowed (1049000 bytes)"}


def test_what_was_logged_is_stored_once_with_all_that_was_said_of_it(ran: Any) -> None:
    stack, _, _ = ran
    with stack.client() as client:
        rows = [
            row
            for name in ("writer", "talker", "plain")
            for row in client.get("/api/generations", params={"metadata.application": name}).json()["data"]
        ]
        found = {row["id"]: client.get(f"/api/generations/{quote(row['id'])}").json() for row in rows}
    by_name = {name: [one for one in found.values() if one["name"] == name] for name in ("writer", "talker", "plain")}
    assert {name: len(rows) for name, rows in by_name.items()} == {"writer": 4, "talker": 1, "plain": 6}

    # The choice that was used is the answer; all choices are there.
    call = next(one for one in by_name["writer"] if one.get("selectedChoice") == 1)
    assert call["output"]["content"] == "B"
    assert [one["content"] for one in call["output"]["alternatives"]] == ["A", "B"]
    assert call["prompt"] == "Summarise cats for kids"
    assert call["variables"] == {"topic": "cats", "audience": "kids"}
    assert call["requestAttributes"] == {"prompt_values": call["variables"], "user_id": "u1"}
    assert call["responseAttributes"] == {"latency": 0.4}
    assert (call["promptVersion"]["name"], call["promptVersion"]["version"]) == ("writer", 1)
    assert call["environment"] == "dev"
    assert call["metadata"]["labels"] == {"env": "dev", "cohort": "b", "version_number": 1}
    assert (call["metadata"]["userId"], call["metadata"]["tags"]) == ("u1", ["cohort:b"])
    assert call["usage"]["totalTokens"] == 7
    assert call["feedback"]["thumbs"] == "up"
    assert {one["name"]: one["value"] for one in call["scores"]} == {"thumbs": 1, "correct": 1}

    # A choice that is none is the first, and said; the version is found by what it makes of the values.
    other = next(one for one in by_name["writer"] if "selected_choice_index" in str(one["metadata"].get("problems")))
    assert (other["selectedChoice"], other["output"]["content"]) == (0, "A")
    assert other["promptVersion"]["version"] == 1

    # Another vendor's form, and feedback that named its session.
    cohere = next(one for one in by_name["writer"] if one["model"].get("provider") == "cohere")
    assert (cohere["prompt"], cohere["output"]["content"], cohere["metadata"]["sessionId"]) == ("x", "z", "s-2")
    assert [(one["name"], one["value"], one["label"]) for one in cohere["scores"]] == [("correct", 0, "false")]

    # What nothing is known of is kept as it came.
    odd = next(one for one in by_name["writer"] if "api_response" in str(one["metadata"].get("problems")))
    assert "99" in odd["metadata"]["problems"][1]

    # One session holds calls of both applications.
    (talk,) = by_name["talker"]
    assert talk["threadId"] == call["threadId"]
    assert talk["feedback"]["rating"] == 5
    assert talk["feedback"]["comment"] == "Good."

    # Feedback before the event, and changed after it.
    events = {one["metadata"]["requestId"]: one for one in by_name["plain"]}
    assert set(events) == {"early", "b", "c", "run-1", "f,1", "f2"}
    assert {key: [score["value"] for score in one["scores"]] for key, one in events.items()} == {
        **{key: [1] for key in ("early", "b", "c", "run-1", "f,1")},
        "f2": [0],
    }
