"""Files of a dataset in versions: put one by one, and committed together as a list of which is at which version."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from typing import IO, Any, Final

import orjson
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.db import transaction

from generations.access import Grant, Scope, audit
from generations.models import Dataset, DatasetCommit, DatasetFile
from generations.records import InvalidRecord

MANIFEST: Final = ".dataset_metadata/.gantry_manifest.jsonl"
MAX_PATH: Final = 1_000
MAX_MESSAGE: Final = 2_000


class OutOfDate(ValueError):
    """A commit upon another one than the latest."""


def put(dataset: Dataset, path: str, content: bytes | IO[bytes]) -> DatasetFile:
    """Keep a new version of a file. Raises InvalidRecord for a path that is none."""
    if not 0 < len(path) <= MAX_PATH or "\0" in path:
        raise InvalidRecord("path", path, f"a path of 1 to {MAX_PATH} characters")
    key = f"datasets/{dataset.project_id}/{dataset.pk}/{uuid.uuid4()}"
    file = ContentFile(content) if isinstance(content, bytes) else File(content)
    kept = default_storage.save(key, file)
    return DatasetFile.objects.create(
        dataset=dataset, path=path, storage_key=kept, size=int(default_storage.size(kept))
    )


def read(dataset: Dataset, path: str, version: str | None = None) -> DatasetFile | None:
    """A version of a file, or its latest; None when there is none."""
    rows = DatasetFile.objects.filter(dataset=dataset, path=path)
    if version:
        try:
            rows = rows.filter(pk=uuid.UUID(version))
        except ValueError:
            return None
    return rows.order_by("-created_at", "-id").first()


def open_file(file: DatasetFile) -> Any:
    """Its bytes. Raises FileNotFoundError."""
    return default_storage.open(file.storage_key)


def commits(dataset: Dataset) -> Sequence[DatasetCommit]:
    """The commits of a dataset, the newest first."""
    return list(DatasetCommit.objects.filter(dataset=dataset).order_by("-number")[:1_000])


def commit(
    grant: Grant, dataset: Dataset, manifest: DatasetFile, message: str, parent: str | None = None
) -> DatasetCommit:
    """Commit a list of files upon the latest commit. Needs `write`. Raises OutOfDate when `parent` is another one."""
    grant.need(Scope.WRITE)
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk, project=grant.project)
        last = DatasetCommit.objects.filter(dataset=dataset).order_by("-number").first()
        if parent is not None and (last is None or str(last.pk) != parent):
            raise OutOfDate("Parent version out of date!")
        made = DatasetCommit.objects.create(
            dataset=dataset,
            number=1 if last is None else last.number + 1,
            message=message[:MAX_MESSAGE],
            manifest=manifest,
            created_by=grant.actor[:200],
        )
        audit(grant, "dataset.commit", "dataset", str(dataset.pk), {"number": made.number})
    return made


def begin(grant: Grant, dataset: Dataset, prefix: str) -> DatasetCommit:
    """The first commit of a dataset: no files but a description of its columns, of which there are none yet."""
    latest = DatasetCommit.objects.filter(dataset=dataset).order_by("-number").first()
    if latest is not None:
        return latest
    config = b"features: {}\nlabels: {}\n"
    return _with_files(grant, dataset, prefix, [], {"dataset_config.yaml": config}, "Initial commit")


def add(grant: Grant, dataset: Dataset, prefix: str, name: str, content: bytes, message: str) -> DatasetCommit:
    """Commit a file upon the latest commit, in place of one of its name."""
    latest = begin(grant, dataset, prefix)
    with open_file(latest.manifest) as file:
        listed = [orjson.loads(line) for line in file.read().splitlines() if line.strip()]
    return _with_files(grant, dataset, prefix, listed, {name: content}, message)


def _with_files(
    grant: Grant,
    dataset: Dataset,
    prefix: str,
    listed: Sequence[Mapping[str, Any]],
    new: Mapping[str, bytes],
    message: str,
) -> DatasetCommit:
    bucket, _, folder = prefix.partition("/")
    kept = [line for line in listed if line.get("file_name") not in new]
    for name, content in new.items():
        path = f"{folder}/{dataset.name}/{name}"
        file = put(dataset, path, content)
        kept.append(
            {
                "file_name": name,
                "url": f"s3://{bucket}/{path}",
                "version_id": str(file.pk),
                "sha256": base64.b64encode(hashlib.sha256(content).digest()).decode(),
            }
        )
    lines = b"".join(orjson.dumps(line) + b"\n" for line in kept)
    return commit(grant, dataset, put(dataset, f"{folder}/{dataset.name}/{MANIFEST}", lines), message)
