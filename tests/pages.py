"""Every page that there is, and a project furnished so that none of them is empty: what the browser tests walk through.

A new address has to be named here: as a page, or as something else with the reason.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote, urlencode

import httpx
from playwright.sync_api import Page

from tests.stack import Stack

OR: Final = "filter=" + quote('{"$or": [{"model.id": "gpt-4o"}, {"scores": {"$some": {"value": {"$gte": 0.5}}}}]}')

PAGES: Final[dict[str, tuple[str, ...]]] = {
    "components": ("/-/components",),
    "operations": ("/operations/",),
    "projects": ("/projects/", "/projects/?q=nothing-of-this-name"),
    "dashboard": ("dashboard/",),
    "chart": ("dashboard/cost/?by=model.id",),
    "generations": (
        "generations/",
        "generations/?model.id=gpt-4o&text=x",
        f"generations/?{OR}",
        "generations/?model.idd=gpt-4o",
        "generations/?model.id=nothing-of-this-name",
    ),
    "import": ("import/",),
    "list-filter": ("lists/generations/filter/?" + urlencode({"list": OR}),),
    "list-facets": ("lists/generations/facets/",),
    "search": ("search/?q=Lisbon", "search/?q=nothing-of-this-name"),
    "generation": (
        "generations/trip/",
        "generations/trip/?view=json",
        "generations/failed/",
        "generations/a%20long~2Fone%3F/",
        "generations/gone/",
    ),
    "generation-compare": (
        "generations/failed/compare/",
        "generations/trip/compare/?with=plain-1",
        "generations/trip/compare/?with=gone",
    ),
    "generation-block": ("generations/a%20long~2Fone%3F/block/?at=/completion",),
    "generation-json": ("generations/trip/json/?at=/messages",),
    "generation-messages": ("generations/a%20long~2Fone%3F/messages/?from=0&to=5",),
    "threads": ("threads/",),
    "thread": ("threads/trip-1/", "threads/gone/"),
    "steps": ("steps/",),
    "step": ("steps/look/", "steps/look/?view=json"),
    "step-tree": ("steps/look/tree/?find=look",),
    "step-block": ("steps/look/block/?at=/output",),
    "step-json": ("steps/look/json/?at=/output",),
    "users": ("users/",),
    "user": ("users/user-7/",),
    "erase": ("users/user-7/erase/",),
    "datasets": ("datasets/",),
    "dataset": ("datasets/{dataset}/",),
    "dataset-history": ("datasets/{dataset}/versions/?to=2",),
    "dataset-import": ("datasets/{dataset}/import/",),
    "dataset-item": ("datasets/{dataset}/items/{item}/",),
    "experiments": ("experiments/",),
    "experiments-compare": ("experiments/compare/?id={experiment}&id={other}",),
    "experiment": ("experiments/{experiment}/",),
    "evaluators": ("evaluators/", "evaluators/?archived=1"),
    "evaluator-new": ("evaluators/new/judge/", "evaluators/new/numeric/"),
    "evaluator": ("evaluators/{evaluator}/",),
    "evaluate": ("evaluate/?evaluator={evaluator}",),
    "review": ("review/",),
    "queue": ("review/{queue}/",),
    "queue-turn": ("review/{queue}/next/",),
    "jobs": ("jobs/",),
    "job": ("jobs/{export}/",),
    "prompts": ("prompts/",),
    "prompt": ("prompts/{prompt}/",),
    "prompt-new": ("prompts/{prompt}/new/",),
    "prompt-compare": ("prompts/{prompt}/compare/?old=0&new=1",),
    "playground": ("playground/?generation=trip",),
    "exports": ("exports/",),
    "export": ("exports/{export}/",),
    "settings": ("settings/",),
    "retention": ("settings/retention/",),
    "members": ("settings/members/",),
    "prices": ("settings/prices/",),
    "audit": ("settings/audit/",),
    "providers": ("settings/providers/",),
    "ingestion": ("settings/ingestion/",),
    "keys": ("settings/keys/",),
}
"""The pages by the name of their address; what does not begin with a slash is below the project."""

_DATA: Final = "is data for a script, or a file"
NO_PAGES: Final[dict[str, str]] = {
    "home": "leads to the project",
    "project": "leads to the generations",
    "application-versions": "leads to the prompt",
    "prompt-named": "leads to the prompt",
    "login": "is photographed before anybody is signed in",
    "named": "is a part of the palette",
    "join": "is photographed with a link that was just made",
    **dict.fromkeys(("favicon", "csv", "chart-data", "list-charts", "generation-code", "export-manifest"), _DATA),
    "ingestion-body": _DATA,
    **dict.fromkeys(
        (
            *("logout", "theme", "bulk", "dashboard-tiles", "list-columns", "view-save", "view-change"),
            *(f"generation-{what}" for what in ("scores", "comments", "tags", "feedback", "selected", "datasets")),
            *("job-cancel", "job-retry", "prompt-labels", "playground-stream", "playground-keep"),
            *("schedule-create", "schedule-change", "export-retry", "exports-start", "export-cancel"),
            *("retention-run", "retention-add", "retention-earlier", "retention-remove", "hold-add", "hold-release"),
            *("member-change", "invitation-withdraw", "price-remove", "reprice", "key-revoke"),
            *("provider-try", "provider-forget", "evaluator-trigger", "evaluator-archive"),
        ),
        "only takes what is sent to it, and leads to a page of this list",
    ),
}
"""The other addresses, each with the reason."""


def addresses(furnished: dict[str, str]) -> list[str]:
    """The paths of all pages."""
    made = [path.format(**furnished) for paths in PAGES.values() for path in paths]
    return [path if path.startswith("/") else f"/projects/default/{path}" for path in made]


def furnish(stack: Stack, page: Page) -> dict[str, str]:
    """Put something into every room of the copy, over REST and by the form of the queue; returns the ids of it all."""
    with stack.client() as client:
        dataset = _posted(client, "datasets", name="Questions of travellers")["id"]
        items = [{"input": {"q": asked}, "expectedOutput": "Museums"} for asked in ("Open when it rains?", "x" * 300)]
        _posted(client, f"datasets/{dataset}/items", items=items)
        item = client.get(f"/api/datasets/{dataset}/items").json()["data"][0]["id"]
        runs = []
        for name, value in (("short prompt", 0.5), ("long prompt", 0.75)):
            scores = [{"name": "correct", "value": value}]
            results = [{"input": "Rain?", "output": name, "generationId": "trip", "scores": scores}]
            runs.append(_posted(client, "experiments", name=name, datasetId=dataset, items=results)["id"])
        for text in ("You help travellers.", "You help travellers in {{city}}."):
            _posted(client, "prompts/travel/versions", messages=[{"role": "system", "content": text}])
        # Other tests of this worker have made prompts as well.
        prompts = client.get("/api/prompts", params={"limit": 100}).json()["data"]
        prompt = next(one["id"] for one in prompts if one["name"] == "travel")
        export = _posted(client, "generations/export", format="jsonl")["id"]
        look = {"id": "look", "type": "tool", "name": "look", "threadId": "trip-1", "output": {"museums": ["Azulejo"]}}
        answer = client.post("/api/steps/batch", json=[look])
        assert answer.status_code == 200, answer.text
        _posted(client, "scores", name="helpful", value=0.75, generationId="trip", comment="Names one place only.")
    page.goto(f"{stack.url}/projects/default/review/")
    if not page.get_by_label("Name", exact=True).is_visible():
        page.get_by_text("New queue").click()
    page.get_by_label("Name", exact=True).fill("Answers to travellers")
    page.get_by_label("Criteria, one a line").fill("helpful: number 1-5\nsafe: yes/no")
    page.get_by_role("button", name="Make the queue").click()
    page.get_by_role("heading", name="Answers to travellers").wait_for()
    queue = page.url.rstrip("/").rpartition("/")[2]
    page.goto(f"{stack.url}/projects/default/evaluators/new/exact/")
    page.get_by_label("Name", exact=True).fill("As expected")
    page.get_by_role("button", name="Make the evaluator").click()
    page.get_by_role("heading", name="As expected").wait_for()
    evaluator = page.url.rstrip("/").rpartition("/")[2]
    page.goto(f"{stack.url}/projects/default/generations/trip/")
    page.get_by_text("Send to review").click()
    page.get_by_label("Queue").select_option(label="Answers to travellers")
    page.get_by_role("button", name="Send it").click()
    page.get_by_text("into the review queue").wait_for()
    return {
        "dataset": dataset,
        "item": item,
        "experiment": runs[0],
        "other": runs[1],
        "prompt": prompt,
        "export": export,
        "queue": queue,
        "evaluator": evaluator,
    }


def _posted(client: httpx.Client, place: str, **document: Any) -> dict[str, Any]:
    answer = client.post(f"/api/{place}", json=document)
    assert answer.status_code in (200, 201, 202), answer.text
    found: dict[str, Any] = answer.json()
    return found
