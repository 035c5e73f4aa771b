"""Items of a dataset out of a table: which column is what, a preview, and the job that adds them."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Final, cast

import orjson
from django.core import signing
from django.core.files import File
from django.core.files.storage import default_storage
from django.utils import timezone

from generations import datasets, jobs
from generations.access import Grant, Scope
from generations.datasets import BadDataset, NewItem
from generations.importing import tables
from generations.importing.tables import BadFile, Row
from generations.models import DatasetItem, Job
from generations.records import InvalidRecord, Json

ROLES: Final = {
    "input": "Input",
    "expected": "Expected output",
    "metadata": "Metadata",
    "split": "Split",
    "generation": "Id of the generation",
    "steps": "Intermediary steps",
    "": "Leave out",
}
"""What a column may be, and how people call it."""
PREVIEWED: Final = 5
BATCH: Final = 500
BATCH_BYTES: Final = 8 << 20
REFUSALS_KEPT: Final = 100
KEPT: Final = dt.timedelta(days=2)
"""How long a file is kept that nobody began to import, or whose import failed."""
_SALT: Final = "generations.importing.items"
_GUESSES: Final = (
    ("generation", r"generation_?id"),
    ("steps", r"intermediary_?steps"),
    ("split", r"split|fold|subset|partition"),
    ("expected", r"(expected|ideal|target|reference|gold|correct|ground)[\w ]*|outputs?|answers?|completion|response"),
    ("metadata", r"meta(data)?|attributes|tags"),
    ("input", r"inputs?|question|prompt|messages|query|text|instruction|context|user"),
    ("", r"(dataset_?(id|name))|id|created_?at"),
)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that waits to be imported: where it is, as what it is read, what it was called, and its bytes."""

    key: str
    format: str
    name: str
    size: int

    @property
    def token(self) -> str:
        """The upload as a text that cannot be forged."""
        return signing.dumps([self.key, self.format, self.name, self.size], salt=_SALT, compress=True)


@dataclass(slots=True)
class Preview:
    """The first rows of a file, the names of its columns, and the places and problems of those that are no rows."""

    columns: list[str] = field(default_factory=list)
    rows: list[tuple[int, Row]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


# ------------------------------------------------------------------------------------------------------------- uploads
def keep(grant: Grant, file: BinaryIO, name: str, size: int) -> Upload:
    """Keep a file until it is imported or forgotten. Needs `write`; raises BadFile when it is of no known form."""
    grant.need(Scope.WRITE)
    head = file.read(16)
    file.seek(0)
    if not size:
        raise BadFile("The file is empty.")
    format = tables.format_of(name, head)
    key = default_storage.save(f"imports/{grant.project.pk}/{uuid.uuid4()}.{format}", File(file))
    return Upload(key, format, name[:200], size)


def kept(grant: Grant, token: str) -> Upload | None:
    """The upload of a token, if it is this project's and still there."""
    try:
        read = signing.loads(token, salt=_SALT, max_age=KEPT)
    except signing.BadSignature:
        return None
    upload = Upload(*read)
    is_ours = upload.key.startswith(f"imports/{grant.project.pk}/")
    return upload if is_ours and default_storage.exists(upload.key) else None


def forget_uploads() -> int:
    """Delete what was uploaded and never imported; returns how many files. Files that open jobs read stay."""
    gone = 0
    if not default_storage.exists("imports"):
        return 0
    waiting = Job.objects.filter(kind=Job.Kind.IMPORT, state__in=[Job.State.QUEUED, Job.State.RUNNING])
    needed = set(waiting.values_list("parameters__file", flat=True))
    for folder in default_storage.listdir("imports")[0]:
        for name in default_storage.listdir(f"imports/{folder}")[1]:
            key = f"imports/{folder}/{name}"
            if key not in needed and timezone.now() - default_storage.get_modified_time(key) > KEPT:
                default_storage.delete(key)
                gone += 1
    return gone


# ------------------------------------------------------------------------------------------------------------- mapping
def preview(upload: Upload) -> Preview:
    """The beginning of a file. Raises BadFile."""
    made = Preview()
    with default_storage.open(upload.key, "rb") as file:
        for place, row in tables.rows(cast(BinaryIO, file), upload.format):
            if isinstance(row, InvalidRecord):
                made.problems.append(f"Row {place}: {row}")
            else:
                made.rows.append((place, row))
                made.columns += [name for name in row if name not in made.columns]
            if len(made.rows) >= PREVIEWED or len(made.problems) >= PREVIEWED:
                break
    if not made.rows and not made.problems:
        raise BadFile("The file has no rows.")
    return made


def guess(columns: list[str]) -> dict[str, str]:
    """A role for each column by its name; where none seems to be the input, the first that nothing else is known of."""
    roles = {}
    for name in columns:
        plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip()).lower().replace(" ", "_").replace("-", "_")
        roles[name] = next((role for role, words in _GUESSES if re.fullmatch(words, plain)), "metadata")
    if "input" not in roles.values():
        free = [name for name in columns if roles[name] == "metadata"] or [n for n in columns if roles[n] != "expected"]
        if free:
            roles[free[0]] = "input"
    return roles


