"""What killed copies left in memory and beside their sockets is removed by the next start, and nothing that is used."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from generations.management import embedded, places, sweeping


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    # Not below tmp_path, which is too long for a socket.
    with tempfile.TemporaryDirectory() as short:
        for name in ("MEMORY", "SOCKETS"):
            (Path(short) / name).mkdir()
            monkeypatch.setattr(places, name, Path(short) / name)
        yield places.MEMORY


def left(parent: Path, digit: str, *, uid: int | None = None) -> Path:
    """A folder as a copy makes it."""
    folder = parent / f"generations-{os.getuid() if uid is None else uid}-{digit * 16}"
    folder.mkdir(mode=0o700)
    return folder


def test_what_nobody_holds_is_removed_and_what_somebody_holds_stays(memory: Path) -> None:
    killed = left(memory, "a")
    (killed / "held").touch()
    (killed / "counters").mkdir()
    others, earlier = left(memory, "b", uid=os.getuid() + 1), left(memory, "c")
    (others / "held").touch()
    (memory / "mine").mkdir()
    running = memory / f"generations-{os.getuid()}-{'d' * 16}"

    with sweeping.holding(running):
        sweeping.sweep()
        assert {path.name for path in memory.iterdir()} == {others.name, earlier.name, "mine", running.name}

    assert not running.exists()


def test_a_copy_that_begins_again_makes_its_folder_anew(memory: Path) -> None:
    folder = left(memory, "a")
    (folder / "counters").mkdir()

    with sweeping.holding(folder):
        assert [path.name for path in folder.iterdir()] == ["held"]
        assert folder.stat().st_mode & 0o077 == 0


def test_sockets_whose_server_is_gone_are_removed(memory: Path, tmp_path: Path) -> None:
    gone, empty, old = (left(places.SOCKETS, digit) for digit in "abc")
    (gone / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n{tmp_path}\n0\n5432\n")
    os.utime(old, (time.time() - 2 * sweeping.OLD,) * 2)
    server = embedded.Server(tmp_path / "data", durable=False)
    server.start()
    try:
        sweeping.sweep()

        assert {path.name for path in places.SOCKETS.iterdir()} == {empty.name, server.sockets.name}
    finally:
        server.stop()
