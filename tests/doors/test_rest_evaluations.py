"""Evaluators and evaluations over REST: made, reckoned, tried, begun, watched, cancelled, and what came of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from generations import access, tasks, verdicts
from generations.access import Scope
from generations.api.door import door
from generations.models import AuditEntry, Evaluator, Experiment, Generation, Job
from tests import evaluations as made
from tests.doors.rest import Caller, caller

pytestmark = pytest.mark.django_db
PAGE = Path(__file__).resolve().parents[2] / "docs" / "evaluation.md"


@pytest.fixture
def api() -> Caller:
    return caller()


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(json.dumps(door.get_openapi_schema(path_prefix="/api/")))
    return loaded


def is_a(schema: dict[str, Any], name: str, document: Any) -> bool:
    """Whether the page's schema of this name allows a document."""
    whole = {**schema["components"]["schemas"][name], "components": schema["components"]}
    jsonschema_rs.validate(whole, document)
    return True


def filled(api: Caller) -> tuple[str, str]:
    """A dataset with stored answers, and an evaluator."""
    grant = access.of_system(api.project)
    own = made.dataset(grant, made.stored("2+2?", "4", "4"), made.stored("3+3?", "6", "7"))
    return str(own.pk), api.post("/api/evaluators", {"name": "exact", "kind": "exact"}).json["id"]


# ----------------------------------------------------------------------------------------------------------- evaluators
def test_an_evaluator_is_made_changed_put_away_and_brought_back(api: Caller, schema: dict[str, Any]) -> None:
    answer = api.post("/api/evaluators", {"name": "near", "kind": "numeric", "options": {"absolute": 0.5}})
    id = answer.json["id"]
    changed = api.patch(f"/api/evaluators/{id}", {"options": {"relative": 0.01}, "scoreName": "close"})
    away = api.patch(f"/api/evaluators/{id}", {"archived": True})

    assert (answer.status, answer.headers["Location"]) == (201, f"/api/evaluators/{id}")
    assert is_a(schema, "Evaluator", answer.json)
    assert (answer.json["scoreName"], answer.json["options"]) == ("near", {"absolute": 0.5, "relative": 0.0})
    assert changed.json["options"] == {"absolute": 0.0, "relative": 0.01}
    assert (changed.json["name"], changed.json["scoreName"], changed.json["archivedAt"]) == ("near", "close", None)
    assert away.json["archivedAt"] is not None
    assert api.get("/api/evaluators").data == []
    assert [one["id"] for one in api.get("/api/evaluators?archived=true").data] == [id]
    assert api.patch(f"/api/evaluators/{id}", {"archived": False}).json == api.get(f"/api/evaluators/{id}").json
    assert [one["id"] for one in api.get("/api/evaluators").data] == [id]
    actions = AuditEntry.objects.filter(subject_kind="evaluator").order_by("pk").values_list("action", flat=True)
    assert [action.removeprefix("evaluator.") for action in actions] == ["create", "update", "archive", "restore"]


def test_a_share_of_what_comes_in_is_scored_until_it_is_nothing(api: Caller) -> None:
    id = api.post("/api/evaluators", {"name": "long", "kind": "regex", "options": {"pattern": "..."}}).json["id"]

    begun = api.put(f"/api/evaluators/{id}/trigger", {"share": 12.5, "filter": {"environment": "production"}})
    ended = api.put(f"/api/evaluators/{id}/trigger", {"share": 0})

    assert (begun.json["share"], begun.json["filter"]) == (12.5, {"environment": "production"})
    assert begun.json["secondsBehind"] >= 0
    assert (ended.json["share"], ended.json["filter"], ended.json["secondsBehind"]) == (0, {}, None)


