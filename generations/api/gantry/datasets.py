"""Datasets as the client has them: files in versions, of which tables also become items of the dataset here."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from django.core import signing
from django.core.exceptions import RequestDataTooBig
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.http.multipartparser import MultiPartParserError
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

from generations import dataset_files, datasets
from generations.access import Grant
from generations.api import receive
from generations.api.errors import Refused
from generations.api.gantry import queries, rows
from generations.api.gantry.applications import found
from generations.api.gantry.envelope import body, missing, refused
from generations.dataset_files import OutOfDate
from generations.datasets import NewItem
from generations.models import Dataset, DatasetCommit, DatasetFile
from generations.records import InvalidRecord, Json

BUCKET: Final = "generations"
PREFIX: Final = "datasets"
TABLES: Final = "tabular_manifests/"
OTHERS: Final = "artifacts/"
MOST_ITEMS: Final = 5_000
"""Rows of a table that become items of the dataset; a longer one is kept as a file alone."""
MAX_SECONDS: Final = 7 * 24 * 3_600
_SALT: Final = "generations.gantry.file"
_OUT_OF_DATE: Final = b'{"error":"Parent version out of date!","response":"error"}'
"""What the client looks for, letter by letter, in the body of a 400."""


def create(grant: Grant, request: HttpRequest) -> Json:
    """Make a dataset, or find the one of the name."""
    asked = body(request)
    name = asked.get("name")
    if not isinstance(name, str):
        raise InvalidRecord("name", name, "a text")
    dataset = datasets.named(grant, name) or datasets.create(grant, name=name)
    model = asked.get("model_id")
    if isinstance(model, str) and dataset.metadata.get("model_id") != model:
        dataset = datasets.update(grant, str(dataset.pk), metadata={**dataset.metadata, "model_id": model})
    dataset_files.begin(grant, dataset, _prefix(grant))
    return _described(grant, dataset)


def every(grant: Grant, request: HttpRequest) -> Json:
    """The project's datasets, or those of one application."""
    model = request.GET.get("model_node_id")
    made = Dataset.objects.filter(project=grant.project).order_by("-created_at")[:1_000]
    return [_described(grant, one) for one in made if not model or one.metadata.get("model_id") == model]


def one(grant: Grant, request: HttpRequest, name: str, application: str = "") -> Json:
    """A dataset by its name or id."""
    if application:
        found(grant, application)
    dataset = _found(grant, name)
    dataset_files.begin(grant, dataset, _prefix(grant))
    return _described(grant, dataset)


def delete(grant: Grant, request: HttpRequest, name: str) -> Json:
    """Delete a dataset with its items."""
    datasets.delete(grant, str(_found(grant, name).pk))
    return {}


def commits(grant: Grant, request: HttpRequest, name: str) -> Json:
    """The versions of a dataset's files, the newest first."""
    return [_committed(one, n == 0) for n, one in enumerate(dataset_files.commits(_found(grant, name)))]


def commit(grant: Grant, request: HttpRequest, name: str, version: str) -> Json:
    """One of them."""
    for n, one in enumerate(dataset_files.commits(_found(grant, name))):
        if str(one.pk) == version:
            return _committed(one, n == 0)
    raise missing("version of this dataset", version)


def push(grant: Grant, request: HttpRequest, name: str) -> Json | HttpResponse:
    """Commit a list of files that the client has put."""
    dataset, asked = _found(grant, name), body(request)
    version, parent = asked.get("metadata_s3_file_version"), asked.get("parent_commit_id")
    manifest = DatasetFile.objects.filter(dataset=dataset, pk=str(version)).first() if _is_id(version) else None
    if manifest is None:
        raise InvalidRecord("metadata_s3_file_version", version, "the version of a file of this dataset")
    message = asked.get("message")
    try:
        said = message if isinstance(message, str) else ""
        made = dataset_files.commit(grant, dataset, manifest, said, None if parent is None else str(parent))
    except OutOfDate:
        return HttpResponse(_OUT_OF_DATE, status=400, content_type="application/json")
    return _committed(made, True)


def push_file(grant: Grant, request: HttpRequest, name: str) -> Json:
    """Commit one file; a table's rows become items as well."""
    dataset = _found(grant, name)
    try:
        file = request.FILES.get("file")
    except (RequestDataTooBig, MultiPartParserError) as error:
        raise Refused(413 if isinstance(error, RequestDataTooBig) else 400, "bad_form", str(error)) from None
    if file is None:
        raise InvalidRecord("file", None, "a file as multipart/form-data")
    content = file.read()
    called = (file.name or "file").replace("\\", "/").rpartition("/")[2]
    return _pushed(grant, dataset, called, content, request.POST.get("commit_msg") or f"Uploaded {called} to dataset")


