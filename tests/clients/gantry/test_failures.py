"""The real Gantry client when something is wrong: it is told what, loses nothing that it sent, and repeats nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from generations.management import embedded
from generations.recording import locking
from tests.clients.gantry import running
from tests.stack import Stack

pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="module")
def failed(live_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> tuple[Stack, dict[str, Any], str]:
    """The server, what the program told, and what was printed."""
    return live_stack, *running.results(live_stack, "failing.py", tmp_path_factory.mktemp("failing"))


def test_a_wrong_key_is_told_where_it_is_used(failed: Any) -> None:
    _, told, printed = failed

    assert told["wrong_key"] == [True, False]
    assert "401" in told["get_with_wrong_key"]
    assert "API key" in told["get_with_wrong_key"]
    assert "Gantry services won't receive traffic. Check if API Key is valid" in printed
    assert told["right_key"] == [True, True]


def test_what_cannot_be_of_a_version_is_told_and_labels_that_are_moved_at_once_are_each_on_one(failed: Any) -> None:
    stack, told, _ = failed

    assert set(told["labels"]) <= {1, 2}
    with stack.client() as client:
        versions = client.get("/api/prompts/failing/versions").json()["data"]
    for label, number in zip(("prod", "test"), told["labels"], strict=True):
        assert [one["version"] for one in versions if label in one["labels"]] == [number]
    assert "There is no version of 'failing' '00000000-0000-0000-0000-000000000000'" in told["deploy_unknown"]
    assert "expected prod or test" in told["deploy_elsewhere"]
    # These the client refuses by itself, by what it was told of models.
    assert told["get_by_number"].startswith("ValueError: Invalid version '1'")
    assert "only available for openai chat models" in told["functions"]
    assert told["chat_version"].startswith("NotImplementedError")
    assert (told["vendor"], told["chat_created"]) == ("cohere", "openai-chat")


def test_what_cannot_be_read_of_an_event_is_kept_with_the_reason_and_costs_no_other_event(failed: Any) -> None:
    stack, told, printed = failed
    with stack.client() as client:
        rows = client.get("/api/generations", params={"metadata.application": "failing", "limit": "50"}).json()["data"]
        found = {
            row["id"].removeprefix("failing:"): client.get(f"/api/generations/{quote(row['id'])}").json()
            for row in rows
        }
        others = [
            client.get("/api/generations", params={"metadata.application": name}).json()["data"]
            for name in ("failing-chat", "failing-plain")
        ]

    assert "Internal error sending events" not in printed
    assert len(found) == 9
    assert (found["nul"]["threadId"], found["nul"]["metadata"]["labels"]) == ("s", {"half": "\ufffd"})
    assert told["solved"] == ["True"]
    problems = {id: call["metadata"].get("problems", []) for id, call in found.items()}
    (missing,) = problems["unfilled"]
    assert missing.startswith("request_attributes.prompt_values: ['who'] is not valid")
    assert missing.endswith("expected a value for each input of the prompt, also for 'what'")
    assert told["unfilled"] == "Tell Ann of {{what}}"
    assert "Unfilled keys: ['what']" in told["strict"]
    assert found["unfilled"]["promptVersion"]["version"] == 1
    assert "response.choices" in problems["unparsed"][0]
    assert [one.partition(":")[0] for one in problems["choice"]] == ["selected_choice_index"]
    assert [one.partition(":")[0] for one in problems["attributes"]] == [
        "request_attributes",
        "response_attributes",
        "feedback",
    ]
    assert found["attributes"]["requestAttributes"] == {"value": ["a"]}
    assert problems["version"] == [
        "tags.version_number: 77 is not valid; expected the number of a version of the application"
    ]
    assert found["version"]["promptVersion"]["version"] == 77
    assert found["not-a-number"]["responseAttributes"] == {"share": None}
    assert found["last"]["feedback"]["thumbs"] == "down"
    (gateway,) = [call for call in found.values() if "502 Bad Gateway" in str(call["output"].get("content"))]
    assert "Bad Gateway" in gateway["metadata"]["problems"][0]
    assert [len(some) for some in others] == [1, 1]


def test_an_event_that_cannot_be_stored_now_is_sent_again_and_stored_once(live_stack: Stack, tmp_path: Path) -> None:
    database = live_stack.environment().get("DATABASE_URL") or embedded.url(live_stack.data_dir)
    with live_stack.client() as client, psycopg.connect(database) as other:
        client.post("/api/v1/applications", json={"model_name": "patient", "model_type": "Completion"})
        project = other.execute("SELECT id FROM project WHERE slug = 'default'").fetchone()
        assert project is not None
        locking.lock(other, project[0])
        with subprocess.Popen(
            running.command("waiting.py"),
            env=running.environment(live_stack, GANTRY_APP_NAME="patient"),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            said: list[str] = []
            for line in process.stdout:
                said.append(line)
                if "Experiencing timeouts" in line:
                    # It was told 502, and comes again in five seconds.
                    other.rollback()
            status = process.wait(60)
        found = client.get("/api/generations", params={"metadata.application": "patient"}).json()["data"]

    assert any("Experiencing timeouts" in line for line in said), said
    assert (status, [row["id"] for row in found]) == (0, ["patient:patient"])