@pytest.mark.parametrize(
    ("method", "path", "document", "status", "field", "words"),
    [
        ("POST", "", {"kind": "exact"}, 422, "name", "a text of 1 to 200 characters"),
        ("POST", "", {"name": "a"}, 422, "kind", "one of exact, contains, regex"),
        ("POST", "", {"name": 5, "kind": "exact"}, 422, "name", "a text"),
        ("POST", "", {"name": "a", "kind": "guess"}, 422, "kind", "one of exact, contains, regex"),
        ("POST", "", {"name": "a", "kind": "regex", "options": {"pattern": "("}}, 422, "options.pattern", "missing )"),
        ("POST", "", {"name": "a", "kind": "regex", "options": []}, 422, "options", "an object"),
        ("POST", "", {"name": "a", "kind": "exact", "options": {"ignorecase": True}}, 422, "options.ignorecase",
         "ignoreCase"),
        ("POST", "", {"name": "a", "kind": "json_schema", "options": {"schema": {"type": "nothing"}}}, 422,
         "options.schema", "a JSON schema"),
        ("POST", "", {"name": "a", "kind": "judge", "options": {"model": "ngram:"}}, 422, "options.criterion",
         "1 to 10000"),
        ("POST", "", {"nme": "a"}, 422, "nme", "name"),
        ("POST", "", {"name": "long", "kind": "exact"}, 422, "name", "no other evaluator"),
        ("PATCH", "/ID", {"kind": "exact"}, 422, "kind", "name"),
        ("PATCH", "/ID", {"archived": "yes"}, 422, "archived", "true or false"),
        ("PUT", "/ID/trigger", {"share": 101}, 422, "share", "percent, from 0 to 100"),
        ("PUT", "/ID/trigger", {"share": True}, 422, "share", "percent, from 0 to 100"),
        ("PUT", "/ID/trigger", {"share": 5, "filter": []}, 422, "filter", "a filter document"),
        ("PUT", "/ID/trigger", {"share": 5, "filter": {"modl.id": "x"}}, 400, "modl.id", "model.id"),
        ("GET", "?archived=perhaps", None, 400, "archived", "true or false"),
    ],
)  # fmt: skip
def test_what_an_evaluator_may_not_be_is_refused_by_field(
    api: Caller, method: str, path: str, document: Any, status: int, field: str, words: str
) -> None:
    id = api.post("/api/evaluators", {"name": "long", "kind": "regex", "options": {"pattern": "..."}}).json["id"]
    before = list(Evaluator.objects.values())

    answer = api.send(method, f"/api/evaluators{path.replace('ID', id)}", document)

    assert (answer.status, answer.error["field"]) == (status, field), answer.content
    assert words in answer.error["expected"]
    assert list(Evaluator.objects.values()) == before


# ---------------------------------------------------------------------------------------------------------- evaluations
def test_an_evaluation_is_reckoned_tried_begun_and_watched_to_its_end(api: Caller, schema: dict[str, Any]) -> None:
    dataset, exact = filled(api)
    asked = {"dataset": dataset, "evaluators": [exact], "name": "Nightly"}

    estimate = api.post("/api/evaluations/estimate", asked)
    tried = api.post("/api/evaluations/preview", asked)
    assert not Experiment.objects.exists()
    begun = api.post("/api/evaluations", asked)
    waiting = api.get(begun.headers["Location"])
    tasks.run_job(begun.json["id"])
    done = api.get(begun.headers["Location"])

    assert estimate.json == {
        "items": 2, "calls": 0, "cost": 0, "currency": None, "models": [], "unknownPrices": [],
    }  # fmt: skip
    assert is_a(schema, "Estimate", estimate.json)
    [first] = tried.data
    assert is_a(schema, "Tried", first)
    assert (first["input"], first["expected"], first["output"], first["problem"]) == ("2+2?", "4", "4", None)
    assert first["scores"] == [{"evaluator": exact, "name": "exact", "value": 1, "comment": None, "generationId": None}]
    assert begun.status == 202
    assert is_a(schema, "Evaluation", begun.json)
    assert (waiting.json["state"], waiting.json["progress"], waiting.json["result"]) == (
        "queued", {"done": 0, "total": 2}, None,
    )  # fmt: skip
    assert (done.json["state"], done.json["progress"]) == ("done", {"done": 2, "total": 2})
    assert is_a(schema, "Evaluation", done.json)
    assert done.json["result"] == {
        "items": 2, "scored": 2, "unscored": 0, "calls": 0, "cost": 0, "currency": None, "stopped": None,
        "refusals": [],
    }  # fmt: skip
    [experiment] = done.json["experiments"]
    assert api.get(f"/api/experiments/{experiment}").json["means"]["exact"]["mean"] == 0.5
    assert [one["id"] for one in api.get("/api/evaluations").data] == [begun.json["id"]]
    assert done.json["evaluators"] == [{"id": exact, "name": "exact", "kind": "exact", "scoreName": "exact"}]


