"""What is hostile stays text in every room of a project: names, prompts, judgements, files on their way in."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from typing import Any

import pytest
from django.test import Client

from generations import access, datasets, recording
from generations.models import Project
from generations.models.accounts import Role
from generations.records import FeedbackRecord, ParticipantRecord, ScoreRecord, StepRecord, ThreadRecord
from tests import web
from tests.web import NOON, call

pytestmark = pytest.mark.django_db

EVIL = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(1)><svg onload=alert(1)>"
    "[x](javascript:alert(1))\u202e\u2066\x1b[31m"
)
SHORT = "\"'><img src=x onerror=alert(1)>\u202e\x1b"
BOUND = 150_000


def test_no_room_of_a_project_makes_markup_of_what_it_was_given() -> None:
    project = web.project()
    client = web.signed_in(project, Role.ADMIN)
    _, token = access.create_key(access.of_system(project), name=EVIL[:190], scopes=["write"])
    ids = _furnish(project, client, {"Authorization": f"Bearer {token}"})

    paths = [path.format(**ids) for path in ROOMS]
    answers = {path: client.get(f"/projects/{project.slug}/{path}") for path in paths}

    assert {path: answer.status_code for path, answer in answers.items() if answer.status_code not in (200, 400)} == {}
    assert {path: found for path, answer in answers.items() if (found := _wrong(answer))} == {}


def test_a_file_on_its_way_in_is_looked_at_as_text() -> None:
    project = web.project()
    client = web.signed_in(project)
    dataset = datasets.create(access.of_system(project), name=EVIL)
    table = io.StringIO()
    csv.writer(table).writerows([["prompt", SHORT, EVIL], [EVIL, EVIL, EVIL], [EVIL * 2_000, "", ""]])
    lines = json.dumps({"id": 7, EVIL: EVIL, "prompt": EVIL, "model": {"id": EVIL}}).encode()

    files = ((f"{SHORT}.csv", table.getvalue().encode()), ("log.jsonl", lines + b"\n{" + EVIL.encode()))
    for room, (name, content) in itertools.product(("import/", f"datasets/{dataset.pk}/import/"), files):
        file = io.BytesIO(content)
        file.name = name
        led = client.post(f"/projects/{project.slug}/{room}", {"file": file})
        looked = client.get(led["Location"]) if led.status_code == 302 else led

        assert looked.status_code in (200, 400), (room, name)
        assert "alert(1)" in web.text(looked)
        assert _wrong(looked) == []


ROOMS = (
    "generations/?tags=" + "%22%27%3E%3Cimg%20src%3Dx%3E",
    "generations/?" + "%22%3E%3Csvg%20onload%3Dalert(1)%3E=1&text=%E2%80%AE",
    "generations/",
    "generations/one/",
    "generations/one/?view=json",
    "threads/",
    "steps/",
    "users/",
    "users/user-1/",
    "threads/thread-1/",
    "steps/step-1/",
    "search/?q=alert",
    "lists/generations/facets/",
    "lists/steps/facets/",
    "datasets/",
    "datasets/{dataset}/",
    "datasets/{dataset}/versions/?to=2",
    "datasets/{dataset}/items/{item}/",
    "experiments/",
    "experiments/{experiment}/",
    "experiments/compare/?id={experiment}&id={other}",
    "evaluators/",
    "evaluators/{contains}/",
    "evaluators/{judge}/",
    "evaluate/?evaluator={contains}",
    "prompts/",
    "prompts/{prompt}/",
    "prompts/{prompt}/new/",
    "prompts/{prompt}/compare/?old=0&new=1",
    "playground/?generation=one",
    "review/",
    "review/{queue}/",
    "review/{queue}/next/",
    "exports/",
    "jobs/",
    "settings/",
    "settings/keys/",
    "settings/audit/",
    "settings/retention/",
    "settings/ingestion/",
)


def _furnish(project: Project, client: Client, key: dict[str, str]) -> dict[str, str]:
    """Something hostile in every room; the ids of what was made."""

    def made(place: str, **document: Any) -> dict[str, Any]:
        answer = client.post(f"/api/{place}", json.dumps(document), content_type="application/json", headers=key)
        assert answer.status_code in (200, 201, 202), (place, answer.content)
        found: dict[str, Any] = answer.json()
        return found

    score = ScoreRecord(id="s", name=SHORT, label=SHORT, comment=EVIL, author=SHORT, type="HUMAN")
    recording.record(
        project,
        [
            ParticipantRecord(id="user-1", identifier=EVIL),
            ThreadRecord(id="thread-1", name=EVIL, user_id="user-1", metadata={EVIL: EVIL}, tags=(SHORT,)),
            StepRecord(
                id="step-1",
                name=EVIL,
                type="tool",
                thread_id="thread-1",
                started_at=NOON,
                input=EVIL,
                output={EVIL: EVIL},
                error=EVIL,
                tags=(SHORT,),
                environment=SHORT,
                release=SHORT,
            ),
            call(
                1,
                id="one",
                name=EVIL,
                model_id=EVIL,
                provider=SHORT,
                step_id="step-1",
                thread_id="thread-1",
                user_id="user-1",
                messages=[{"role": "user", "content": EVIL}],
                completion=EVIL,
                error=EVIL,
                error_type=EVIL,
                tags=(SHORT,),
                variables={SHORT: EVIL},
                scores=(score,),
                feedback=FeedbackRecord(comment=EVIL, categories=(SHORT,)),
            ),
        ],
    )
    dataset = made("datasets", name=EVIL, description=EVIL)["id"]
    item = made(f"datasets/{dataset}/items", items=[{"input": EVIL, "expectedOutput": EVIL, "metadata": {EVIL: EVIL}}])
    results = [{"input": EVIL, "output": EVIL, "scores": [{"name": SHORT, "value": 1, "comment": EVIL}]}]
    runs = [made("experiments", name=f"{n} {EVIL}", datasetId=dataset, items=results)["id"] for n in (1, 2)]
    for text in (EVIL, f"{EVIL} {{{{city}}}}"):
        made("prompts/evil/versions", messages=[{"role": "system", "content": text}], description=EVIL)
    prompt = client.get("/api/prompts", headers=key).json()["data"][0]["id"]
    contains = made("evaluators", name=EVIL[:100], kind="contains", options={"text": EVIL})["id"]
    judge = made("evaluators", name=f"j{SHORT}", kind="judge", options={"model": "ngram:", "criterion": EVIL})["id"]
    made("generations/export", format="jsonl", filters={"name": EVIL})
    client.post(
        "/api/generations/batch", json.dumps([{"id": EVIL, "timestamp": EVIL}]), "application/json", headers=key
    )
    room = f"/projects/{project.slug}/"
    led = client.post(f"{room}review/", {"name": EVIL[:100], "criteria": f"{SHORT[:20]}: yes/no", "reviewers": "1"})
    assert led.status_code == 302, web.text(led)
    queue = led["Location"].rstrip("/").rpartition("/")[2]
    client.post(f"{room}bulk/generations/", {"do": "review", "queue": queue, "id": "one"})
    client.post(f"{room}lists/generations/views/", {"name": EVIL[:100], "list": "model.id=x"})
    client.post(f"{room}settings/retention/holds/", {"reason": EVIL, "kind": "generations", "filter": ""})
    return {
        "dataset": dataset,
        "item": item["data"][0]["id"]
        if "data" in item
        else client.get(f"/api/datasets/{dataset}/items", headers=key).json()["data"][0]["id"],
        "experiment": runs[0],
        "other": runs[1],
        "prompt": prompt,
        "contains": contains,
        "judge": judge,
        "queue": queue,
    }


def _wrong(response: Any) -> list[str]:
    """What of a page a browser would run, fetch or turn around, or what makes it heavy."""
    html = response.content.decode()
    # What a form would send again is what was said; all else is what a person reads.
    read = re.sub(r"(?s)<textarea.*?</textarea>|\bvalue=\"[^\"]*\"", "", html)
    wrong = re.findall("[^\n]{0,60}[\u202e\u2066\x1b]", read)
    wrong += [str(tag) for tag in web.tags(response, "script") if "nonce" not in tag]
    wrong += [str(tag) for tag in web.tags(response, "img") if tag.get("src") == "x"]
    for tag in web.tags(response):
        wrong += [f"{name}={value}" for name, value in tag.items() if name.startswith("on")]
        wrong += [f"{name}={tag[name]}" for name in ("href", "src", "action") if _runs(tag.get(name))]
    return wrong + ([f"{len(html)} characters"] if len(response.content) > BOUND else [])


def _runs(address: str | None) -> bool:
    return (address or "").strip().lower().startswith(("javascript:", "vbscript:", "data:text"))
