"""The REST door: its routes, its OpenAPI page and its one form of refusal."""

from __future__ import annotations

import json
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import register_converter
from django.urls.converters import StringConverter
from ninja import NinjaAPI
from ninja.openapi.docs import Swagger
from ninja.openapi.schema import OpenAPISchema

from generations.api import (
    asking,
    datasets,
    erasures,
    errors,
    evaluations,
    evaluators,
    experiments,
    exports,
    fills,
    imports,
    models,
    noting,
    prompts,
    schedules,
    scores,
    steps,
)
from generations.api import generations as recorded
from generations.api.schemas import components

VERSION: Final = "1"
TAGS: Final = (
    "Generations",
    "Exports",
    "Imports",
    "Scores",
    "Tags",
    "Steps",
    "Threads",
    "Participants",
    "Erasures",
    "Datasets",
    "Experiments",
    "Evaluators",
    "Evaluations",
    "Prompts",
    "Models",
)
DESCRIPTION: Final = """
Every call to a language model: recorded, found, rated, exported.

**Keys.** `Authorization: Bearer KEY` or `x-api-key: KEY`; a key belongs to one project. Each operation names the scope
it needs: `write` includes `ingest` and `read`, `admin` includes all. Someone who is signed in may open any GET address
with `?project=its-slug`.

**Documents** have the same shape in and out. A name that is not known is left out of what is shown, and refused, with
the nearest right one, in what is sent. Times are ISO 8601 in UTC, also where they name no
zone; a date in a filter is its whole day there. Durations are seconds, tokens whole numbers.

**Lists** are pages: `page.next` is the cursor for `after`. Filters are paths of the document, with `__` and an operator
behind where it is not equality.

**Retries** are harmless for whatever has an id: sent again, it is merged into what is there. Where you give none, send
an `Idempotency-Key`: generations, steps, scores and feedback that come again with the same key and the same body are
recorded once. Exports, imports, evaluations, experiments and items of datasets that are asked for again so are made
once, and `generate` calls its model once; while the first request is still being answered, the second is told 409 and
`Retry-After`. What failed, or whose file has expired, is done anew. Another body with the same key is recorded as what
it is.

**Long answers** come as gzip where `Accept-Encoding` says that it is taken.

**Refusals** are one form: `{"error": {"code", "message", "field", "value", "expected"}}`.
"""


class AnyId(StringConverter):
    """A caller's id in an address, with whatever is in it: slashes, spaces, line breaks."""

    regex = r"[\s\S]+"


class Docs(Swagger):
    """Swagger UI from our own static files, with nothing fetched from elsewhere."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        """The page."""
        # Without this, Swagger UI sends the document to a validator of its makers.
        shown = {**self.settings, "url": self.get_openapi_url(api, kwargs), "validatorUrl": None}
        context = {"swagger_settings": json.dumps(shown, indent=1), "api": api, "add_csrf": False}
        return render(request, self.template, context)


class Door(NinjaAPI):
    """The routes, described by schemas that are made from the tables of the documents."""

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        """The OpenAPI document."""
        schema = super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params)
        schema["components"] = {
            "schemas": components(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        }
        for methods in schema["paths"].values():
            for operation in methods.values():
                operation["security"] = [{"bearer": []}, {"key": []}]
                operation["description"] += f"\n\nNeeds the scope `{operation['x-scope']}`."
                for one in operation.get("parameters", ()):
                    if one["in"] == "path":
                        one["description"] = f"Its {one['name']}, where a slash is written `%2F`."
        schema["tags"] = [{"name": name} for name in TAGS]
        return schema

    def get_openapi_operation_id(self, operation: Any) -> str:
        """The name of the function: unique among our routes, and good in a generated client."""
        return str(operation.view_func.__name__)


def _door() -> Door:
    door = Door(
        title="Generations",
        version=VERSION,
        description=DESCRIPTION.strip(),
        docs=Docs(settings={"defaultModelsExpandDepth": 0, "displayRequestDuration": True}),
        urls_namespace="rest",
    )
    errors.install(door, noting.refused)
    # In this order: an id may be any text, so that what is below it comes first.
    door.add_router("", exports.starting)
    door.add_router("/generations", asking.router)
    door.add_router("/generations", recorded.judging)
    door.add_router("/generations", recorded.router)
    door.add_router("/exports", exports.router)
    door.add_router("/imports", imports.router)
    door.add_router("/export-schedules", schedules.router)
    door.add_router("/steps", steps.steps)
    door.add_router("/threads", steps.threads)
    door.add_router("/participants", steps.participants)
    door.add_router("/erasures", erasures.router)
    door.add_router("/scores", scores.router)
    door.add_router("/tags", scores.tags)
    door.add_router("/datasets", datasets.router)
    door.add_router("/datasets", fills.router)
    door.add_router("/experiments", experiments.router)
    door.add_router("/evaluators", evaluators.router)
    door.add_router("/evaluations", evaluations.router)
    door.add_router("/prompts", prompts.router)
    door.add_router("", models.router)
    return door


register_converter(AnyId, "anyid")
door: Final = _door()