def test_two_versions_are_compared_and_the_winner_is_told(api: Caller, schema: dict[str, Any]) -> None:
    grant = access.of_system(api.project)
    own = made.dataset(grant, *({"input": {"word": f"w{n}"}, "expected_output": f"w{n}"} for n in range(6)))
    versions = [made.version(grant, text) for text in ("Say {{word}}", "Tell me of {{word}}")]
    exact = api.post("/api/evaluators", {"name": "any", "kind": "regex", "options": {"pattern": "."}}).json["id"]
    asked = {"versions": [one.public_id for one in versions], "dataset": str(own.pk), "evaluators": [exact]}

    estimate = api.post("/api/evaluations/estimate", asked)
    begun = api.post("/api/evaluations", asked)
    tasks.run_job(begun.json["id"])

    assert (estimate.json["items"], estimate.json["calls"]) == (6, 12)
    assert estimate.json["models"] == [{"model": "ngram:", "calls": 12, "cost": 0, "currency": None}]
    first, second = begun.json["experiments"]
    told = api.get(f"/api/experiments/compare?id={first}&id={second}").json
    told_of, latency = told["winners"]
    assert all(is_a(schema, "Winner", one) for one in told["winners"])
    assert (told_of["name"], told_of["isWon"], told_of["ahead"], told_of["behind"]) == ("any", False, first, second)
    assert told_of["difference"] == {
        "count": 6, "mean": 0, "low": 0, "high": 0, "wins": 0, "losses": 0, "ties": 6,
    }  # fmt: skip
    assert (latency["name"], latency["difference"]["count"]) == ("latency", 6)
    result = api.get(begun.headers["Location"]).json["result"]
    assert (result["scored"], result["calls"], result["cost"]) == (12, 12, 0)


def test_a_backfill_has_no_experiment_and_a_filter(api: Caller) -> None:
    for n in range(3):
        api.post(
            "/api/generations",
            {"id": f"g{n}", "environment": "production" if n else "staging", "output": {"content": "yes"}},
        )
    api.post("/api/evaluators", {"name": "any", "kind": "regex", "options": {"pattern": "."}})
    asked = {"of": "backfill", "filter": {"environment": "production"}, "evaluators": ["any"]}

    begun = api.post("/api/evaluations", asked)
    tasks.run_job(begun.json["id"])

    done = api.get(begun.headers["Location"]).json
    assert (done["experiments"], done["filter"], done["result"]["items"]) == ([], {"environment": "production"}, 2)
    assert api.get("/api/generations/g1").json["scores"][0]["name"] == "any"
    assert "scores" not in api.get("/api/generations/g0").json


def test_an_evaluation_is_cancelled_once_and_one_that_has_ended_stays(api: Caller) -> None:
    dataset, exact = filled(api)
    first, second = (api.post("/api/evaluations", {"dataset": dataset, "evaluators": [exact]}).json for _ in range(2))
    tasks.run_job(second["id"])

    cancelled = api.post(f"/api/evaluations/{first['id']}/cancel", {})
    ended = api.post(f"/api/evaluations/{second['id']}/cancel", {})
    tasks.run_job(first["id"])

    assert (cancelled.status, cancelled.json["state"], ended.json["state"]) == (200, "cancelled", "done")
    assert api.get(f"/api/evaluations/{first['id']}").json["state"] == "cancelled"


@pytest.mark.parametrize(
    ("wrong", "status", "field", "words"),
    [
        ({"evaluators": []}, 422, "evaluators", "the ids or names of 1 to 20 evaluators"),
        ({"evaluators": "EXACT"}, 422, "evaluators", "a list of ids"),
        ({"evaluators": ["nope"]}, 422, "evaluators[0]", "the id or the name of an evaluator of this project"),
        ({"dataset": "nope"}, 422, "dataset", "the id of a dataset"),
        ({"dataset": 5}, 422, "dataset", "a text"),
        ({"of": {}}, 422, "of", "one of versions, dataset"),
        ({"versions": {}}, 422, "versions", "a list of ids"),
        ({"of": "dreams"}, 422, "of", "one of versions, dataset, generations, backfill"),
        ({"of": "versions"}, 422, "versions", "the ids of one or two prompt versions"),
        ({"versions": ["nope"]}, 422, "versions[0]", "the id of a prompt version"),
        ({"datasetVersion": 9}, 422, "datasetVersion", "a version from 1 to"),
        ({"maxItems": 0}, 422, "maxItems", "a whole number from 1 to 100,000"),
        ({"maxCost": "NaN"}, 422, "maxCost", "an amount of money above 0"),
        ({"filtr": {}}, 422, "filtr", "did you mean 'filter'?"),
        ({"versions": "x", "dataset": None}, 422, "versions", "a list of ids"),
        ({"of": "generations", "dataset": None, "filter": []}, 422, "filter", "a filter document"),
        ({"of": "generations", "dataset": None, "filter": {"modl.id": "x"}}, 400, "modl.id", "model.id"),
    ],
)
@pytest.mark.parametrize("path", ["", "/estimate", "/preview"])
def test_what_cannot_be_evaluated_is_refused_by_field_and_nothing_begins(
    api: Caller, path: str, wrong: dict[str, Any], status: int, field: str, words: str
) -> None:
    dataset, exact = filled(api)

    answer = api.post(f"/api/evaluations{path}", {"dataset": dataset, "evaluators": [exact], **wrong})

    assert (answer.status, answer.error["field"]) == (status, field), answer.content
    assert words in answer.error["expected"]
    assert not Job.objects.exists()
    assert not Experiment.objects.exists()
    assert not Generation.objects.in_project(api.project.pk).exists()


