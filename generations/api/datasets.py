"""Datasets and their items: listed, made, filled."""

from __future__ import annotations

from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Router

from generations import datasets
from generations.access import Grant, Scope
from generations.api import lists, plain, receive, repeats
from generations.api.answers import answer
from generations.api.auth import grant_of
from generations.api.describing import closed, listed, page_of, ref
from generations.api.operations import AGAIN, PROJECT, of_list, operation
from generations.datasets import BadDataset, NewItem
from generations.filters import BadFilter
from generations.ingest.values import iso
from generations.models import Dataset, DatasetItem
from generations.records import Json

router = Router()
TAG: Final = "Datasets"
_TEXTS: Final[dict[str, Any]] = {"type": "array", "items": {"type": "string"}}
_ITEM: Final = {
    "input": "input",
    "expectedOutput": "expected_output",
    "metadata": "metadata",
    "intermediarySteps": "intermediary_steps",
    "generationId": "generation_id",
    "stepId": "step_id",
    "split": "split",
}


@router.get(
    "",
    **operation(
        "List datasets", tag=TAG, scope=Scope.READ, ok={200: page_of(ref("Dataset"))}, query=of_list("datasets")
    ),
)
def list_datasets(request: HttpRequest) -> HttpResponse:
    """The newest first."""
    return lists.answered(request, grant_of(request), "datasets", lists.each(document))


@router.post(
    "",
    **operation(
        "Make a dataset",
        tag=TAG,
        scope=Scope.WRITE,
        sent=closed(
            ("name",),
            name={"type": "string", "minLength": 1, "maxLength": datasets.MAX_NAME},
            description={"type": "string"},
            type={"type": "string", "enum": list(datasets.TYPES)},
            metadata={"type": "object"},
        ),
        example={"name": "Hard questions", "description": "Those that went wrong in March"},
        ok={201: ref("Dataset")},
    ),
)
def make_dataset(request: HttpRequest) -> HttpResponse:
    """An empty one, of a name that no other dataset of the project has."""
    asked = receive.named(receive.mapping(request), ("name", "description", "type", "metadata"))
    for name in ("name", "description", "type"):
        if not isinstance(asked.get(name, ""), str):
            raise BadDataset(name, asked[name], "a text")
    made = datasets.create(
        grant_of(request),
        name=asked.get("name", ""),
        description=asked.get("description", ""),
        type=asked.get("type", datasets.TYPES[0]),
        metadata=asked.get("metadata"),
    )
    return answer(document(made), status=201, headers={"Location": f"/api/datasets/{made.pk}"})


@router.get(
    "/{id}",
    **operation("Get a dataset", tag=TAG, scope=Scope.READ, ok={200: ref("Dataset")}, query=[PROJECT]),
)
def get_dataset(request: HttpRequest, id: str) -> HttpResponse:
    """Without its items."""
    return answer(document(_dataset(grant_of(request), id)))


@router.patch(
    "/{id}",
    **operation(
        "Change a dataset",
        tag=TAG,
        scope=Scope.WRITE,
        sent=closed(
            (),
            name={"type": "string", "minLength": 1, "maxLength": datasets.MAX_NAME},
            description={"type": ["string", "null"]},
            metadata={"type": ["object", "null"], "description": "All of it: it is not merged with what is there."},
            archived={"type": "boolean", "description": "Put away it is still read and filled; false brings it back."},
        ),
        example={"description": "Those that went wrong in April"},
        ok={200: ref("Dataset")},
    ),
)
def change_dataset(request: HttpRequest, id: str) -> HttpResponse:
    """Its name, description and metadata, or puts it away: what is absent stays, what is null is emptied. Its items and
    its version stay as they are, and its type is for ever.
    """
    grant = grant_of(request)
    asked = receive.named(receive.mapping(request), ("name", "description", "metadata", "archived"))
    if not isinstance(asked.get("name", ""), str):
        raise BadDataset("name", asked["name"], "a text")
    if not isinstance(asked.get("description"), str | None):
        raise BadDataset("description", asked["description"], "a text, or null for none")
    if not isinstance(asked.get("metadata"), dict | None):
        raise BadDataset("metadata", asked["metadata"], "an object, or null for none")
    if not isinstance(asked.get("archived", False), bool):
        raise BadDataset("archived", asked["archived"], "true or false")
    said: dict[str, Any] = {
        name: asked[name] or none for name, none in (("description", ""), ("metadata", {})) if name in asked
    }
    with transaction.atomic():
        changed = datasets.update(grant, id, name=asked.get("name"), **said)
        if "archived" in asked:
            changed = datasets.archive(grant, id, is_archived=asked["archived"])
    return answer(document(changed))


