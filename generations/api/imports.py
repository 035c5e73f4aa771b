"""Files of calls, or of a dataset's items: sent, looked at, imported by a job that is watched, and what was refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from ninja import Router

from generations import datasets, jobs, tasks
from generations.access import Grant, Scope
from generations.api import plain, receive, repeats, watching
from generations.api.answers import answer
from generations.api.auth import grant_of
from generations.api.describing import closed, page_of, ref
from generations.api.errors import Refused
from generations.api.operations import AGAIN, FORM, PROJECT, operation
from generations.datasets import BadDataset
from generations.importing import Row, columns, generations, items, refusals, uploads
from generations.importing.uploads import Upload
from generations.ingest import rest
from generations.ingest.values import nearest
from generations.models import Job
from generations.records import InvalidRecord, Json

router = Router()
TAG: Final = "Imports"
RESULT: Final = ("rows", "stored", "merged", "unchanged", "added", "version", "refused", "refusals")
AS: Final = ("calls", "table")
_FILE: Final = {"type": "string", "format": "binary"}
_ASKED: Final = closed(
    ("file",),
    file={
        **_FILE,
        "description": "JSON, JSON Lines, CSV or Parquet, also as gzip: calls as OpenAI and Anthropic have them,"
        " results of a batch, generations as they are exported here, or a table.",
    },
    requests={**_FILE, "description": "The requests of a batch, where the file holds its results."},
    columns={
        "type": "string",
        "description": 'What columns of a table are, as a JSON object: `{"question": "input.content", "who": '
        '"metadata.userId", "note": ""}`. Those that are not named are what their names and values say; an empty text'
        " leaves one out.",
    },
    dataset={"type": "string", "description": "The id of a dataset that the rows become items of; calls when absent."},
    readsJson={
        "type": "string",
        "enum": ["true", "false"],
        "description": "Whether texts of a dataset's rows that are JSON are read; they are when absent.",
    },
)
_ASKED["properties"]["as"] = {
    "type": "string",
    "enum": list(AS),
    "description": "Whether rows say themselves what they are, or are cells of a table; told from the file if absent.",
}


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that was sent, what its rows are to become, and its first rows. `roles`: none where rows say themselves
    what they are."""

    upload: Upload
    requests: Upload | None
    preview: uploads.Preview
    roles: dict[str, str]
    dataset: str | None
    reads_json: bool


@router.post(
    "",
    **operation("Import a file", tag=TAG, scope=Scope.WRITE, form=_ASKED, ok={202: ref("Import")}, headers=[AGAIN]),
)
def start_import(request: HttpRequest) -> HttpResponse:
    """A job that stores what a file holds; `Location` is where to watch it. What is refused stops nothing else, and
    the same file once more changes nothing.
    """
    grant = grant_of(request)
    form = _form(request)
    repeats.digest(
        request, [*form.items(), *((name, cast("File[bytes]", file)) for name, file in request.FILES.items())]
    )
    job, id = repeats.job_of(request, grant, Job.Kind.IMPORT)
    if job is None:
        with _sent(request, grant) as sent, transaction.atomic():
            if sent.dataset is None:
                job = generations.start(grant, sent.upload, sent.roles, sent.requests, id=id)
            else:
                job = items.start(grant, sent.dataset, sent.upload, sent.roles, reads_json=sent.reads_json, id=id)
            tasks.send(job)
    return answer(document(job), status=202, headers={"Location": f"/api/imports/{job.pk}"})


@router.post(
    "/preview",
    **operation("Look at a file", tag=TAG, scope=Scope.WRITE, form=_ASKED, ok={200: ref("ImportPreview")}),
)
def preview_import(request: HttpRequest) -> HttpResponse:
    """What its first rows would become, and what its columns are taken for. Nothing is stored, nor is the file kept."""
    with _sent(request, grant_of(request), is_kept=False) as sent:
        if sent.dataset is None:
            told = [_call(one) for one in generations.take(sent.preview.rows, sent.roles, sent.requests)]
        else:
            told = [_item(row, sent) for row in sent.preview.rows]
        about = {"fileName": sent.upload.name, "format": sent.upload.format, "columns": dict(sent.roles)}
        return answer({**about, "rows": told, "problems": list(sent.preview.problems)})