def push_rows(grant: Grant, request: HttpRequest, name: str) -> Json:
    """Commit what a query finds, as a table."""
    dataset, asked = _found(grant, name), body(request)
    query = asked.get("raw_data_query_parameters")
    if not isinstance(query, Mapping):
        raise InvalidRecord("raw_data_query_parameters", query, "an object")
    application = found(grant, str(asked.get("model_id") or ""))
    keep = queries.condition(query.get("filters"))
    tags = query.get("tags")
    every = rows.rows(grant, application, rows.period(query), tags if isinstance(tags, Mapping) else {})
    taken = list(islice(filter(keep, every), rows.MOST_ROWS))
    columns = list(dict.fromkeys(column for row in taken for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(taken)
    called = f"{asked.get('raw_data_csv_prefix') or application.name}.csv".replace("/", "_")
    message = f"{len(taken)} rows of {application.name}"
    return _pushed(grant, dataset, called, text.getvalue().encode(), message)


def _pushed(grant: Grant, dataset: Dataset, called: str, content: bytes, message: str) -> Json:
    is_table = called.endswith(".csv")
    items = _items(content) if is_table else []
    made = dataset_files.add(
        grant, dataset, _prefix(grant), f"{TABLES if is_table else OTHERS}{called}", content, message
    )
    if items:
        datasets.add_items(grant, str(dataset.pk), items)
    return _committed(made, True)


def _items(content: bytes) -> list[NewItem]:
    """The rows of a table as items; none when it is too long, or no table."""
    try:
        found = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error):
        return []
    if len(found) > MOST_ITEMS:
        return []
    items = []
    for row in found:
        columns = [key for key in row if isinstance(key, str) and key not in (rows.TIME, rows.JOIN)]
        values = {key: row[key] for key in columns}
        expected = values.pop("expected_output", None)
        items.append(NewItem(input=values, expected_output=None if expected is None else {"content": expected}))
    return items


# -------------------------------------------------------------------------------------------------------------- files
def addresses_to_put(grant: Grant, request: HttpRequest, name: str) -> Json:
    """Where files are to be put, by their key."""
    dataset = _found(grant, name)
    keys = body(request).get("obj_keys")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or len(keys) > 1_000:
        raise InvalidRecord("obj_keys", keys, "a list of at most 1000 keys")
    return {key: _address(request, {"dataset": str(dataset.pk), "put": key}) for key in keys}


def addresses_to_get(grant: Grant, request: HttpRequest, name: str) -> Json:
    """Where versions of files are to be had, by their key."""
    dataset = _found(grant, name)
    infos = body(request).get("obj_infos")
    if not isinstance(infos, list) or not all(isinstance(one, Mapping) for one in infos) or len(infos) > 1_000:
        raise InvalidRecord("obj_infos", infos, "a list of at most 1000 objects with obj_key and version_id")
    made: dict[str, Json] = {}
    for info in infos:
        key, version = info.get("obj_key"), info.get("version_id")
        file = dataset_files.read(dataset, str(key), None if version is None else str(version))
        if file is None:
            raise missing("file of this dataset", str(key))
        made[str(key)] = _address(request, {"dataset": str(dataset.pk), "get": str(file.pk)})
    return made


@csrf_exempt
def file(request: HttpRequest, token: str) -> HttpResponseBase:
    """A file of a dataset, to whoever has an address that was signed for it: had by GET, put by PUT."""
    try:
        allowed: dict[str, Any] = signing.loads(token, salt=_SALT, max_age=MAX_SECONDS)
    except signing.BadSignature:
        return refused(403, "This address has expired or was not made here.")
    dataset = Dataset.objects.filter(pk=allowed["dataset"]).first()
    if dataset is None:
        return refused(404, "This dataset is not here (any more).")
    if request.method == "PUT" and "put" in allowed:
        try:
            made = dataset_files.put(dataset, allowed["put"], receive.body(request))
        except (Refused, InvalidRecord) as error:
            return refused(getattr(error, "status", 400), str(error))
        return HttpResponse(headers={"x-amz-version-id": str(made.pk), "ETag": f'"{made.pk}"'})
    if request.method in ("GET", "HEAD") and "get" in allowed:
        kept = DatasetFile.objects.filter(dataset=dataset, pk=allowed["get"]).first()
        if kept is not None:
            called = kept.path.rpartition("/")[2]
            content = dataset_files.open_file(kept)
            kind = "application/octet-stream"
            return FileResponse(content, as_attachment=True, filename=called, content_type=kind)
    return refused(404, "There is nothing at this address.")


def _address(request: HttpRequest, allowed: dict[str, str]) -> str:
    token = signing.dumps(allowed, salt=_SALT, compress=True)
    return request.build_absolute_uri(reverse("gantry_dataset_file", args=[token]))


# -------------------------------------------------------------------------------------------------------------- pieces
def _found(grant: Grant, name: str) -> Dataset:
    dataset = datasets.find(grant, name) or datasets.named(grant, name)
    if dataset is None:
        raise missing("dataset", name)
    return dataset


def _organization(grant: Grant) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"generations project {grant.project.pk}"))


def _prefix(grant: Grant) -> str:
    return f"{BUCKET}/{_organization(grant)}/{PREFIX}"


def _described(grant: Grant, dataset: Dataset) -> dict[str, Json]:
    return {
        "id": str(dataset.pk),
        "name": dataset.name,
        "model_id": dataset.metadata.get("model_id"),
        "created_at": dataset.created_at,
        "disabled": False,
        "organization_id": _organization(grant),
        "user_id": _organization(grant),
        "bucket_name": BUCKET,
        "aws_region": "local",
        "s3_prefix": PREFIX,
    }


def _committed(commit: DatasetCommit, is_latest: bool) -> dict[str, Json]:
    return {
        "id": str(commit.pk),
        "dataset_id": str(commit.dataset_id),
        "message": commit.message,
        "metadata_s3_file_version": str(commit.manifest_id),
        "created_at": commit.created_at,
        "created_by": commit.created_by,
        "is_latest_commit": is_latest,
    }


def _is_id(value: object) -> bool:
    try:
        uuid.UUID(str(value))
    except ValueError:
        return False
    return True
