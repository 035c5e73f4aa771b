"""What the pages in docs/ and deploy/ say to type: typed as printed, against a running copy."""

from __future__ import annotations

import json
import os
import re
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from tests.clients.literal.test_roundtrip import new_project
from tests.clients.otel.provider import Provider
from tests.stack import ROOT, Stack
from tests.test_readme import Shell

pytestmark = pytest.mark.slow

CALL = {"model": {"id": "gpt-4o"}, "input": {"content": "Where is it?"}, "output": {"content": "I am sorry: gone."}}


def fenced(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), re.M | re.S)


def commands(page: str, heading: str) -> list[str]:
    """The lines below a heading that stand four spaces in and call manage.py, without the remarks behind them."""
    section = f"\n{(ROOT / page).read_text()}".split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [re.sub(r" +# .*", "", line) for line in re.findall(r"^    (.*manage\.py .*)$", section, re.M)]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "typed").mkdir()
    return Shell(tmp_path / "typed")


@pytest.fixture
def key(live_stack: Stack) -> str:
    """Of a project in which nothing is."""
    return new_project(live_stack, f"Typed {uuid.uuid4().hex[:8]}")[1]


def ended(client: httpx.Client, address: str) -> dict[str, Any]:
    """A job when it is done."""
    deadline = time.monotonic() + 240
    while (job := client.get(address).raise_for_status().json())["state"] in ("queued", "running"):
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
    return dict(job)


def test_an_evaluation_by_program_scores_what_was_logged(live_stack: Stack, shell: Shell, key: str) -> None:
    [typed] = fenced("docs/evaluation.md", "sh")
    with httpx.Client(base_url=live_stack.url, headers={"Authorization": f"Bearer {key}"}) as client:
        assert client.post("/api/generations", json=CALL).status_code == 201

        printed = shell.types(live_stack, f"export GENERATIONS_API_KEY={key}\n{typed}")
        job = ended(client, re.findall(r"^location: (\S+)", printed, re.M)[-1])

    assert '"items":1,"calls":0' in printed
    assert (job["state"], job["result"]["scored"], job["result"]["unscored"]) == ("done", 1, 0)


def test_programs_of_the_page_about_rest_do_what_it_says(live_stack: Stack, shell: Shell, key: str) -> None:
    (shell.folder / "program.py").write_text("\n".join(fenced("docs/api.md", "python")))

    printed = shell.types(live_stack, f"export GENERATIONS_API_KEY={key}\n{sys.executable} program.py")

    lines = printed.strip().splitlines()
    assert (lines[0], len(lines)) == ("250", 6), printed
    assert lines[1].endswith("None 84")
    assert lines[4:] == ["done {'matched': 250, 'added': 250}", "1"]


def test_a_file_comes_in_over_rest(live_stack: Stack, shell: Shell, key: str) -> None:
    [typed] = fenced("docs/files.md", "bash")
    (shell.folder / "log.csv").write_text(fenced("docs/files.md", "csv")[0] + "never,cy,And four?,Sixteen.,8,1,pro\n")
    sent, watched = typed.split("ID=...  # of the answer\n")
    typed_by_us = f"export GENERATIONS_API_KEY={key}\n"

    made = json.loads(shell.types(live_stack, typed_by_us + sent))
    with httpx.Client(base_url=live_stack.url, headers={"Authorization": f"Bearer {key}"}) as client:
        ended(client, f"/api/imports/{made['id']}")
    how, refused = shell.types(live_stack, f"{typed_by_us}ID={made['id']}\n{watched}").split("\n", 1)

    assert json.loads(how)["result"]["stored"] == 2
    assert len(refused.strip().splitlines()) == 2
    assert "never" in refused


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[tuple[Stack, Provider]]:
    provider = Provider()
    stack = Stack(tmp_path / "data", EGRESS_PRIVATE="127.0.0.1", GATEWAY_UPSTREAM=provider.url)
    try:
        stack.start()
        yield stack, provider
    finally:
        stack.discard()
        provider.server.close()


KEPT = """
from generations import access, models, providers
grant = access.of_system(models.Project.objects.get())
providers.save(grant, kind='vllm', name='default', secret='sk-theirs', endpoint='{}')
"""