@router.get(
    "",
    **operation("List imports", tag=TAG, scope=Scope.READ, ok={200: page_of(ref("Import"))}, query=plain.QUERY),
)
def list_imports(request: HttpRequest) -> HttpResponse:
    """The newest first, also those that were started at a page."""
    rows = Job.objects.filter(project=grant_of(request).project, kind=Job.Kind.IMPORT)
    return plain.page(request, rows, plain.each(document))


@router.get(
    "/{id}/refused",
    **operation(
        "Download what an import refused",
        tag=TAG,
        scope=Scope.READ,
        ok={200: None},
        query=[PROJECT],
        refuses=(409, 410),
    ),
)
def download_refused(request: HttpRequest, id: str) -> FileResponse:
    """The rows that were not stored, up to 100,000, as CSV: `row,field,reason`. It is kept for two days."""
    job = watching.found(grant_of(request), id, Job.Kind.IMPORT)
    file = refusals.opened(job)
    if file is None and job.finished_at is None:
        raise Refused(409, "not_ready", f"This import is {job.state}: what it refused is told at its end.")
    if file is None:
        raise Refused(410, "gone", "There is no such file (any more): nothing was refused, or it was kept long enough.")
    return FileResponse(file, as_attachment=True, filename=refusals.file_name(job), content_type=refusals.MEDIA_TYPE)


def document(job: Job) -> dict[str, Json]:
    """An import as JSON."""
    asked, done = job.parameters, jobs.so_far(job) or job.result
    return {
        **watching.standing(job),
        "fileName": asked.get("fileName"),
        "format": asked.get("format"),
        "columns": asked.get("roles") or {},
        "dataset": asked.get("dataset"),
        "result": {name: done.get(name) for name in RESULT} if done else None,
        "refused": f"/api/imports/{job.pk}/refused" if refusals.has_file(job) else None,
    }


watching.add(
    router,
    Job.Kind.IMPORT,
    document,
    tag=TAG,
    watch="Its state and progress, and what became of the rows: until it has ended, of those that are stored by now.",
    stays="What was stored stays.",
)


def _call(one: generations.Taken) -> Json:
    shown: Json = dict(one.row) or None if one.record is None else rest.document(one.record)
    return {"row": one.place, "shape": one.shape or None, "document": shown, "problem": one.problem or None}


def _item(row: Row, sent: Sent) -> Json:
    shown: Json = None
    problem = None
    try:
        made = items.item_of(row.value, sent.roles, reads_json=sent.reads_json)
    except BadDataset as error:
        problem = str(error)
    else:
        shown = {
            "input": made.input,
            "expectedOutput": made.expected_output,
            "metadata": made.metadata,
            "split": made.split,
            "generationId": made.generation_id,
        }
    return {"row": row.place, "shape": None, "document": shown, "problem": problem}


# -------------------------------------------------------------------------------------------------------- what is sent
@contextmanager
def _sent(request: HttpRequest, grant: Grant, *, is_kept: bool = True) -> Iterator[Sent]:
    """What a form says, its files kept for the job; at once forgotten where none comes of them.

    Raises Refused, InvalidRecord, BadDataset, NoSuchDataset and BadFile.
    """
    form = _form(request)
    kept: list[Upload] = []
    try:
        for name in uploads.FILES:
            if (file := request.FILES.get(name)) is not None:
                kept.append(uploads.keep(grant, cast(BinaryIO, file), file.name or name, file.size or 0))
        yield _understood(grant, form, *kept)
    except BaseException:
        is_kept = False
        raise
    finally:
        for one in () if is_kept else kept:
            default_storage.delete(one.key)