def check(roles: Mapping[str, str]) -> None:
    """Raises BadDataset for roles that there are none of, or that make no item."""
    for name, role in roles.items():
        if role not in ROLES:
            raise BadDataset(f"column {name[:80]}", role, f"one of {', '.join(filter(None, ROLES))}, or nothing")
    if "input" not in roles.values():
        raise BadDataset("input", None, "at least one column that is the input")
    for role in ("split", "generation", "steps"):
        if list(roles.values()).count(role) > 1:
            raise BadDataset(role, [name for name, one in roles.items() if one == role], "one column at most")


def item_of(row: Row, roles: Mapping[str, str], *, reads_json: bool) -> NewItem:
    """The item that a row makes.

    One column alone is the input or the expected output itself, several are an object by their names; of metadata,
    objects are spread out. With `reads_json` a text that is a JSON object or list is taken for that. Raises BadDataset.
    """
    said: dict[str, dict[str, Json]] = {role: {} for role in ROLES}
    for name, value in row.items():
        said[roles.get(name, "")][name] = _read(value) if reads_json else value
    metadata: dict[str, Json] = {}
    for name, value in said["metadata"].items():
        metadata |= value if isinstance(value, dict) else {} if value in (None, "") else {name: value}
    wanted = [name for name, role in roles.items() if role == "input"]
    given = said["input"] if len(wanted) > 1 else said["input"].get(wanted[0])
    if given in (None, "", {}):
        raise BadDataset("input", given, "a value")
    return NewItem(
        input=given,
        expected_output=_together(said["expected"], roles, "expected"),
        metadata=metadata,
        intermediary_steps=next(iter(said["steps"].values()), None) or None,
        generation_id=_text(said["generation"]),
        split=_text(said["split"]) or "",
    )


def _together(values: dict[str, Json], roles: Mapping[str, str], role: str) -> Json:
    known = {name: value for name, value in values.items() if value not in (None, "")}
    if not known:
        return None
    return known if list(roles.values()).count(role) > 1 else next(iter(known.values()))


def _text(values: dict[str, Json]) -> str | None:
    value = next(iter(values.values()), None)
    return None if value in (None, "") else str(value)


def _read(value: Json) -> Json:
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


# ----------------------------------------------------------------------------------------------------------------- job
def start(grant: Grant, dataset_id: str, upload: Upload, roles: Mapping[str, str], *, reads_json: bool) -> Job:
    """A job that adds the rows of a file to a dataset. Needs `write`; raises BadDataset, NoSuchDataset."""
    grant.need(Scope.WRITE)
    check(roles)
    dataset = datasets.find(grant, dataset_id)
    if dataset is None:
        raise datasets.NoSuchDataset("dataset", dataset_id)
    return jobs.create(
        grant,
        Job.Kind.IMPORT,
        {
            "dataset": str(dataset.pk),
            "name": dataset.name,
            "file": upload.key,
            "format": upload.format,
            "fileName": upload.name,
            "roles": dict(roles),
            "readsJson": reads_json,
        },
    )


