"""A file of the storage is there whole or not at all, whatever cuts off its writing."""

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from generations import attachments, exporting
from generations.access import Grant
from generations.ingest.media import Media
from generations.whole_files import WholeFiles
from tests.exports import export, folder, grant, left_behind

__all__ = ["folder", "grant"]


class Cut(ContentFile):  # type: ignore[type-arg]  # of bytes; Django has no such class when it runs
    """A file that finds no more room when half of it is written."""

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        yield b"half"
        raise OSError(errno.ENOSPC, "No space left on device")


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file_for_which_there_is_no_room_is_not_there(folder: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        default_storage.save("attachments/1/sha256/abc", Cut(b""))

    assert not default_storage.exists("attachments/1/sha256/abc")
    assert files(folder) == []

    assert default_storage.save("attachments/1/sha256/abc", ContentFile(b"whole")) == "attachments/1/sha256/abc"
    assert files(folder) == ["media/attachments/1/sha256/abc"]
    assert (folder / "media/attachments/1/sha256/abc").stat().st_mode & 0o777 == 0o600


def test_a_file_that_two_keep_at_once_is_kept_once(grant: Grant, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Media(content=b"the same", mime="image/png", sha256=hashlib.sha256(b"the same").hexdigest())
    attachments.keep(grant.project, [one])
    exists, looked = WholeFiles.exists, []

    def when_the_other_looked(storage: WholeFiles, name: str) -> bool:
        looked.append(name)
        return len(looked) > 1 and exists(storage, name)

    monkeypatch.setattr(WholeFiles, "exists", when_the_other_looked)

    attachments.keep(grant.project, [one])

    assert files(folder) == [f"media/attachments/{grant.project.pk}/sha256/{one.sha256}"]


def test_what_a_killed_process_left_in_the_storage_is_forgotten_after_a_day(folder: Path) -> None:
    default_storage.save("attachments/1/x", ContentFile(b"x"))
    unfinished = folder / "media" / "unfinished"
    for name in ("old.part", "new.part"):
        (unfinished / name).write_text("half")
    two_days_ago = timezone.now().timestamp() - 2 * 86_400
    os.utime(unfinished / "old.part", (two_days_ago, two_days_ago))

    assert exporting.forget_unfinished() == 1

    assert files(folder) == ["media/attachments/1/x", "media/unfinished/new.part"]


def test_an_export_whose_manifest_has_no_room_leaves_no_file(grant: Grant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ContentFile, "chunks", Cut.chunks)

    job = export(grant)

    assert (job.state, job.error) == ("failed", "The file could not be written: No space left on device.")
    assert left_behind() == []
