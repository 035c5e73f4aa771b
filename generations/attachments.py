"""Files beside what was recorded: where their bytes are kept, and the signed addresses under which they are had."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import logging
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, Final
from urllib.parse import quote, urlencode

from django.core import signing
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from generations import at_once, identities
from generations.at_once import Statement
from generations.ingest.media import Media, Reference, media_id
from generations.models import Attachment, Project
from generations.outages import StorageAway, StorageRefuses

UPLOAD_SECONDS: Final = 3_600
READ_SECONDS: Final = 24 * 3_600
MAX_NAME: Final = 200
FILES: Final = "/files/"
_UPLOAD: Final = "generations.upload"
_READ: Final = "generations.file"
_MEDIA: Final = "generations.media"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_LOCK: Final = 0x46494C45
_PATIENCE: Final = "30s"
_AT_ONCE: Final = 50
"""Locks that one message takes: PostgreSQL has room for some 64 a connection."""
STAYS: Final = dt.timedelta(days=2)
"""For so long a file stays that no row names, from when it was kept or last found here."""
_MADE_NEW: Final = STAYS / 4
"""The age from which on a file that is found here is made new, so that it stays from then on."""
INLINE: Final = frozenset(
    {
        *("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "application/pdf", "text/plain"),
        *("audio/mpeg", "audio/mp4", "audio/ogg", "audio/wav", "audio/webm", "audio/flac"),
        *("video/mp4", "video/webm", "video/ogg"),
    }
)
"""Types that a browser may show on our origin: none of them can carry a script."""

log = logging.getLogger(__name__)


class BadSignature(ValueError):
    """An address that was not signed by us, was changed, or has expired."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A file that was uploaded by itself, and when."""

    file: Reference
    at: dt.datetime


def new_key(project: Project) -> str:
    """The storage key of a file to come: of its project, and not to be guessed."""
    return f"attachments/{project.pk}/{identities.new_id()}"


def upload_token(project: Project, key: str, mime: str | None) -> str:
    """What allows one file to be put under `key`, for an hour."""
    return signing.dumps({"project": project.pk, "key": key, "mime": mime}, salt=_UPLOAD, compress=True)


def upload_of(token: str) -> dict[str, Any]:
    """The project, key and mime type that a token allows. Raises BadSignature."""
    return _loaded(token, _UPLOAD)


def media_token(said: dict[str, Any]) -> str:
    """What allows one file to be uploaded by itself, for an hour, and says what it has to be and where it belongs."""
    return signing.dumps(said, salt=_MEDIA, compress=True)


def media_of(token: str) -> dict[str, Any]:
    """What a token of `media_token` says. Raises BadSignature."""
    return _loaded(token, _MEDIA)


def _loaded(token: str, salt: str) -> dict[str, Any]:
    try:
        read: dict[str, Any] = signing.loads(token, salt=salt, max_age=UPLOAD_SECONDS)
    except signing.BadSignature as error:
        raise BadSignature("This upload address has expired or was not made here.") from error
    return read


def save(key: str, content: IO[bytes]) -> int:
    """Keep a file under its key and return its size. A second upload to the same key takes the first one's place."""
    if default_storage.exists(key):
        default_storage.delete(key)
    kept = default_storage.save(key, File(content))
    return int(default_storage.size(kept))


def folder(project: Project) -> str:
    """Where files of a project are kept under the digest of their bytes, so that the same file is kept once."""
    return f"attachments/{project.pk}/sha256/"


def keep(project: Project, found: Iterable[Media]) -> list[Media]:
    """Keep files that were inside of messages, under their digests. Those that are here already are not written again:
    they are returned, for `stay`."""
    every = sorted(found, key=lambda one: one.sha256)  # each may be waited for: by all in the same order
    return [one for one in every if _is_here(folder(project) + one.sha256, one.content)]


def stay(project: Project, found: Iterable[Media]) -> bool:
    """Keep anew those of these files that are gone, once the rows that name them are stored; whether none was.

    Whoever removes the last row that named one may not have seen the new one yet: from when this is asked on they do.
    """
    by_key = {folder(project) + one.sha256: one for one in found}
    if connection.in_atomic_block:
        transaction.on_commit(lambda: bool(stay(project, by_key.values())))
        return True
    gone = have_gone(by_key)
    for key in gone:
        _write(key, by_key[key].content)
    return not gone


def have_gone(keys: Iterable[str]) -> list[str]:
    """Those of these files that are not here, once nobody removes any of them by rows of before."""
    gone, every = list[str](), iter(sorted(keys))
    while some := list(itertools.islice(every, _AT_ONCE)):
        at_once.send(_locked(some))
        gone += [key for key in some if _age(key) is None]
    return gone