def test_a_call_passes_the_gateway_by_both_addresses(gateway: tuple[Stack, Provider], shell: Shell) -> None:
    stack, provider = gateway
    theirs, call, ours = fenced("docs/gateway.md", "sh")
    theirs, ours = (
        text.replace("http://127.0.0.1:8000", stack.url).replace("gen_...", stack.api_key) for text in (theirs, ours)
    )
    stack.manage("shell", "--no-imports", "-c", KEPT.format(provider.url))

    [first] = shell.answers(stack, theirs + call)
    [second] = shell.answers(stack, ours + call)
    anthropic = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
    for base, sent in ((f"{stack.url}/gateway/{stack.api_key}", "sk-ant"), (stack.url, stack.api_key)):
        answer = httpx.post(f"{base}/v1/messages", headers={"x-api-key": sent}, json=anthropic)
        assert answer.json()["type"] == "message"

    with stack.client() as client:
        deadline = time.monotonic() + 240
        while len(found := client.get("/api/generations").json()["data"]) < 4:
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
    called = [one["metadata"] for one in found if one["model"]["id"] == "gpt-4o-mini"]
    assert [one["object"] for one in (first, second)] == ["chat.completion"] * 2
    assert {(one["userId"], one["tags"][0], one["plan"]) for one in called} == {("ann", "geography", "pro")}


def test_what_an_operator_types_does_what_the_page_says(stack: Stack, shell: Shell, tmp_path: Path) -> None:
    page = "docs/operating.md"
    [before_upgrade] = commands(page, "Upgrade")
    backup, restore, nightly = commands(page, "Backup and restore")
    [named] = re.findall(r"generations-backup-\w+", restore)
    [at] = re.findall(r"^0 3 \* \* \*  cd /srv/generations && ", nightly)
    elsewhere = {"/new/place": tmp_path / "restored", "/var/lib/generations": stack.data_dir, "/backups": "nightly"}
    for place, own in elsewhere.items():
        restore, nightly = (text.replace(place, str(own)) for text in (restore, nightly))
    if os.environ["OUTSIDE_DATABASE_URL"]:  # which is not empty: the new place has a database of its own
        restore = f"DATABASE_URL= {restore}"
    typed = [
        before_upgrade,
        backup,
        f"mv generations-backup-* {named} && {restore}",
        nightly.removeprefix(at).replace("\\%", "%"),  # which cron(8) would else take for the end of the line
        *commands(page, "Holds"),
        *commands(page, "Is it well?"),
    ]
    stack.start()

    told = [shell.types(stack, one) for one in typed]

    assert [one.split(" ")[0] for one in told[:4]] == ["Backed", "Backed", "Restored", "Backed"]
    assert told[4] == ""  # no project has rules
    assert json.loads(told[5])["project"] == "default"
    assert "web, worker, beat" in told[6]
    assert [one.name for one in (shell.folder / "nightly").iterdir()] == [f"generations-{time.strftime('%Y-%m-%d')}"]


@pytest.mark.skipif(bool(os.environ.get("OUTSIDE_DATABASE_URL")), reason="It is the embedded database that is left.")
def test_what_is_in_the_embedded_database_moves_to_an_outside_one(stack: Stack, shell: Shell, tmp_path: Path) -> None:
    backup, restore, up = commands("deploy/README.md", "1. A PostgreSQL of your own")
    assert up == ".venv/bin/python manage.py up"
    moving = str(tmp_path / "moving")
    name = f"moved_{uuid.uuid4().hex}"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    stack.start()
    with stack.client() as client:
        client.post("/api/generations", json={"id": "moved", **CALL})
    stack.stop()

    shell.types(stack, backup.replace("/srv/moving", moving))
    stack._environment["DATABASE_URL"] = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
    told = shell.types(stack, restore.replace("/srv/moving", moving))
    stack.start()
    with stack.client() as client:
        found = client.get("/api/generations/moved")

    assert "as many as were backed up" in told
    assert found.json()["output"]["content"] == "I am sorry: gone."
    stack.stop()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_whether_address_and_key_of_an_exporter_are_right_is_told_by_the_line_that_is_printed(
    live_stack: Stack, shell: Shell
) -> None:
    (typed,) = [block for block in fenced("docs/opentelemetry.md", "sh") if block.startswith("curl ")]

    printed = shell.types(live_stack, typed.replace("http://localhost:8000", live_stack.url))

    assert printed.startswith("HTTP/1.1 200 ")
    assert printed.splitlines()[-1] == "{}"
    with pytest.raises(AssertionError, match="This API key is not known here"):
        shell.types(
            live_stack, typed.replace("http://localhost:8000", live_stack.url).replace("$GENERATIONS_API_KEY", "wrong")
        )