@router.delete(
    "/{id}",
    **operation("Delete a dataset", tag=TAG, scope=Scope.WRITE, ok={204: None}),
)
def delete_dataset(request: HttpRequest, id: str) -> HttpResponse:
    """With all its items and versions; there is no way back. Experiments on it stay."""
    datasets.delete(grant_of(request), id)
    return HttpResponse(status=204)


@router.get(
    "/{id}/items",
    **operation(
        "List a dataset's items",
        tag=TAG,
        scope=Scope.READ,
        ok={200: page_of(ref("DatasetItem"))},
        query=[
            {
                "name": "version",
                "in": "query",
                "description": "Of which version, from 1, the empty one; the latest when absent.",
                "schema": {"type": "integer", "minimum": 1},
            },
            *plain.QUERY,
        ],
    ),
)
def list_items(request: HttpRequest, id: str) -> HttpResponse:
    """The newest first."""
    dataset, said = _dataset(grant_of(request), id), request.GET.get("version")
    version = lists.whole("version", said, 0) if said else None
    if version is not None and not 1 <= version <= dataset.version:
        raise BadFilter("version", version, f"a version from 1 to {dataset.version}")
    return plain.page(request, datasets.items(dataset, version), plain.each(item_document))


@router.post(
    "/{id}/items",
    **operation(
        "Add items to a dataset",
        tag=TAG,
        scope=Scope.WRITE,
        sent={
            "anyOf": [
                closed(("items",), items={"type": "array", "items": ref("DatasetItemSent")}),
                closed(("generationIds",), generationIds=_TEXTS, metadata={"type": ["object", "null"]}),
                closed(("stepIds",), stepIds=_TEXTS, metadata={"type": ["object", "null"]}),
                {"type": "array", "items": ref("DatasetItemSent")},
            ]
        },
        example={"items": [{"input": {"question": "Two and two?"}, "expectedOutput": "Four."}]},
        ok={201: listed(ref("DatasetItem"))},
        headers=[AGAIN],
    ),
)
def add_items(request: HttpRequest, id: str) -> HttpResponse:
    """Items written here, or made from generations (what was sent and what was answered) or from steps. All or none of
    them; they are one new version. A list by itself is that of `items`.
    """
    grant = grant_of(request)
    asked = receive.named(receive.mapping(request, listed="items"), ("items", "generationIds", "stepIds", "metadata"))
    once = repeats.key_of(request, grant.project.pk)
    sources = asked.keys() - {"metadata"}
    if len(sources) != 1 or ("items" in asked and "metadata" in asked):
        raise BadDataset("items", sorted(asked), "one of items, generationIds and stepIds; metadata with the last two")
    if "items" in asked:
        new = [_new(item, f"items[{n}]") for n, item in enumerate(_list("items", asked["items"]))]
        made = datasets.add_items(grant, id, new, once=once)
    else:
        name = sources.pop()
        ids = _list(name, asked[name])
        if not all(isinstance(one, str) for one in ids):
            raise BadDataset(name, ids, "a list of ids")
        if not isinstance(asked.get("metadata"), dict | None):
            raise BadDataset("metadata", asked["metadata"], "an object")
        add = datasets.add_generations if name == "generationIds" else datasets.add_steps
        made = add(grant, id, ids, asked.get("metadata"), once=once)
    return answer({"data": [item_document(row) for row in made]}, status=201)


