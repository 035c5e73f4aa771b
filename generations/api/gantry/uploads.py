"""Files of events: put in parts, then read line by line and stored before the client is answered."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any, Final

import orjson
from django.core import signing
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from generations import identities, incoming
from generations.access import Grant
from generations.api import receive
from generations.api.errors import Refused
from generations.api.gantry import events, lenient
from generations.api.gantry.envelope import body, ok, refused
from generations.models import Job
from generations.records import InvalidRecord, Json

MAX_PARTS: Final = 1_000
MAX_LINE: Final = 16 << 20
SECONDS: Final = 24 * 3_600
TABLE: Final = "CSV_WITH_HEADERS"
_SALT: Final = "generations.gantry.upload"


def begin(grant: Grant, request: HttpRequest) -> HttpResponse:
    """Where the parts of a file are to be put."""
    number = request.GET.get("num_parts", "1")
    if not (number.isdecimal() and len(number) < 9 and 1 <= int(number) <= MAX_PARTS):
        raise InvalidRecord("num_parts", number, f"a number from 1 to {MAX_PARTS}")
    upload = identities.new_id()
    keys = [{"project": grant.project.pk, "upload": upload, "part": part} for part in range(1, int(number) + 1)]
    urls = [
        request.build_absolute_uri(reverse("gantry_part", args=[signing.dumps(key, salt=_SALT, compress=True)]))
        for key in keys
    ]
    return ok(upload_urls=urls, upload_id=upload, key=request.GET.get("filename", "")[:300])


@csrf_exempt
def part(request: HttpRequest, token: str) -> HttpResponse:
    """One part of a file, to whoever has the address that was signed for it."""
    try:
        allowed: dict[str, Any] = signing.loads(token, salt=_SALT, max_age=SECONDS)
    except signing.BadSignature:
        return refused(403, "This address has expired or was not made here.")
    if request.method != "PUT":
        return refused(405, "Put the part here.", {"Allow": "PUT"})
    try:
        content = receive.body(request)
    except Refused as error:
        return refused(error.status, error.message)
    key = _key(allowed["project"], allowed["upload"], allowed["part"])
    if default_storage.exists(key):
        default_storage.delete(key)
    default_storage.save(key, ContentFile(content))
    return HttpResponse(headers={"ETag": f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'})


def finish(grant: Grant, request: HttpRequest) -> HttpResponse:
    """Store what is in the file that the parts make; sending this again changes nothing."""
    asked = body(request)
    upload, parts, link = asked.get("upload_id"), asked.get("parts"), asked.get("data_link")
    if not isinstance(upload, str) or not identities.is_uuid(upload):
        raise InvalidRecord("upload_id", upload, "the id that the upload was begun with")
    if not isinstance(parts, list) or not 0 < len(parts) <= MAX_PARTS:
        raise InvalidRecord("parts", parts, f"a list of 1 to {MAX_PARTS} parts")
    if not isinstance(link, Mapping) or not isinstance(link.get("application"), str):
        raise InvalidRecord("data_link", link, "an object that names the application")
    keys = [_key(grant.project.pk, upload, n) for n in range(1, len(parts) + 1)]
    absent = [n for n, key in enumerate(keys, 1) if not default_storage.exists(key)]
    if absent:
        raise InvalidRecord("parts", absent[0], "the number of a part that was put")
    documents = _table(keys, link, upload) if link.get("file_type") == TABLE else _lines(keys)
    stored = count = 0
    batch: list[Json] = []
    for document in documents:
        batch.append(document)
        count += 1
        if len(batch) >= events.BATCH:
            stored += events.store(grant, request, batch)
            batch = []
    if batch:
        stored += events.store(grant, request, batch)
    now = timezone.now()
    batch_id = str(link.get("batch_id") or upload)
    job = Job.objects.create(
        project=grant.project,
        kind=Job.Kind.IMPORT,
        state=Job.State.DONE,
        parameters={
            "format": "gantry",
            "file": str(asked.get("key") or ""),
            "application": link["application"],
            "batch_id": batch_id,
            "run_name": link.get("run_name"),
            "run_tags": link.get("run_tags"),
        },
        result={"events": count, "stored": stored, "refused": count - stored},
        progress_done=count,
        progress_total=count,
        created_by_key=grant.key,
        started_at=now,
        finished_at=now,
    )
    for key in keys:
        default_storage.delete(key)
    return ok(batch_id=str(job.pk))


def _key(project: int, upload: str, number: int) -> str:
    # Beside other files that wait to be imported: what nobody finishes goes as they do, and with whoever is erased.
    return f"{incoming.folder(project)}{upload}-{number:05d}.part"


def _lines(keys: Sequence[str]) -> Iterator[Json]:
    """A document a line; a line that is none is given as its text, which is told as a refusal."""
    for line in _split(keys):
        if not line.strip():
            continue
        try:
            yield lenient.loads(line)
        except orjson.JSONDecodeError:
            yield line.decode("utf-8", "replace")


def _split(keys: Sequence[str]) -> Iterator[bytes]:
    rest = b""
    for piece in _pieces(keys):
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
        if len(rest) > MAX_LINE:
            raise InvalidRecord("line", f"{len(rest)} bytes", f"lines of at most {MAX_LINE} bytes")
    yield rest


def _pieces(keys: Sequence[str]) -> Iterator[bytes]:
    for key in keys:
        file: IO[bytes]
        with default_storage.open(key) as file:
            while piece := file.read(1 << 20):
                yield piece


def _table(keys: Sequence[str], link: Mapping[str, Any], upload: str) -> Iterator[Json]:
    """A table's rows as events: `link` says which columns are inputs, outputs, feedback and tags."""
    reader = csv.reader(line.decode("utf-8", "replace").replace("\0", "") + "\n" for line in _split(keys))
    header = next(reader, None)
    if header is None:
        return
    for n, cells in enumerate(reader):
        if not any(cells):
            continue
        yield _event(cells, link, f"{upload}-{n}")


def _event(cells: Sequence[str], link: Mapping[str, Any], id: str) -> dict[str, Json]:
    event: dict[str, Json] = {
        "event_id": id,
        "metadata": {"func_name": link["application"], "version": link.get("version")},
        "batch_id": link.get("batch_id"),
    }
    for name in ("inputs", "outputs", "feedback", "tags"):
        if values := _cells(cells, link.get(name)):
            event[name] = values
    for name in ("timestamp", "feedback_id"):
        if values := _cells(cells, link.get(name)):
            event[name] = next(iter(values.values()))
    if "inputs" in event:
        event.setdefault("outputs", {})
    return event


def _cells(cells: Sequence[str], wanted: Json) -> dict[str, Json]:
    """The values that a row has for the columns named: of a place in the row, or the same for all rows."""
    values: dict[str, Json] = {}
    for name, element in (wanted if isinstance(wanted, Mapping) else {}).items():
        if not isinstance(element, Mapping):
            continue
        place, value = element.get("ref"), element.get("val")
        if isinstance(place, int) and 0 <= place < len(cells):
            value = _typed(cells[place])
        if value is not None:
            values[str(name)] = value
    return values


def _typed(cell: str) -> Json:
    """A cell as what it says: a number or a truth where it is one, nothing where it is empty."""
    if cell == "":
        return None
    if cell in ("True", "true", "False", "false"):
        return cell.lower() == "true"
    try:
        number = float(cell)
    except ValueError:
        return cell
    if number != number or number in (float("inf"), float("-inf")):
        return cell
    return int(cell) if cell.lstrip("-").isdecimal() and len(cell) < 16 else number
