"""Where schedules put files: in a folder below EXPORT_FOLDER, or a bucket of EXPORT_BUCKETS; each project apart."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from django.conf import settings

from generations.jobs import Failed
from generations.records import InvalidRecord

MOST: Final = 300
_PART: Final = re.compile(r"[\w][\w. =+-]{0,99}")
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Destination:
    """A folder (no `bucket`) or a prefix in a bucket. `path` has no project in it yet."""

    path: PurePosixPath
    bucket: str = ""


def read(text: object) -> Destination:
    """The destination that is written so: `nightly/calls`, or `s3://bucket/prefix`. Raises InvalidRecord."""
    if not isinstance(text, str) or not text.strip() or len(text) > MOST:
        raise InvalidRecord(
            "destination", text, f"a folder such as nightly/calls, or s3://bucket/prefix; {MOST} at most"
        )
    text = text.strip()
    if not text.startswith("s3://"):
        if "://" in text:
            raise InvalidRecord("destination", text, "a folder, or an address that begins with s3://")
        return Destination(_path(text))
    bucket, _, prefix = text.removeprefix("s3://").partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise InvalidRecord("destination", text, "the name of a bucket behind s3://")
    if bucket not in settings.EXPORT_BUCKETS:
        there = ", ".join(settings.EXPORT_BUCKETS) or "none; EXPORT_BUCKETS names them"
        raise InvalidRecord("destination", text, f"a bucket that the server may write to ({there})")
    return Destination(_path(prefix) if prefix.strip("/") else PurePosixPath(), bucket)


def _path(text: str) -> PurePosixPath:
    parts = text.strip().strip("/").split("/") if not text.startswith("/") else [""]
    if not all(_PART.fullmatch(part) and not part.endswith((".", " ")) for part in parts):
        raise InvalidRecord(
            "destination", text, "names of letters, digits and . _ - joined by /, none of which begins with a dot"
        )
    return PurePosixPath(*parts)


def deliver(
    destination: Destination, project: str, name: str, file: Path, manifest: bytes, media_type: str, gone: Path | None
) -> str:
    """Put a file, what is `gone` and the manifest where they belong, whole or not at all, and return where; done again,
    it replaces.

    Raises Failed with a sentence for whoever made the schedule.
    """
    path = destination.path / project / name
    try:
        if destination.bucket:
            return _upload(destination.bucket, path, file, manifest, media_type, gone)
        return _place(path, file, manifest, gone)
    except OSError as error:
        raise Failed(f"Nothing could be written to {path.parent}: {error.strerror or error}.") from error


def withdraw(destination: Destination, project: str, name: str) -> None:
    """Take back what was delivered under this name, if it is there; for an export that was cancelled at its end."""
    path = destination.path / project / name
    if destination.bucket:
        for key in (path, f"{path}{GONE}", f"{path}{MANIFEST}"):
            _client().delete_object(Bucket=destination.bucket, Key=str(key))
        return
    for file in (_root() / path, _root() / f"{path}{GONE}", _root() / f"{path}{MANIFEST}"):
        file.unlink(missing_ok=True)


MANIFEST: Final = ".manifest.json"
GONE: Final = ".gone.jsonl"
"""Behind the name of a file: the ids of what was deleted since the file before."""


# -------------------------------------------------------------------------------------------------------------- folder
def _root() -> Path:
    return Path(settings.EXPORT_FOLDER)


def _place(path: PurePosixPath, file: Path, manifest: bytes, gone: Path | None) -> str:
    root = _root().resolve()
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    # A link that someone put into the folder leads elsewhere.
    if not target.parent.resolve().is_relative_to(root):
        raise Failed(f"The folder {path.parent} leads out of where exports may go.")
    with file.open("rb") as source:
        _replace(target, source)
    if gone is not None:
        with gone.open("rb") as source:
            _replace(target.with_name(f"{target.name}{GONE}"), source)
    beside = file.with_name(f"{file.stem}.manifest{file.suffix}")
    try:
        beside.write_bytes(manifest)
        with beside.open("rb") as source:
            _replace(target.with_name(f"{target.name}{MANIFEST}"), source)
    finally:
        beside.unlink(missing_ok=True)
    return str(path)


def _replace(target: Path, source: Any) -> None:
    """Write under another name, and give it its own once it is whole."""
    half = target.with_name(f".{target.name}.part")
    try:
        with half.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
        half.replace(target)
    except OSError:
        with suppress(OSError):
            half.unlink()
        raise


# -------------------------------------------------------------------------------------------------------------- bucket
def _client() -> Any:
    # Some 30 MB that only those need who have buckets.
    import boto3
    from botocore.config import Config

    patience = Config(connect_timeout=10, read_timeout=60, retries={"max_attempts": 3, "mode": "standard"})
    return boto3.client("s3", endpoint_url=settings.STORAGE_ENDPOINT_URL or None, config=patience)


def _upload(bucket: str, path: PurePosixPath, file: Path, manifest: bytes, media_type: str, gone: Path | None) -> str:
    from boto3.exceptions import Boto3Error
    from boto3.s3.transfer import TransferConfig
    from botocore.exceptions import BotoCoreError, ClientError

    small = TransferConfig(multipart_threshold=16 << 20, multipart_chunksize=16 << 20, max_concurrency=2)
    try:
        client = _client()
        # A bucket shows an object when all of it has come; the manifest comes last.
        client.upload_file(str(file), bucket, str(path), ExtraArgs={"ContentType": media_type}, Config=small)
        if gone is not None:
            kind = {"ContentType": "application/x-ndjson"}
            client.upload_file(str(gone), bucket, f"{path}{GONE}", ExtraArgs=kind, Config=small)
        client.put_object(Bucket=bucket, Key=f"{path}{MANIFEST}", Body=manifest, ContentType="application/json")
    except (BotoCoreError, Boto3Error, ClientError) as error:
        raise Failed(f"The bucket {bucket} did not take the file: {str(error)[:300]}") from error
    return f"s3://{bucket}/{path}"
