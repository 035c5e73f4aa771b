"""Nothing of another project is there: every address that names something, walked, with ids that are theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from generations.api.door import door
from generations.models import Experiment, ExperimentItem, Job, PromptVersion
from tests.doors.rest import Caller, caller, rows
from tests.exports import folder

__all__ = ["folder"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]

MAKING = {
    ("POST", "/api/prompts/{name}/versions"),
    ("PUT", "/api/scores/{id}"),
    ("PUT", "/api/threads/{id}"),
    ("PUT", "/api/participants/{id}"),
}
"""What a name of theirs makes for us, as any other name would."""


def addresses() -> Iterator[tuple[str, str, Any]]:
    """The method, the address and the documented body of every operation on something that has an id."""
    for path, methods in door.get_openapi_schema()["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            example = content.get("application/json", {}).get("example")
            if "{" in path and (method.upper(), path) not in MAKING:
                yield method.upper(), path, example


def theirs(api: Caller) -> dict[str, str]:
    """The id of something of each kind, by the beginning of its addresses."""
    api.post("/api/generations", {"id": "g", "threadId": "t", "metadata": {"userId": "u"}})
    api.post("/api/steps/batch", [{"id": "s"}])
    api.post("/api/generations/g/scores", {"id": "sc", "name": "n", "value": 1})
    api.post("/api/prompts/p/versions", {"template": "Hello"})
    made = {
        "datasets": api.post("/api/datasets", {"name": "d"}),
        "experiments": api.post("/api/experiments", {"name": "e", "items": [{"input": 1}]}),
        "evaluators": api.post("/api/evaluators", {"name": "r", "kind": "regex", "options": {"pattern": "."}}),
        "evaluations": api.post("/api/evaluations", {"evaluators": ["r"]}),
        "erasures": api.post("/api/erasures", {"participant": "u"}),
        "exports": api.post("/api/exports", {}),
        "export-schedules": api.post("/api/export-schedules", {"name": "x", "destination": "there"}),
    }
    file = {"file": SimpleUploadedFile("calls.csv", b"input,output\na,b\n")}
    upload: Any = api.client.post("/api/imports", file, headers={"x-api-key": str(api.token)})
    ids = {"generations": "g", "participants": "u", "threads": "t", "steps": "s", "scores": "sc", "prompts": "p"}
    ids["imports"] = upload.json()["id"]
    dataset = f"/api/datasets/{made['datasets'].json['id']}"
    made["{job}"] = api.post(f"{dataset}/fill", {})
    ids["{item}"] = api.post(f"{dataset}/items", [{"input": "?"}]).data[0]["id"]
    return ids | {kind: answer.json["id"] for kind, answer in made.items()}


def address(path: str, ids: dict[str, str]) -> str:
    """The address of what has these ids."""
    for name in ("{job}", "{item}"):
        path = path.replace(name, ids[name])
    id = ids[path.split("/")[2]]
    return path.replace("{id}", id).replace("{name}", id)


def test_no_address_leads_to_what_is_another_projects() -> None:
    other, ours = caller("admin", name="Theirs"), caller("admin", name="Ours")
    ids = theirs(other)
    before = rows(), Experiment.objects.count(), ExperimentItem.objects.count()
    found = []

    for method, path, body in addresses():
        answer = ours.send(method, address(path, ids), body)
        if (answer.status, answer.error["code"]) != (404, "not_found"):
            found.append((method, path, answer.status))

    assert found == []
    assert len(list(addresses())) > 35
    assert (rows(), Experiment.objects.count(), ExperimentItem.objects.count()) == before
    assert PromptVersion.objects.in_project(other.project.pk).get().labels == []
    assert not Job.objects.exclude(state=Job.State.QUEUED).exists()


def test_every_one_of_them_leads_there_for_its_own_project() -> None:
    other = caller("admin", name="Theirs")
    ids = theirs(other)

    reads = [path for method, path, _ in addresses() if method == "GET"]
    lost = []
    for path in reads:
        answer: Any = other.client.get(address(path, ids) + "?version=0" * ("compare" in path))
        # An export or import that nobody worked on yet has no file, and says so.
        if answer.status_code != 200 and not path.endswith(("/manifest", "/download", "/refused")):
            lost.append((path, answer.status_code))

    assert lost == []