def _form(request: HttpRequest) -> Mapping[str, str]:
    if request.content_type != FORM:
        sentence = f"A file is sent as {FORM}, in the field 'file'."
        raise Refused(415, "unsupported_type", sentence, "Content-Type", str(request.content_type)[:80], FORM)
    try:
        texts, files = request.POST.dict(), request.FILES
    except MultiPartParserError as error:
        raise Refused(400, "malformed_form", f"The body is no {FORM}: {error}.", "body") from None
    known = tuple(_ASKED["properties"])
    for name in (*texts, *files):
        if name not in known or (name in uploads.FILES) != (name in files):
            expected = "a file, with its name" if name in uploads.FILES else nearest(name, known)
            raise Refused(400, "bad_field", f"There is no field '{name[:80]}' of this kind.", name[:80], None, expected)
        if len(sent := (request.FILES if name in files else request.POST).getlist(name)) > 1:
            what = "files were" if name in files else "values were"
            sentence = f"{len(sent)} {what} sent in the field '{name}'."
            raise Refused(422, "bad_field", sentence, name, None, "one; each file is an import of its own")
    if "file" not in files:
        raise Refused(422, "bad_file", "There is no file. Send it in the field 'file'.", "file", None, "a file")
    for name, allowed in (("as", AS), ("readsJson", ("true", "false"))):
        if texts.get(name, allowed[0]) not in allowed:
            raise InvalidRecord(name, texts[name], f"one of {', '.join(allowed)}")
    return cast(Mapping[str, str], texts)


def _understood(grant: Grant, form: Mapping[str, str], upload: Upload, requests: Upload | None = None) -> Sent:
    given, dataset, said = _columns(form.get("columns", "")), form.get("dataset") or None, form.get("as")
    reads_json = form.get("readsJson", "true") == "true"
    if dataset is not None:
        if datasets.find(grant, dataset) is None:
            raise datasets.NoSuchDataset("dataset", dataset, "dataset")
        if requests is not None or said == "calls":
            raise InvalidRecord("as", said or "requests", "table, and no requests: items of a dataset are rows")
        preview = uploads.preview(upload)
        roles = items.guess(preview.columns) | _known(given, preview)
        items.check(roles)
        return Sent(upload, None, preview, roles, dataset, reads_json)
    preview = generations.begun(upload)
    guessed = generations.guess(preview.rows, upload.format)
    is_table = said == "table" or (said is None and bool(guessed or given))
    if not is_table and given:
        raise InvalidRecord("columns", list(given), "none, where rows say themselves what they are")
    if not is_table and upload.format not in generations.TELLING:
        raise InvalidRecord("as", said, f"table: rows of a {upload.format} file do not say what they are")
    roles = guessed or generations.guess(preview.rows, "table") if is_table else {}
    if is_table and requests is not None:
        raise InvalidRecord("requests", requests.name, "no such file: requests belong to the results of a batch")
    roles |= {name: _named(name, field) if field else "" for name, field in _known(given, preview).items()}
    # Tells of requests that are none, too.
    generations.take(preview.rows, roles, requests)
    return Sent(upload, requests, preview, roles, None, reads_json)


def _columns(text: str) -> dict[str, str]:
    """What columns are said to be. Raises InvalidRecord."""
    try:
        said: Json = receive.parsed(text) if text.strip() else {}
    except Refused:
        said = text
    if not isinstance(said, dict) or not all(one is None or isinstance(one, str) for one in said.values()):
        raise InvalidRecord("columns", said, 'an object of texts, such as {"question": "input.content"}')
    return {name: cast(str, field or "") for name, field in said.items()}


def _named(column: str, field: str) -> str:
    try:
        return columns.named(field)
    except InvalidRecord as error:
        raise InvalidRecord(f"columns.{column}", field, error.expected) from None


def _known(given: dict[str, str], preview: uploads.Preview) -> dict[str, str]:
    for name in given.keys() - set(preview.columns):
        raise InvalidRecord("columns", name, nearest(name, preview.columns))
    return given