def test_another_project_and_a_key_without_the_right_find_and_change_nothing(api: Caller) -> None:
    dataset, exact = filled(api)
    begun = api.post("/api/evaluations", {"dataset": dataset, "evaluators": [exact]}).json["id"]
    stranger, reader = caller(Scope.ADMIN, name="Other"), caller(Scope.READ, project=api.project)
    before = (list(Evaluator.objects.values()), list(Job.objects.values()), Experiment.objects.count())
    asked: Any = {"dataset": dataset, "evaluators": [exact]}

    for method, path, document in (
        ("GET", f"/api/evaluators/{exact}", None),
        ("PATCH", f"/api/evaluators/{exact}", {"archived": True}),
        ("PATCH", f"/api/evaluators/{exact}", {"name": "theirs"}),
        ("PUT", f"/api/evaluators/{exact}/trigger", {"share": 0}),
        ("GET", f"/api/evaluations/{begun}", None),
        ("POST", f"/api/evaluations/{begun}/cancel", {}),
    ):
        answer = stranger.send(method, path, document)
        assert (answer.status, answer.error["code"]) == (404, "not_found"), (method, path)
    assert stranger.get("/api/evaluators").data == stranger.get("/api/evaluations").data == []
    assert stranger.post("/api/evaluations", asked).status == 422
    for method, path, document in (
        ("POST", "/api/evaluators", {"name": "x", "kind": "exact"}),
        ("PATCH", f"/api/evaluators/{exact}", {"archived": True}),
        ("PUT", f"/api/evaluators/{exact}/trigger", {"share": 0}),
        ("POST", "/api/evaluations", asked),
        ("POST", "/api/evaluations/preview", asked),
        ("POST", f"/api/evaluations/{begun}/cancel", {}),
    ):
        assert reader.send(method, path, document).status == 403, (method, path)
    assert reader.post("/api/evaluations/estimate", asked).json["items"] == 2
    assert (list(Evaluator.objects.values()), list(Job.objects.values()), Experiment.objects.count()) == before


def test_answers_of_which_nobody_said_what_is_expected_are_not_compared(api: Caller) -> None:
    for n in range(3):
        model = {"id": "gpt-4o" if n else "o3"}
        api.post("/api/generations", {"id": f"g{n}", "model": model, "output": {"content": "yes"}})
    api.post("/api/evaluators", {"name": "exact", "kind": "exact"})
    asked = {"evaluators": ["exact"], "of": "backfill", "filter": {"model.id": "gpt-4o"}}

    estimate = api.post("/api/evaluations/estimate", asked)
    begun = api.post("/api/evaluations", asked | {"maxItems": 1000})
    tasks.run_job(begun.json["id"])

    assert (estimate.json["items"], estimate.json["calls"]) == (2, 0)
    done = api.get(begun.headers["Location"]).json
    assert (done["state"], done["result"]["items"], done["result"]["unscored"]) == ("done", 2, 2)
    assert "It is not known what was expected." in done["result"]["refusals"][0]["reason"]


def test_the_page_names_every_kind() -> None:
    rows = re.findall(r"^\| ([\w -]+) \| ", PAGE.read_text().split("| --- |")[0], re.MULTILINE)

    assert [row.lower().replace(" ", "_").replace("-", "_") for row in rows[1:]] == list(verdicts.KINDS)


@pytest.mark.parametrize("path", ["/api/evaluators", "/api/evaluations"])
def test_a_list_takes_as_many_queries_for_one_as_for_fifty(
    api: Caller, path: str, django_assert_num_queries: Any
) -> None:
    dataset, exact = filled(api)
    grant, rows = access.of_system(api.project), [Evaluator.objects.get(pk=exact)]
    made.begun(grant, rows, dataset=dataset)
    api.get(path)
    with django_assert_num_queries(2) as one:
        assert len(api.get(path).data) == 1
    for n in range(49):
        made.evaluator(grant, "exact", f"e{n}")
        made.begun(grant, rows, dataset=dataset)

    with django_assert_num_queries(len(one)):
        assert len(api.get(path).data) == 50