@router.patch(
    "/{id}/items/{item}",
    **operation(
        "Change an item of a dataset",
        tag=TAG,
        scope=Scope.WRITE,
        sent=ref("DatasetItemChanged"),
        example={"expectedOutput": "Four."},
        ok={200: ref("DatasetItem")},
    ),
)
def change_item(request: HttpRequest, id: str, item: str) -> HttpResponse:
    """Another in its place, as a new version: what is absent stays, what is null is emptied. It has an `id` of its own;
    past versions keep the old one, which is changed no further: 404. Where nothing is said it stays as it is.
    """
    grant = grant_of(request)
    said, old = _values(receive.mapping(request), "item"), _item_in(grant, id, item)
    return answer(item_document(datasets.change_item(grant, str(old.pk), said)))


@router.delete(
    "/{id}/items/{item}",
    **operation("Take an item out of a dataset", tag=TAG, scope=Scope.WRITE, ok={204: None}),
)
def remove_item(request: HttpRequest, id: str, item: str) -> HttpResponse:
    """As a new version; past ones keep it. 404 for one that the latest version does not have."""
    grant = grant_of(request)
    if not datasets.remove_items(grant, id, [str(_item_in(grant, id, item).pk)]):
        raise datasets.NoSuchDataset("dataset item", item)
    return HttpResponse(status=204)


def document(row: Dataset) -> Json:
    """A dataset as JSON."""
    return {
        "id": str(row.pk),
        "name": row.name,
        "description": row.description,
        "type": row.type,
        "metadata": row.metadata,
        "version": row.version,
        "createdAt": iso(row.created_at),
        "updatedAt": iso(row.updated_at),
        **({} if row.archived_at is None else {"archivedAt": iso(row.archived_at)}),
    }


def item_document(row: DatasetItem) -> Json:
    """An item as JSON. What is not known has no name in it."""
    known = {
        "expectedOutput": row.expected_output,
        "intermediarySteps": row.intermediary_steps,
        "generationId": row.generation_id,
        "stepId": row.step_id,
        "split": row.split or None,
    }
    return {
        "id": str(row.pk),
        "datasetId": str(row.dataset_id),
        "input": row.input,
        "metadata": row.metadata,
        "createdAt": iso(row.created_at),
        **{name: value for name, value in known.items() if value is not None},
    }


def _dataset(grant: Grant, id: str) -> Dataset:
    found = datasets.find(grant, id)
    if found is None:
        raise datasets.NoSuchDataset("dataset", id)
    return found


def _list(name: str, value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise BadDataset(name, value, "a list")
    return value


def _item_in(grant: Grant, dataset_id: str, item_id: str) -> DatasetItem:
    dataset, found = _dataset(grant, dataset_id), datasets.item(grant, item_id)
    if found is None or found.dataset_id != dataset.pk:
        raise datasets.NoSuchDataset("dataset item", item_id)
    return found


def _new(item: Json, path: str) -> NewItem:
    return NewItem(**{"input": None, **_values(item, path)})


def _values(item: Json, path: str) -> dict[str, Any]:
    """What is said of an item; no text for a null `split`, which is how none is kept."""
    if not isinstance(item, dict):
        raise BadDataset(path, item, "an object")
    values = {_ITEM[name]: value for name, value in receive.named(item, tuple(_ITEM), f"{path}.").items()}
    for name in ("generationId", "stepId", "split"):
        if not isinstance(item.get(name, ""), str | None):
            raise BadDataset(f"{path}.{name}", item[name], "a text")
    if "metadata" in item and not isinstance(item["metadata"], dict | None):
        raise BadDataset(f"{path}.metadata", item["metadata"], "an object")
    return values | ({"split": ""} if "split" in values and values["split"] is None else {})