def run(job_id: uuid.UUID | str) -> bool:
    """Do an import, if it is free to be done; False when another worker has it or it has ended."""
    return jobs.work(job_id, _import)


@dataclass(slots=True)
class _Report:
    rows: int = 0
    added: int = 0
    known: int = 0
    refused: int = 0
    refusals: list[dict[str, Json]] = field(default_factory=list)
    version: int | None = None

    def refuse(self, place: int, reason: str) -> None:
        self.refused += 1
        if len(self.refusals) < REFUSALS_KEPT:
            self.refusals.append({"row": place, "reason": reason[:500]})


def _import(lease: jobs.Lease) -> None:
    job, asked = lease.job, lease.job.parameters
    grant = jobs.grant_of(job)
    report = _Report()
    try:
        with default_storage.open(asked["file"], "rb") as file:
            batch: list[tuple[int, NewItem]] = []
            weight = 0
            for place, item in _items(tables.rows(cast(BinaryIO, file), asked["format"]), asked, job.pk, report):
                batch.append((place, item))
                weight += _weight(item)
                if len(batch) >= BATCH or weight >= BATCH_BYTES:
                    _add(grant, asked["dataset"], batch, report)
                    lease.advance(report.rows)
                    batch, weight = [], 0
            _add(grant, asked["dataset"], batch, report)
    except FileNotFoundError:
        raise jobs.Failed("The file is gone: it is kept for two days. Send it again.") from None
    except BadFile as problem:
        raise jobs.Failed(f"{problem} {_sofar(report)}") from None
    except datasets.NoSuchDataset:
        raise jobs.Failed("The dataset was deleted meanwhile.") from None
    lease.advance(report.rows, report.rows)
    lease.finish(
        {
            "rows": report.rows,
            "added": report.added,
            "known": report.known,
            "refused": report.refused,
            "refusals": report.refusals,
            "version": report.version,
        }
    )
    default_storage.delete(asked["file"])


def _items(
    found: tables.Rows, asked: Mapping[str, Json], job: uuid.UUID, report: _Report
) -> Iterator[tuple[int, NewItem]]:
    for place, row in found:
        report.rows += 1
        if isinstance(row, InvalidRecord):
            report.refuse(place, str(row))
            continue
        try:
            item = item_of(row, asked["roles"], reads_json=bool(asked["readsJson"]))
        except BadDataset as problem:
            report.refuse(place, str(problem))
            continue
        # The same row of the same job has the same id: a job that is taken up again adds nothing twice.
        yield place, replace(item, id=str(uuid.uuid5(job, str(place))))


def _add(grant: Grant, dataset: str, batch: list[tuple[int, NewItem]], report: _Report) -> None:
    """Add a batch; where one of its items is refused, the others one by one in a version of their own."""
    known = set(DatasetItem.objects.filter(pk__in=[item.id for _, item in batch]).values_list("pk", flat=True))
    report.known += len(known)
    new = [(place, item) for place, item in batch if uuid.UUID(item.id) not in known]
    while new:
        try:
            made = datasets.add_items(grant, dataset, [item for _, item in new], going_on=report.version)
        except BadDataset as problem:
            wrong = re.match(r"items\[(\d+)\]\.?", problem.field)
            place = int(wrong[1]) if wrong else 0
            report.refuse(new[place][0], str(problem).removeprefix(wrong[0] if wrong else ""))
            del new[place]
            continue
        report.added += len(made)
        report.version = made[0].added_in
        return


def _weight(item: NewItem) -> int:
    return len(str(item.input)) + len(str(item.expected_output))


def _sofar(report: _Report) -> str:
    return f"{report.added:,} items of the rows before were added." if report.added else "Nothing was added."
