"""Items of a dataset out of a table: which column is what, a preview, and the job that adds them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

from generations import datasets, jobs
from generations.access import Grant, Scope
from generations.datasets import BadDataset, NewItem
from generations.importing import Refusal, Row, tables
from generations.importing.refusals import Refusals
from generations.importing.tables import BadFile, Cells, parsed
from generations.importing.uploads import Upload
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
BATCH: Final = 500
BATCH_BYTES: Final = 8 << 20
_GUESSES: Final = (
    ("generation", r"generation_?id"),
    ("steps", r"intermediary_?steps"),
    ("split", r"split|fold|subset|partition"),
    ("expected", r"(expected|ideal|target|reference|gold|correct|ground)[\w ]*|outputs?|answers?|completion|response"),
    ("metadata", r"meta(data)?|attributes|tags"),
    ("input", r"inputs?|question|prompt|messages|query|text|instruction|context|user"),
    ("", r"(dataset_?(id|name))|id|created_?at"),
)


# ------------------------------------------------------------------------------------------------------------- mapping
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


def item_of(row: Cells, roles: Mapping[str, str], *, reads_json: bool) -> NewItem:
    """The item that a row makes.

    One column alone is the input or the expected output itself, several are an object by their names; of metadata,
    objects are spread out. With `reads_json` a text that is a JSON object or list is taken for that. Raises BadDataset.
    """
    said: dict[str, dict[str, Json]] = {role: {} for role in ROLES}
    for name, value in row.items():
        said[roles.get(name, "")][name] = parsed(value) if reads_json else value
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


# ----------------------------------------------------------------------------------------------------------------- job
def start(
    grant: Grant,
    dataset_id: str,
    upload: Upload,
    roles: Mapping[str, str],
    *,
    reads_json: bool,
    id: uuid.UUID | None = None,
) -> Job:
    """A job that adds the rows of a file to a dataset, one of an `id`. Needs `write`; raises BadDataset,
    NoSuchDataset."""
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
        id=id,
    )


@dataclass(slots=True)
class _Report:
    refusals: Refusals
    rows: int = 0
    added: int = 0
    version: int | None = None

    def refuse(self, place: int, field: str, reason: str) -> None:
        self.refusals.add(Refusal(place, field, reason))


def add(lease: jobs.Lease, file: BinaryIO) -> None:
    """Add the rows of a file to the dataset that the job of `lease` names. Raises jobs.Failed.

    A job that is taken up again adds what is missing, and counts what is there with it.
    """
    with Refusals() as refusals:
        report = _Report(refusals)
        _add_all(lease, file, report)
        lease.advance(report.rows, report.rows)
        told = refusals.kept(lease.job)
    counts = {"rows": report.rows, "added": report.added, "refused": refusals.number, "version": report.version}
    lease.finish(counts | told)


def _add_all(lease: jobs.Lease, file: BinaryIO, report: _Report) -> None:
    job, asked = lease.job, lease.job.parameters
    grant = jobs.grant_of(job)
    try:
        batch: list[tuple[int, NewItem]] = []
        size = 0
        for row, item in _items(tables.rows(file, asked["format"]), asked, job.pk, report):
            batch.append((row.place, item))
            size += row.size
            if len(batch) >= BATCH or size >= BATCH_BYTES:
                _add(grant, asked["dataset"], batch, report)
                lease.advance(report.rows)
                batch, size = [], 0
        _add(grant, asked["dataset"], batch, report)
    except BadFile as problem:
        raise jobs.Failed(f"{problem} {_sofar(report)}") from None
    except datasets.NoSuchDataset:
        raise jobs.Failed("The dataset was deleted meanwhile.") from None


def _items(
    found: Iterable[Row], asked: Mapping[str, Json], job: uuid.UUID, report: _Report
) -> Iterator[tuple[Row, NewItem]]:
    for row in found:
        report.rows += 1
        try:
            if row.problem is not None:
                raise row.problem
            item = item_of(row.value, asked["roles"], reads_json=bool(asked["readsJson"]))
        except (BadDataset, InvalidRecord) as problem:
            report.refuse(row.place, problem.field, str(problem))
            continue
        # The same row of the same job has the same id: a job that is taken up again adds nothing twice.
        yield row, replace(item, id=str(uuid.uuid5(job, str(row.place))))


def _add(grant: Grant, dataset: str, batch: list[tuple[int, NewItem]], report: _Report) -> None:
    """Add a batch; where one of its items is refused, the others one by one in a version of their own."""
    known = dict(DatasetItem.objects.filter(pk__in=[item.id for _, item in batch]).values_list("pk", "added_in"))
    # These an attempt before this one added: its version goes on.
    report.added += len(known)
    report.version = max((report.version or 0, *known.values())) or None
    new = [(place, item) for place, item in batch if uuid.UUID(item.id) not in known]
    while new:
        try:
            made = datasets.add_items(grant, dataset, [item for _, item in new], going_on=report.version)
        except BadDataset as problem:
            wrong = re.match(r"items\[(\d+)\]\.?", problem.field)
            place = int(wrong[1]) if wrong else 0
            start = wrong[0] if wrong else ""
            said, reason = problem.field.removeprefix(start), str(problem).removeprefix(start)
            report.refuse(new[place][0], said, reason)
            del new[place]
            continue
        report.added += len(made)
        report.version = made[0].added_in
        return


def _sofar(report: _Report) -> str:
    return f"{report.added:,} items of the rows before were added." if report.added else "Nothing was added."
