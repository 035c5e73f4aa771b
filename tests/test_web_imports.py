"""The page that takes files of calls: what is shown of them before, the job that stores them, and who may."""

from __future__ import annotations

import gzip
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client

from generations import importing, jobs
from generations.access import of_system
from generations.importing import calls, tables, uploads, working
from generations.models import Generation, GenerationPayload, Job, Project
from generations.models.accounts import Role
from tests import web
from tests.exports import folder

__all__ = ["folder"]
pytestmark = pytest.mark.django_db
PAGE = "/projects/shop/import/"
CSV = b"when,prompt,completion,who\n2026-02-02T10:00:00Z,Two and two?,Four.,ann\n2026-02-02T11:00:00Z,Three?,3,bo\n"
PAIR = {
    "request": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Two and two?"}]},
    "response": {"model": "gpt-4o", "choices": [{"message": {"role": "assistant", "content": "Four."}}]},
    "tags": ["sums"],
}
DATA = Path(__file__).with_name("data")


@pytest.fixture
def project(folder: Path) -> Project:
    return web.project()


@pytest.fixture
def client(project: Project) -> Client:
    return web.signed_in(project)


def named(content: bytes, name: str) -> io.BytesIO:
    file = io.BytesIO(content)
    file.name = name
    return file


def sent(client: Client, content: bytes, name: str = "log.csv", **more: Any) -> Any:
    """The page on which what was sent is looked at."""
    answer = client.post(PAGE, {"file": named(content, name), **more})
    assert answer.status_code == 302, web.text(answer)
    return client.get(answer.headers["Location"])


def form(looked: Any) -> dict[str, str]:
    """What the page's form would send as it stands, but for the button."""
    names = ("token", "asked", "as")
    found = {str(tag["name"]): str(tag["value"]) for tag in web.tags(looked, "input") if tag.get("name") in names
             and (tag.get("type") != "radio" or "checked" in tag)}  # fmt: skip
    for select, options in re.findall(r'<select name="(role-\d+)".*?>(.*?)</select>', looked.content.decode(), re.S):
        found[select] = re.findall(r'<option value="([^"]*)" selected', options)[0]
    return found


def started(client: Client, looked: Any, **changes: str) -> Job:
    answer = client.post(PAGE, {**form(looked), **changes, "start": "1"})
    assert answer.status_code == 302, web.text(answer)
    return Job.objects.get(pk=answer.headers["Location"].split("/")[-2])


def done(client: Client, looked: Any, **changes: str) -> Job:
    job = started(client, looked, **changes)
    assert working.run(job.pk)
    job.refresh_from_db()
    return job


def rows(project: Project) -> Any:
    return Generation.objects.in_project(project.pk).order_by("started_at")


# -------------------------------------------------------------------------------------------------------- the main job
def test_a_table_is_looked_at_told_and_stored_with_a_report(client: Client, project: Project) -> None:
    looked = sent(client, CSV + b"soon,Four?,4,cy\n")

    assert form(looked) | {"token": ""} == {
        "token": "",
        "as": "table",
        "role-0": "metadata",
        "role-1": "input.content",
        "role-2": "output.content",
        "role-3": "metadata",
    }
    again = client.post(PAGE, {**form(looked), "role-0": "timestamp", "role-3": "metadata.userId"})
    shown = web.text(again)
    assert "Two and two? Four. row of a table user ann" in shown
    assert "when: 'soon' is not valid; expected a time such as" in shown
    assert not rows(project).exists()
    job = done(client, again)

    assert (job.state, job.progress_done, job.progress_total) == ("done", 3, 3)
    assert job.result == {
        "rows": 3,
        "stored": 2,
        "merged": 0,
        "unchanged": 0,
        "refused": 1,
        "refusals": [{"row": 4, "reason": job.result["refusals"][0]["reason"]}],
        "refusedFile": f"imports/{project.pk}/{job.pk}.refused.csv",
    }
    assert list(rows(project).values_list("input_preview", "user_id")) == [("Two and two?", "ann"), ("Three?", "bo")]
    page = client.get(f"/projects/shop/jobs/{job.pk}/")
    report = web.text(page)
    assert "log.csv into generations" in report
    assert "Stored 2" in report
    assert "4 when: 'soon' is not valid" in report
    (link,) = [str(tag["href"]) for tag in web.tags(page, "a") if "refused" in str(tag.get("href"))]
    file: Any = client.get(link)
    lines = b"".join(file.streaming_content).decode().splitlines()
    assert lines[0] == "row,field,reason"
    assert lines[1].startswith("4,when,\"when: 'soon' is not valid")
    assert not default_storage.exists(job.parameters["file"])


def test_the_same_file_again_changes_nothing(client: Client, project: Project) -> None:
    done(client, sent(client, CSV))

    job = done(client, sent(client, CSV))

    assert {name: job.result[name] for name in ("stored", "merged", "unchanged")} == {
        "stored": 0,
        "merged": 0,
        "unchanged": 2,
    }
    assert rows(project).count() == 2