def _is_here(key: str, content: bytes) -> bool:
    """Whether a file is here already; it is kept now if not."""
    # What is new is written by everybody who has it, side by side: nobody waits, and who removes files leaves it.
    if not (is_found := _found(key, content)):
        _write(key, content)
    return is_found


def _write(key: str, content: bytes) -> None:
    kept = default_storage.save(key, ContentFile(content))
    if kept != key:
        # Somebody else has kept the same meanwhile.
        default_storage.delete(kept)


def seen(key: str) -> bool:
    """Whether there is a file under a key. One that is stays from then on for a day and a half at least without any row
    that names it; with the last row that did, it goes at once.

    Who is told that a file is here will not send it again, and the row that names it comes later than that. So one that
    `forget` might take soon is made new before anybody is told of it. One that cannot be made new is never taken.
    """
    return _found(key, None)


def _found(key: str, content: bytes | None) -> bool:
    """As `seen`; a storage that does not make a file new is given its content once more, where that is known."""
    if (young := _is_young(key)) is not None:
        return young
    with alone(key):
        # Whoever was waited for may have made it new, or forgotten it.
        if (young := _is_young(key)) is not None:
            return young
        try:
            _renew(key)
        except FileNotFoundError:
            return False
        except (PermissionError, StorageAway) as error:
            if content is None and isinstance(error, StorageAway) and not isinstance(error, StorageRefuses):
                raise  # it is away for a moment: `forget` may be let in again before the row comes
            log.info("The file %s is here and cannot be made new: %s", key, error)
            if content is not None:
                # It is here, whatever becomes of this.
                with suppress(OSError):
                    _write(key, content)
    return True


def _is_young(key: str) -> bool | None:
    """True of a file that need not be made new, False where there is none; None of one that `forget` might take."""
    age = _age(key)
    return None if age is not None and age >= _MADE_NEW else age is not None


def _renew(key: str) -> None:
    storage: Any = default_storage
    storage.renew(key)


def forget(project: Project, key: str) -> bool:
    """Delete a file of the project that no row names and that nobody has found here for long; False if it stays.

    One that cannot be made new stays: somebody may have been told that it is here.
    """
    with alone(key):
        age = _age(key)
        named = Attachment.objects.in_project(project.pk).filter(storage_key=key)
        if age is None or age < STAYS or named.exists():
            return False
        try:
            _renew(key)
        except (FileNotFoundError, PermissionError, StorageRefuses):
            return False
        _delete(project.pk, key)
    return True


@contextmanager
def alone(key: str) -> Iterator[None]:
    """Let nobody else make this file new or forget it meanwhile; of other files, and of one to come, nobody waits."""
    with transaction.atomic():
        at_once.send(_locked([key]))
        yield


@contextmanager
def _briefly_alone(key: str) -> Iterator[None]:
    """The same, and not until the transaction ends, which takes other locks. What is written meanwhile is undone."""
    with transaction.atomic(), transaction.atomic():
        at_once.send(_locked([key]))
        yield
        transaction.set_rollback(True)


def _locked(keys: Sequence[str]) -> list[Statement]:
    # Who holds it may wait for a storage far away: longer than a request may wait for a row.
    lock = "SELECT pg_advisory_xact_lock(%s, hashtext(key)) FROM unnest(%s::text[]) AS named (key)"
    return [
        ("SELECT set_config('generations.patience', current_setting('lock_timeout'), true)", ()),
        ("SELECT set_config('lock_timeout', %s, true)", [_PATIENCE]),
        (lock, [_LOCK, list(keys)]),
        ("SELECT set_config('lock_timeout', current_setting('generations.patience'), true)", ()),
    ]


def _age(key: str) -> dt.timedelta | None:
    """How long ago a file was kept or made new; None where there is none."""
    try:
        return timezone.now() - default_storage.get_modified_time(key)
    except FileNotFoundError:
        return None


def place(project: Project, one: Media) -> list[Media]:
    """As `keep`, of a file that was uploaded by itself, and then what tells `placed` of it."""
    here = keep(project, [one])
    said = {"sha256": one.sha256, "mime": one.mime, "size": len(one.content), "at": timezone.now().isoformat()}
    _is_here(_alias(project.pk, media_id(one.sha256)), json.dumps(said).encode())
    return here


