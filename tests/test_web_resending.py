"""A stored call is copied as a program, and the program makes the very same call again: run for real, against a server
that answers as a provider would."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from generations import attachments
from generations.ingest.media import Media, Reference
from generations.models import Project
from generations.records import AttachmentRecord
from generations.web import resending
from tests import web
from tests.scripted import Scripted
from tests.web import recorded, shop_client, shop_project  # noqa: F401  the fixtures `client` and `project`

pytestmark = pytest.mark.django_db

AWKWARD = 'It\'s "quoted" $HOME `id` \\n\nJSON\n<b>é東🙂</b> \u202eevil \x9b31m \u2028 ${x} {y}'


@pytest.fixture
def provider() -> Iterator[Scripted]:
    server = Scripted()
    server.answer = lambda method, path, body: (
        200,
        {"Content-Type": "application/json"},
        json.dumps({"choices": [{"message": {"content": "Said é again"}}]}, ensure_ascii=False).encode(),
    )
    yield server
    server.close()


def run(program: str, language: str, server: Scripted) -> str:
    """What the program prints when it is pasted into a shell, into Python or into Node.js."""
    commands = {"curl": ["bash", "-s"], "python": [sys.executable, "-"], "javascript": ["node", "-"]}
    environment = {
        "PATH": os.environ["PATH"],
        "OPENAI_BASE_URL": f"{server.url}/v1",
        "ANTHROPIC_BASE_URL": server.url,
        "OPENAI_API_KEY": "sk-mine",
        "ANTHROPIC_API_KEY": "sk-mine",
    }
    done = subprocess.run(
        commands[language], input=program.encode(), env=environment, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def program(client: Client, project: Project, language: str) -> str:
    response = client.get(f"/projects/{project.slug}/generations/one/code/?as={language}")
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    return str(response.content.decode())


def installed(language: str) -> None:
    command = {"curl": "curl", "javascript": "node"}.get(language)
    if command and shutil.which(command) is None:
        pytest.skip(f"{command} is not installed")


@pytest.mark.parametrize("language", ["curl", "python", "javascript"])
def test_a_chat_that_is_pasted_is_sent_with_its_exact_parameters(
    client: Client, project: Project, provider: Scripted, language: str
) -> None:
    installed(language)
    messages = [
        {"role": "system", "content": AWKWARD},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": {"url": "https://e.example/x.png"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "{}"},
    ]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "__proto__": {"x": 1}}}}]
    recorded(
        project,
        provider="openai",
        messages=messages,
        message_completion={"role": "assistant", "content": "It is"},
        tools=tools,
        parameters={
            "temperature": 0.2,
            "topP": 0.9,
            "maxTokens": 100,
            "stopSequences": ["END"],
            "seed": 42,
            "n": 2,
            "response_format": {"type": "json_object"},
            "logprobs": True,
            "user": None,
            "stream": True,
            "api_key": "sk-x",
        },
    )

    printed = run(program(client, project, language), language, provider)

    ((method, path, headers, body),) = provider.requests
    assert (method, path) == ("POST", "/v1/chat/completions")
    assert {name.lower(): value for name, value in headers.items()}["authorization"] == "Bearer sk-mine"
    assert json.loads(body) == {
        "model": "gpt-4o",
        "messages": messages,
        "temperature": 0.2,
        "top_p": 0.9,
        "max_tokens": 100,
        "stop": ["END"],
        "seed": 42,
        "n": 2,
        "response_format": {"type": "json_object"},
        "logprobs": True,
        "user": None,
        "tools": tools,
    }
    assert json.loads(printed)["choices"][0]["message"]["content"] == "Said é again"


@pytest.mark.parametrize("language", ["curl", "python", "javascript"])
def test_a_call_of_anthropics_is_sent_to_its_own_interface(
    client: Client, project: Project, provider: Scripted, language: str
) -> None:
    installed(language)
    said = [
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Wait"},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"city": "Oslo"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "Rain"}]},
    ]
    tools = [{"name": "f", "description": "Weather", "input_schema": {"type": "object", "properties": {}}}]
    recorded(
        project,
        model_id="claude-sonnet-4-5",
        provider="anthropic",
        messages=[{"role": "system", "content": AWKWARD}, *said],
        tools=tools,
        parameters={"maxTokens": 300, "stopSequences": ["END"], "temperature": 0, "topP": 1},
    )

    run(program(client, project, language), language, provider)

    ((_, path, headers, body),) = provider.requests
    assert path == "/v1/messages"
    given = {name.lower(): value for name, value in headers.items()}
    assert (given["x-api-key"], given["anthropic-version"]) == ("sk-mine", "2023-06-01")
    assert json.loads(body) == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 300,
        "stop_sequences": ["END"],
        "temperature": 0,
        "top_p": 1,
        "system": AWKWARD,
        "messages": said,
        "tools": tools,
    }


def test_a_prompt_and_an_embedding_are_sent_as_what_they_are(project: Project) -> None:
    nothing: Any = lambda found: None  # noqa: E731
    prompt = resending.request(
        {"prompt": "Once", "parameters": {"maxTokens": 5}},
        kind="completion",
        model="davinci",
        provider="openai",
        kept=nothing,
    )
    vector = resending.request(
        {"input": ["a", "b"]}, kind="embedding", model="text-embedding-3-small", provider="openai", kept=nothing
    )
    reasoning = resending.request(
        {"input": "Think", "parameters": {"maxTokens": 5}}, kind="chat", model="o3", provider=None, kept=nothing
    )

    assert prompt is not None
    assert (prompt.path, prompt.body) == ("/completions", {"model": "davinci", "prompt": "Once", "max_tokens": 5})
    assert vector is not None
    assert (vector.path, vector.body) == ("/embeddings", {"model": "text-embedding-3-small", "input": ["a", "b"]})
    assert reasoning is not None
    assert reasoning.body == {
        "model": "o3",
        "messages": [{"role": "user", "content": "Think"}],
        "max_completion_tokens": 5,
    }
    assert resending.request({"output": "x"}, kind="chat", model="m", provider=None, kept=nothing) is None


def test_messages_of_one_providers_shape_are_sent_in_the_others(project: Project) -> None:
    parts = [
        {"role": "user", "parts": [{"type": "text", "content": "Weather?"}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "t", "name": "f", "arguments": {"a": 1}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "t", "result": "Rain"}]},
    ]
    chat = [
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
        },
        {"role": "tool", "tool_call_id": "t", "content": "Rain"},
    ]
    nothing: Any = lambda found: None  # noqa: E731

    as_openai = resending.request({"messages": parts}, kind="chat", model="gpt-4o", provider=None, kept=nothing)
    as_anthropic = resending.request({"messages": chat}, kind="chat", model="claude-x", provider=None, kept=nothing)

    assert as_openai is not None
    assert as_openai.body["messages"] == chat
    assert as_anthropic is not None
    assert as_anthropic.body["messages"] == [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "Rain"}]},
    ]


def test_a_file_that_was_taken_out_of_a_message_is_sent_with_it(client: Client, project: Project) -> None:
    file = Media("a" * 64, "image/png", b"\x89PNG")
    attachments.keep(project, [file])
    key = attachments.folder(project) + file.sha256
    inside = str(Reference(file.sha256, file.mime, 4))
    recorded(
        project,
        messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": inside}}]}],
        attachments=(AttachmentRecord(id="a", mime="image/png", size=4, sha256=file.sha256, storage_key=key),),
    )

    assert "data:image/png;base64,iVBORw==" in program(client, project, "curl")


@pytest.mark.parametrize("language", ["curl", "python", "javascript"])
def test_what_is_pasted_has_nothing_that_a_terminal_obeys(client: Client, project: Project, language: str) -> None:
    recorded(project, messages=[{"role": "user", "content": AWKWARD + "\x1b[31m"}])

    pasted = program(client, project, language)

    assert all(character == "\n" or character.isprintable() for character in pasted)


def test_only_a_member_copies_and_only_what_can_be_sent(client: Client, project: Project) -> None:
    recorded(project, output="x")
    other = web.project("Other")
    recorded(other, prompt="x", type="completion")

    address = f"/projects/{project.slug}/generations/one/code/"
    assert client.get(f"{address}?as=curl").status_code == 404
    assert client.get(f"{address}?as=ruby").status_code == 404
    assert client.get(f"/projects/{other.slug}/generations/one/code/?as=curl").status_code == 404
    assert "Copy as" not in web.text(web.page(client, project))


def test_an_upload_is_never_asked_for_bytes_of_another_project(project: Project) -> None:
    other = web.project("Other")
    attachments.save(f"attachments/{other.pk}/secret", io.BytesIO(b"secret"))
    recorded(project, attachments=(AttachmentRecord(id="a", storage_key=f"attachments/{other.pk}/secret"),))

    from generations.models import Attachment

    assert attachments.content(Attachment.objects.in_project(project.pk).get()) is None
