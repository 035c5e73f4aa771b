"""The embedded PostgreSQL: whose it is, what it knows, and that nothing of it stays behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from generations.management import embedded, lifetimes, places

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def server(tmp_path: Path) -> Iterator[embedded.Server]:
    server = embedded.Server(tmp_path / "data", log_mb=96)
    yield server
    server.stop()


def one(server: embedded.Server, query: str) -> object:
    with psycopg.connect(server.url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def test_it_stores_every_script_and_knows_their_upper_and_lower_case(server: embedded.Server) -> None:
    server.start()

    assert one(server, "SHOW server_encoding") == "UTF8"
    assert one(server, "SELECT lower('ÉЖΩ')") == "éжω"
    assert one(server, "SELECT 'Z' < 'a'") is True
    assert one(server, "SHOW jit") == "off"
    assert one(server, "SHOW synchronous_commit") == "on"


def test_it_listens_on_a_socket_that_only_its_user_may_enter(server: embedded.Server) -> None:
    server.start()

    assert one(server, "SHOW listen_addresses") == ""
    assert server.sockets.stat().st_mode & 0o077 == 0
    assert len(os.fsencode(server.sockets / ".s.PGSQL.5432")) < 100


def test_a_deep_folder_has_a_short_socket(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-rather-long-name"] * 12)

    assert len(os.fsencode(places.sockets(deep) / ".s.PGSQL.5432")) < 100
    assert places.sockets(deep) != places.sockets(deep / "another")


def test_a_folder_that_is_too_deep_for_postgresql_is_refused_in_a_sentence(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d" * 200] * 5)

    with pytest.raises(embedded.CannotStart, match=r"path of DATA_DIR is too long.* PostgreSQL takes 950"):
        embedded.Server(deep).start()

    assert not deep.exists()


def test_what_was_committed_is_there_after_a_kill_9(server: embedded.Server) -> None:
    server.start()
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (42)")
    assert server.process is not None
    server.process.kill()
    server.process.wait()

    server.start()

    assert one(server, "SELECT n FROM kept") == 42


def test_a_long_recovery_is_waited_for_as_long_as_it_goes_on(tmp_path: Path) -> None:
    server = embedded.Server(tmp_path / "data", log_mb=32, settings={"log_startup_progress_interval": "5ms"})
    server.start()
    try:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE t AS SELECT n, repeat(md5(n::text), 20) AS text FROM generate_series(1, 1) n"
            )
            connection.execute("INSERT INTO t SELECT n, repeat(md5(n::text), 20) FROM generate_series(1, 300000) n")
        assert server.process is not None
        server.process.kill()
        server.process.wait()

        server.start(within=4)

        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT count(*) FROM t").fetchone() == (300_001,)
        assert "redo in progress" in server.log.read_text()
    finally:
        server.stop()


def test_a_slow_start_is_a_recovery_only_after_it_was_cut_off(
    server: embedded.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_PATIENCE", 0.0)
    told: list[str] = []

    server.start(tell=told.append)
    server.stop()
    server.start(tell=told.append)
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    server.start(tell=told.append)

    assert told == [embedded.SLOW, embedded.SLOW, embedded.RECOVERS]


def test_a_lock_file_with_the_number_of_another_process_does_not_stop_the_start(server: embedded.Server) -> None:
    server.start()
    server.stop()
    (server.data / "postmaster.pid").write_text(f"{os.getppid()}\n{server.data}\n0\n5432\n{server.sockets}\n\n\n")

    server.start()

    assert one(server, "SELECT 1") == 1


def test_it_writes_its_log_to_files_that_are_there_already(server: embedded.Server) -> None:
    server.start()
    log = server.data / "pg_wal"
    before = {path.name for path in log.iterdir()}

    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE texts AS SELECT md5(n::text) AS text FROM generate_series(1, 700000) AS n")

    assert one(server, "SELECT pg_current_wal_lsn() - '0/0' > 7 * 16 * 1024 * 1024 + 4e7") is True
    assert {path.name for path in log.iterdir()} == before
    assert one(server, "SHOW min_wal_size") == "96MB"


def test_a_small_disk_is_not_filled_with_files_for_its_log(
    server: embedded.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_ROOM_FOR_LOG", 10**12)

    server.start()

    assert one(server, "SELECT count(*) < 4 FROM pg_ls_waldir()") is True
    assert one(server, "SHOW min_wal_size") == "80MB"


def test_an_interrupted_first_start_is_begun_again(server: embedded.Server) -> None:
    half = server.data.with_suffix(".unfinished")
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")

    server.start()

    assert one(server, "SELECT 1") == 1
    assert not half.exists()


def test_it_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from generations.management.embedded import Server\n"
        "server = Server(Path(sys.argv[1])); server.start(); print(server.process.pid, flush=True); time.sleep(600)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code, tmp_path / "data"], cwd=ROOT, stdout=subprocess.PIPE)
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())

    starter.send_signal(signal.SIGKILL)
    starter.wait()

    deadline = time.monotonic() + 120
    while (tmp_path / "data" / "postgres" / "postmaster.pid").exists():
        assert time.monotonic() < deadline, f"Process {pid} is still there."
        time.sleep(0.05)


def test_a_folder_for_sockets_that_others_may_enter_is_refused(server: embedded.Server) -> None:
    server.sockets.mkdir(mode=0o700)
    server.sockets.chmod(0o777)

    with pytest.raises(embedded.CannotStart, match="only this user may enter"):
        server.start()

    server.sockets.rmdir()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="Only root has to become somebody else.")


@needs_root
def test_root_without_user_namespaces_runs_it_as_nobody_who_goes_by_closed_folders(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # As in root's own home in a container; pytest's own folders are closed to others, too.
    tmp_path.chmod(0o700)
    monkeypatch.setattr(lifetimes, "can_become_unprivileged", lambda: False)
    server = embedded.Server(tmp_path / "data", log_mb=32)
    try:
        server.start()
        first = one(server, "SELECT 1")
        assert server.process is not None
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        server.stop()
        server.start()
        second = one(server, "SELECT 2")
        owner = server.data.owner()
        mode = server.data.parent.stat().st_mode
    finally:
        server.stop()

    assert (first, second, owner) == (1, 2, "nobody")
    assert mode & 0o077 == 0, "the folder was opened to others"
    assert "CapEff:\t0000000000000002" in status, "more rights than that to go by folders"


WITHOUT_THE_RIGHT = """
import sys
from pathlib import Path
from generations.management import embedded, lifetimes
lifetimes.can_become_unprivileged = lambda: False
try:
    embedded.Server(Path(sys.argv[1]), log_mb=32).start()
except embedded.CannotStart as error:
    print(error)
"""


@needs_root
def test_where_nobody_may_not_enter_either_it_is_said_what_to_do(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    rights = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]

    said = subprocess.run(
        [*rights, sys.executable, "-c", WITHOUT_THE_RIGHT, tmp_path / "data"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert "run as nobody, who must be able to enter" in said, said
    assert str(tmp_path / "data") in said