def test_pairs_say_what_they_are_and_may_be_pasted(client: Client, project: Project) -> None:
    answer = client.post(PAGE, {"text": "\r\n".join(json.dumps({**PAIR, "time": 1_770_000_000 + n}) for n in range(2))})
    looked = client.get(answer.headers["Location"])

    assert "OpenAI chat completion model gpt-4o tags sums" in web.text(looked)
    assert form(looked)["as"] == "calls"
    assert "role-0" not in form(looked)
    job = done(client, looked)

    assert job.result["stored"] == 2
    assert set(rows(project).values_list("model_id", "output_preview")) == {("gpt-4o", "Four.")}


def test_what_is_pasted_keeps_its_ends_of_lines_within_cells(client: Client, project: Project) -> None:
    answer = client.post(PAGE, {"text": 'prompt,answer\r\n"One\r\ntwo",Three\r\n'})

    done(client, client.get(answer.headers["Location"]))

    assert GenerationPayload.objects.in_project(project.pk).get().prompt == "One\ntwo"


def test_rows_that_say_what_they_are_may_be_read_as_a_table(client: Client, project: Project) -> None:
    looked = sent(client, json.dumps({"id": "x", "prompt": "Hi", "name": "Ann"}).encode(), "log.jsonl")
    assert form(looked)["as"] == "calls"

    table = client.post(PAGE, {**form(looked), "as": "table"})
    job = done(client, table, **{"role-2": "metadata.userId"})

    assert job.result["stored"] == 1
    assert rows(project).values_list("public_id", "user_id", "name").get() == ("x", "Ann", None)


def test_a_batchs_results_find_their_requests(client: Client, project: Project) -> None:
    results = b"\n".join((DATA / "calls.jsonl").read_bytes().splitlines()[4:7])
    requests = named(gzip.compress((DATA / "batch_requests.jsonl").read_bytes()), "asked.jsonl.gz")

    looked = sent(client, results, "batch.jsonl", requests=requests)
    job = done(client, looked)

    assert "I love it" in web.text(looked)
    assert "asked.jsonl.gz" in web.text(looked)
    assert job.result["stored"] == 3
    assert rows(project).get(public_id="batch_req_1").input_preview == "I love it"
    assert not default_storage.exists(job.parameters["requests"])


# ---------------------------------------------------------------------------------------------------------------- jobs
def test_a_job_that_is_taken_up_again_stores_nothing_twice(client: Client, project: Project) -> None:
    job = started(client, sent(client, CSV))
    content = default_storage.open(job.parameters["file"]).read()
    working.run(job.pk)

    # As if the worker had been killed after the last transaction and before it could say so.
    default_storage.save(job.parameters["file"], io.BytesIO(content))
    Job.objects.filter(pk=job.pk).update(state="queued")
    working.run(job.pk)

    job.refresh_from_db()
    assert (job.state, job.result["stored"], job.result["unchanged"]) == ("done", 0, 2)
    assert rows(project).count() == 2


def test_of_a_file_that_is_damaged_nothing_is_stored(client: Client, project: Project) -> None:
    lines = b"prompt,answer\n" + b"".join(b"Question %d and so on,Answer %d\n" % (n, n) for n in range(6_000))
    broken = done(client, sent(client, lines + b"\xff,\n"))
    cut = done(client, sent(client, gzip.compress(lines)[:-2_000], "log.csv.gz"))

    assert (broken.state, broken.error) == (
        "failed",
        "The file is not UTF-8: there is a byte 0xff. Save it as UTF-8 once more. Nothing was stored.",
    )
    assert cut.state == "failed"
    assert cut.error.startswith("The gzip file is cut off or damaged")
    assert not rows(project).exists()