def placed(project: Project, id: str) -> Placed | None:
    """The file of the project that Langfuse's clients call `id`, if it is here; then it stays, as `seen` has it.

    Where a storage refuses to read what tells of it, as of what was moved to an archive, the file counts as not here:
    it is uploaded anew, which writes both anew.
    """
    try:
        with open_file(_alias(project.pk, id)) as file:
            try:
                said = json.loads(file.read())
            except StorageRefuses:  # which lets it be opened: not who has the wrong key to all
                return None
    except FileNotFoundError:
        return None
    if not seen(folder(project) + said["sha256"]):
        return None
    return Placed(Reference(said["sha256"], said["mime"], said["size"]), dt.datetime.fromisoformat(said["at"]))


def _alias(project: int, id: str) -> str:
    return f"attachments/{project}/media/{id}"


def is_of_a_message(row: Attachment) -> bool:
    """Whether the file was inside a message, which refers to it where it stood."""
    return "/sha256/" in (row.storage_key or "")


def open_file(key: str) -> File[bytes]:
    """The bytes under a key. Raises FileNotFoundError."""
    return default_storage.open(key)


def etag(key: str) -> str | None:
    """The tag of a file that is kept under the digest of its bytes; None for one that another may take the place of."""
    _, own, digest = key.rpartition("/sha256/")
    return f'"{digest}"' if own and digest.isalnum() else None


def content(row: Attachment) -> bytes | None:
    """The bytes of an attachment, where they are ours and still there."""
    if not row.storage_key or not _is_own(row):
        return None
    try:
        with open_file(row.storage_key) as file:
            return bytes(file.read())
    except FileNotFoundError:
        return None


def path(key: str, mime: str | None, name: str | None = None) -> str:
    """The address of a stored file, below our own host, for a day: whoever has it can read the file.

    `name` is what a browser calls the file when it keeps it.

    What changes from one signing to the next stands behind `X-Amz-Date`: that is where clients cut an address to see
    whether two name the same file.
    """
    now = int(time.time())
    called = (name or "")[:MAX_NAME]
    parameters = {"type": mime or "", "X-Amz-Date": now, "name": called}
    parameters["signature"] = _signature(key, mime or "", called, str(now))
    if not called:
        del parameters["name"]
    return f"{FILES}{quote(key)}?" + urlencode(parameters)


def check(key: str, mime: str, name: str, moment: str, signature: str) -> None:
    """Raise BadSignature unless `path` made this address within the last day."""
    expected = _signature(key, mime, name, moment)
    if not constant_time_compare(expected, signature):
        raise BadSignature("This address was not made here, or was changed.")
    if not moment.isdigit() or int(moment) + READ_SECONDS < time.time():
        raise BadSignature("This address has expired. Open the page that it is from again.")


def url(row: Attachment, base: str) -> str | None:
    """An address under which an attachment can be had now: ours, or the one that was recorded with it.

    Whoever records an attachment names its key, so only keys below the project's own folder are signed for it.
    """
    if row.storage_key and _is_own(row):
        return base.rstrip("/") + path(row.storage_key, row.mime, row.name)
    return row.url


def _signature(*parts: str) -> str:
    return signing.Signer(salt=_READ).signature(json.dumps(parts))


def delete(row: Attachment, others: QuerySet[Attachment]) -> None:
    """Delete the bytes of an attachment, where they are ours and none of the `others` refers to them.

    Whoever stores a row that refers to them while this is done finds that they are gone: see `stay`.
    """
    key = row.storage_key
    if key and _is_own(row) and not others.filter(storage_key=key).exists():
        with _briefly_alone(key):
            if not others.filter(storage_key=key).exists():
                _delete(row.project_id, key)


def _delete(project: int, key: str) -> None:
    """Delete a file, and before it what tells `placed` of it: of a file that is left over that can be told again."""
    # A key may have been named by whoever recorded it.
    start, _, digest = key.rpartition("/")
    if start == f"attachments/{project}/sha256" and _DIGEST.fullmatch(digest):
        default_storage.delete(_alias(project, media_id(digest)))
    default_storage.delete(key)


def listed(project: Project, *, after: str = "", until: str | None = None) -> Iterator[tuple[str, dt.datetime]]:
    """The files of a project, and when each was kept or made new, as they are found: those with keys after one, up to
    another."""
    storage: Any = default_storage
    found: Iterator[tuple[str, dt.datetime]] = storage.listed(_root(project.pk), after, until)
    return found


def may_be_named(project: Project, key: str) -> bool:
    """Whether a row may name a file of the project: not one that only tells `placed` of another."""
    return not key.startswith(f"{_root(project.pk)}media/")


def _root(project: int) -> str:
    return f"attachments/{project}/"


def _is_own(row: Attachment) -> bool:
    key = row.storage_key or ""
    return key.startswith(f"attachments/{row.project_id}/") and ".." not in key.split("/")
