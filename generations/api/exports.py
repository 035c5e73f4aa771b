"""Exports: started, watched, cancelled and fetched, whole or in ranges."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from ninja import Router

from generations import exporting, tasks
from generations.access import Grant, Scope
from generations.api import lists, ranges, receive, repeats, watching
from generations.api.answers import answer
from generations.api.auth import Gate, grant_of, key_of
from generations.api.describing import Schema, closed, page_of, ref, sent
from generations.api.errors import Refused, not_found
from generations.api.operations import AGAIN, PROJECT, of_list, operation
from generations.exporting.columns import MAX_FIELDS
from generations.exporting.writers import CHOICES, COMPRESSIONS, FORMATS
from generations.filters import BadFilter, Leaf, nearest
from generations.ingest.values import iso
from generations.models import Job, Project
from generations.records import Json

router = Router()
starting = Router()
TAG: Final = "Exports"


_SENT: Final = sent(
    ("format",),
    format={"type": "string", "enum": list(CHOICES), "default": "jsonl"},
    compression={
        "type": "string",
        "enum": list(COMPRESSIONS),
        "description": "none when absent; of Parquet's columns, zstd.",
    },
    filters={"type": "object", "description": "A filter document; everything when absent. May be called `filter`."},
    filter={"type": "object", "description": "The same; one of the two."},
    fields={
        "type": "array",
        "items": {"type": "string"},
        "minItems": 1,
        "maxItems": MAX_FIELDS,
        "description": "All when absent.",
    },
    order={"type": "string", "description": "A field, `-` in front for the largest first; the newest first if absent."},
)["properties"]
_LIST: Final[dict[str, Schema]] = {
    "kind": {"type": "string", "enum": list(exporting.KINDS), "default": "generations"},
    "version": {"type": ["integer", "null"], "minimum": 1, "description": "Of datasets: items as of this version."},
}
_EXAMPLE: Final = {
    "format": "jsonl",
    "compression": "zstd",
    "filters": {
        "model.id": "gpt-4",
        "timestamp": {"gte": "2026-01-01T00:00:00Z", "lte": "2026-01-31T23:59:59Z"},
    },
    "fields": ["input", "output", "feedback"],
}


class DownloadGate(Gate):
    """Opens a file to whoever has the signature of its path, else to a key of its project with the scope read."""

    def __call__(self, request: HttpRequest) -> Grant:
        """The grant of the project that the export is of."""
        signature = request.GET.get("signature")
        if signature is None or key_of(request) is not None:
            return super().__call__(request)
        match = request.resolver_match
        job = exporting.check_signature(str(match.kwargs["id"]) if match else "", signature)
        if job is None:
            raise Refused(403, "bad_signature", "This download path is not valid, or has expired. Ask for a new one.")
        return Grant(project=job.project, scopes=frozenset({Scope.READ}))


@starting.post(
    "/generations/export",
    **operation(
        "Export generations",
        tag=TAG,
        scope=Scope.READ,
        sent=closed((), **_SENT),
        example=_EXAMPLE,
        ok={202: ref("Export")},
        headers=[AGAIN],
    ),
)
def export_generations(request: HttpRequest) -> HttpResponse:
    """A file of all generations that match, made in the background: the answer is the job, and `Location` where to
    watch it. Formats: jsonl (the documents as REST shows them, which import again), csv and parquet (a column a path).
    """
    return _started(request, receive.mapping(request, limit=receive.MAX_QUESTION), "generations")


@router.post(
    "",
    **operation(
        "Export a list",
        tag=TAG,
        scope=Scope.READ,
        sent=closed((), **_SENT, **_LIST),
        example={"kind": "steps", "format": "csv"},
        ok={202: ref("Export")},
        headers=[AGAIN],
    ),
)
def export_list(request: HttpRequest) -> HttpResponse:
    """The same for any list. Of datasets the items are exported, of experiments the results with their scores, of
    prompts the versions with their labels; a filter is of the list itself."""
    asked = receive.mapping(request, limit=receive.MAX_QUESTION)
    kind = asked.pop("kind", "generations")
    if not isinstance(kind, str):
        raise BadFilter("kind", kind, f"one of {', '.join(exporting.KINDS)}")
    return _started(request, asked, kind)


@router.get(
    "",
    **operation(
        "List exports",
        tag=TAG,
        scope=Scope.READ,
        ok={200: page_of(ref("Export"))},
        query=of_list("jobs", leave_out=("kind",)),
    ),
)
def list_exports(request: HttpRequest) -> HttpResponse:
    """The newest first: `state=done&parameters.kind=generations`."""
    for name, value in request.GET.items():
        if name.partition("__")[0] == "kind" and value != Job.Kind.EXPORT:
            # The jobs have a kind, too, and it is the same of all.
            raise BadFilter(name, value, "parameters.kind, which is the list that was exported")
    only = Leaf("kind", (), "eq", Job.Kind.EXPORT.value)
    return lists.answered(request, grant_of(request), "jobs", _documents, also=only)


@router.post(
    "/{id}/retry",
    **operation("Export again", tag=TAG, scope=Scope.READ, ok={202: ref("Export")}, refuses=(400,)),
)
def retry_export(request: HttpRequest, id: str) -> HttpResponse:
    """A new export of what an earlier one was asked for, whatever became of that."""
    with transaction.atomic():
        job = exporting.again(grant_of(request), id)
        if job is None:
            raise not_found("export", id)
        tasks.send(job)
    return answer(document(job), status=202, headers={"Location": f"/api/exports/{job.pk}"})


@router.get(
    "/{id}/manifest",
    **operation(
        "Read an export's manifest",
        tag=TAG,
        scope=Scope.READ,
        ok={200: {"type": "object"}},
        query=[PROJECT],
        refuses=(409, 410),
    ),
)
def get_manifest(request: HttpRequest, id: str) -> HttpResponse:
    """What is in the file and how it came to be: project, filter, fields, format, counts, bytes, SHA-256, the time that
    its rows span, the moment that it shows, and the version that wrote it. It outlives the file.
    """
    return answer(exporting.manifest_of(watching.found(grant_of(request), id, Job.Kind.EXPORT)))


def document(job: Job) -> Json:
    """An export as JSON."""
    return _document(job, exporting.lost([job]))


def _documents(project: Project, rows: Sequence[Job]) -> Iterator[tuple[Job, Json]]:
    lost = exporting.lost(rows)
    return ((job, _document(job, lost)) for job in rows)


def _document(job: Job, lost: Collection[UUID]) -> Json:
    asked, result = exporting.Asked.of(job), job.result
    return {
        **watching.standing(job),
        "kind": asked.kind,
        "format": asked.format,
        "compression": asked.compression,
        "filter": asked.filter,
        "fields": asked.fields,
        "order": asked.order,
        "result": {name: result[name] for name in ("rows", "bytes", "sha256")} if result else None,
        "expiresAt": iso(job.expires_at) if job.expires_at else None,
        "download": exporting.download_path(job) if exporting.has_file(job) and job.pk not in lost else None,
        "manifest": f"/api/exports/{job.pk}/manifest" if result else None,
        "schedule": str(job.schedule_id) if job.schedule_id else None,
        "delivered": result.get("delivered"),
    }


def _started(request: HttpRequest, asked: dict[str, Json], kind: str) -> HttpResponse:
    known = ("format", "compression", "filters", "filter", "fields", "order", "version")
    for name in asked.keys() - set(known):
        raise BadFilter(name, asked[name], f"one of {', '.join(known)}{nearest(name, known)}")
    if asked.get("filter") is not None and asked.get("filters") is not None:
        raise BadFilter("filter", asked["filter"], "either filter or filters")
    said = "filters" if asked.get("filters") is not None else "filter"
    condition = asked.get(said)
    fields, order = asked.get("fields"), asked.get("order")
    if condition is not None and not isinstance(condition, dict):
        raise BadFilter(said, condition, 'an object of conditions, such as {"model.id": "gpt-4"}')
    if fields is not None and not isinstance(fields, list):
        raise BadFilter("fields", fields, "a list of paths")
    if order is not None and not isinstance(order, str):
        raise BadFilter("order", order, "a path, '-' in front for the largest first")
    form, compression = asked.get("format", CHOICES[0]), asked.get("compression")
    if not isinstance(form, str):
        raise BadFilter("format", form, f"one of {', '.join(FORMATS)}")
    if compression is not None and not isinstance(compression, str):
        raise BadFilter("compression", compression, f"one of {', '.join(COMPRESSIONS)}")
    version = asked.get("version")
    if version is not None and (not isinstance(version, int) or isinstance(version, bool) or version < 1):
        raise BadFilter("version", version, "the number of a dataset's version")
    grant = grant_of(request)
    job, id = repeats.job_of(request, grant, Job.Kind.EXPORT)
    if job is None:
        with transaction.atomic():
            job = exporting.start(
                grant,
                kind=kind,
                format=form,
                compression=compression,
                condition_document=condition,
                fields=fields,
                order=order,
                version=version,
                id=id,
            )
            tasks.send(job)
    return answer(document(job), status=202, headers={"Location": f"/api/exports/{job.pk}"})


watching.add(
    router,
    Job.Kind.EXPORT,
    document,
    tag=TAG,
    watch="Its state and progress; when it is done, `download` is a path that needs no key until the export expires.",
    stays="Its file is deleted or never made.",
)


# ------------------------------------------------------------------------------------------------------------ download


@router.get(
    "/{id}/download",
    **operation(
        "Download an export",
        tag=TAG,
        scope=Scope.READ,
        auth=DownloadGate(Scope.READ),
        ok={200: None, 206: None, 304: None},
        query=[
            {
                "name": "signature",
                "in": "query",
                "description": "As in the export's `download` path; stands in for a key.",
                "schema": {"type": "string"},
            },
            PROJECT,
        ],
        refuses=(409, 410, 416),
    ),
)
def download_export(request: HttpRequest, id: str) -> HttpResponseBase:
    """The file, or with `Range: bytes=1000-` the part of it that is still missing. The `ETag` is the file's SHA-256:
    send it as `If-Range` when going on.
    """
    job = watching.found(grant_of(request), id, Job.Kind.EXPORT)
    file = exporting.open_file(job)
    size: int = job.result["bytes"]
    etag = f'"{job.result["sha256"]}"'
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Content-Disposition": f'attachment; filename="{exporting.file_name(job)}"',
        "Cache-Control": "private",
    }
    if ranges.is_known(request, etag):
        file.close()
        return HttpResponse(status=304, headers=headers)
    part = ranges.asked(request, size, etag)
    if part is not None and not part:
        file.close()
        sentence = f"The file has {size} bytes; the range {request.headers['Range'][:60]!r} is not in it."
        raise Refused(416, "bad_range", sentence, "Range", headers={"Content-Range": f"bytes */{size}"})
    wanted = part or range(size)
    response = StreamingHttpResponse(
        ranges.pieces(file, wanted), status=206 if part else 200, content_type=exporting.media_type(job)
    )
    for name, value in headers.items():
        response[name] = value
    response["Content-Length"] = str(len(wanted))
    if part:
        response["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    return response