def test_an_import_is_cancelled_between_transactions(
    client: Client, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = started(client, sent(client, CSV))
    monkeypatch.setattr(importing, "BATCH_LINES", 1)
    monkeypatch.setattr(jobs, "TELL_EVERY", 0)
    store = importing._store

    def stored(*given: Any) -> None:
        store(*given)
        jobs.cancel(of_system(project), job.pk)

    monkeypatch.setattr(importing, "_store", stored)

    working.run(job.pk)

    job.refresh_from_db()
    assert job.state == "cancelled"
    assert rows(project).count() == 1
    assert "Stored 1" in web.text(client.get(f"/projects/shop/jobs/{job.pk}/"))


# ------------------------------------------------------------------------------------------------------------ bad input
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "The file is empty"),
        ("a.csv", b"prompt\n", "no rows"),
        ("a.xlsx", b"PK\x03\x04....", "zip file"),
        ("a.csv", b"gr\xf6\xdfe\n1\n", "not UTF-8"),
        ("a.jsonl", b"prompt,completion\n1,2\n", "Of the first rows none can be read. Row 1: line: 'prompt,completion"),
        ("a.json", b"{", "The file is no JSON"),
        ("a.parquet", b"PAR1", "Parquet file cannot be read"),
        ("a", b"\x00\x01\x02", "cannot be told what this is"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_refused(client: Client, name: str, content: bytes, words: str) -> None:
    answer = client.post(PAGE, {"file": named(content, name)})

    assert answer.status_code == 400
    assert words in web.text(answer)
    assert not Job.objects.exists()


def test_a_bomb_is_given_up_before_it_is_unpacked(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_UNPACKED", 1 << 20)
    bomb = gzip.compress(b"prompt,answer\nx,y\n" + b"x,y\n" * (1 << 20))

    monkeypatch.setattr(calls, "MAX_REQUESTS", 3)
    requests = named((DATA / "batch_requests.jsonl").read_bytes(), "r.jsonl")
    many = client.post(PAGE, {"file": named(b'{"custom_id": "1", "response": null}', "a.jsonl"), "requests": requests})

    job = done(client, sent(client, bomb, "log.csv.gz"))
    whole = client.post(PAGE, {"file": named(gzip.compress(b"[" + b" " * (2 << 20)), "a.json.gz")})
    asked = client.post(
        PAGE, {"file": named(CSV, "a.csv"), "requests": named(gzip.compress(b" " * (2 << 20)), "r.jsonl")}
    )

    assert (job.state, job.error) == (
        "failed",
        "The file is larger than 1 MiB when it is unpacked. Divide it. Nothing was stored.",
    )
    assert whole.status_code == asked.status_code == many.status_code == 400
    assert "at most 3 requests" in web.text(many)


def test_nothing_at_all_and_too_much_are_refused(client: Client) -> None:
    assert "Choose a file, or paste something" in web.text(client.post(PAGE, {}))
    long = client.post(PAGE, {"text": "prompt,answer\n" + "x" * (4 << 20)})
    assert "may have 4 MiB" in web.text(long)
    assert client.get(PAGE + "?file=forged", follow=True).status_code == 200


def test_columns_that_make_no_call_are_said(client: Client) -> None:
    looked = sent(client, CSV)

    answer = client.post(PAGE, {**form(looked), "role-1": "", "role-2": "nothing.known", "start": "1"})

    assert answer.status_code == 400
    assert "column completion: 'nothing.known' is not valid" in web.text(answer)
    assert not Job.objects.exists()


def test_a_word_of_a_megabyte_and_hostile_names_stay_text_on_a_small_page(client: Client) -> None:
    hostile = "</script><img src=x onerror=alert(1)>"
    names, cells = ",".join(f"c{n}" for n in range(190)), ",y" * 190
    content = f'prompt,"{hostile}",{names}\n{"x" * (1 << 20)},{hostile}{cells}\n'.encode()

    looked = sent(client, content, "<img>.csv")

    page = looked.content.decode()
    assert "<img" not in page
    assert len(page) < 150_000
    assert "And 152 more columns" in web.text(looked)


# ------------------------------------------------------------------------------------------------------------- who may
def test_a_viewer_is_not_led_here_and_may_not_send(project: Project) -> None:
    viewer = web.signed_in(project, Role.VIEWER, "vic")

    shown = viewer.get("/projects/shop/generations/")

    assert PAGE not in web.links(shown)
    assert viewer.get(PAGE).status_code == 403
    assert viewer.post(PAGE, {"file": named(CSV, "a.csv")}).status_code == 403
    assert not Job.objects.exists()


def test_a_member_is_led_here_from_the_navigation_and_from_the_list(client: Client, project: Project) -> None:
    empty = client.get("/projects/shop/generations/")
    web.recorded(project)
    filled = client.get("/projects/shop/generations/")

    assert web.links(empty).count(PAGE) == web.links(filled).count(PAGE) == 3


def test_another_projects_file_is_not_there(client: Client, project: Project) -> None:
    token = form(sent(client, CSV))["token"]
    stranger = web.signed_in(web.project("Other"), name="zoe")

    assert stranger.get(PAGE).status_code == 404
    looked = stranger.get(f"/projects/other/import/?file={token}", follow=True)
    assert "This file is not here any more" in web.text(looked)
    begun = stranger.post("/projects/other/import/", {"token": token, "as": "table", "start": "1"}, follow=True)
    assert "This file is not here any more" in web.text(begun)
    assert not Job.objects.exists()


def test_who_lost_the_right_meanwhile_imports_nothing(client: Client, project: Project) -> None:
    job = started(client, sent(client, CSV))
    project.memberships.update(role=Role.VIEWER)

    working.run(job.pk)

    job.refresh_from_db()
    assert (job.state, job.error) == ("failed", "Who started this may no longer do it.")
    assert not rows(project).exists()


def test_files_of_open_jobs_are_not_forgotten(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = named((DATA / "batch_requests.jsonl").read_bytes(), "asked.jsonl")
    line = (DATA / "calls.jsonl").read_bytes().splitlines()[4]
    job = started(client, sent(client, line, "batch.jsonl", requests=requests))
    monkeypatch.setattr(uploads, "KEPT", -uploads.KEPT)

    assert uploads.forget_uploads() == 0
    assert working.run(job.pk)
    job.refresh_from_db()
    assert job.state == "done"
