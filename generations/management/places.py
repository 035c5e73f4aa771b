"""Where things lie in DATA_DIR. Shared by the settings and the supervisor, so it loads next to nothing."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
"""The folder of manage.py."""
DEFAULT_DATA_DIR = ".data"
SOCKETS = Path("/tmp")  # noqa: S108 - each copy has a folder of its own there, made 0700 and checked by `embedded`
MEMORY = Path("/dev/shm")  # noqa: S108 - each copy has a folder of its own there, 0700, and takes no other's
SUPERVISOR = "GENERATIONS_SUPERVISOR"
"""Where those that a supervisor runs find its process number in their environment."""


def data_dir() -> Path:
    """The folder that the environment names, as the settings read it."""
    return found(Path(os.environ.get("DATA_DIR") or DEFAULT_DATA_DIR))


def found(path: Path) -> Path:
    """Where a path of a setting leads: from beside manage.py, wherever a command is typed or a timer runs it."""
    return ROOT / path.expanduser()


def secret_key(data_dir: Path) -> Path:
    """The file with the secret key that `manage.py up` made."""
    return data_dir / "secret-key"


def keep_secret_key(data_dir: Path, key: str) -> None:
    """Write the secret key of a folder that has none, for this user's eyes only. Raises FileExistsError."""
    with open(os.open(secret_key(data_dir), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 - for its mode
        file.write(key)


def state(data_dir: Path) -> Path:
    """The file in which a running supervisor says how each of its children is."""
    return data_dir / "state.json"


def sockets(data_dir: Path) -> Path:
    """The folder of the embedded PostgreSQL's socket.

    It is not in DATA_DIR: the path of a socket may have 107 bytes, and some shared folders hold no
    sockets. It depends on nothing but the folder and the user, so that every process finds it.
    """
    return SOCKETS / _name(data_dir)


def _name(data_dir: Path) -> str:
    """What is this folder's and lies elsewhere is called so."""
    return f"generations-{os.getuid()}-{hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]}"


def supervisor() -> int:
    """The process number of the supervisor that runs this process, 0 where none does."""
    return int(os.environ.get(SUPERVISOR, 0))


def lock(data_dir: Path) -> Path:
    """The file that a running supervisor holds a lock on, with its process number in it."""
    return data_dir / "lock"


def passing(data_dir: Path) -> Path:
    """The folder of what is worth nothing after the next start: in memory where that can be, lest the disk is full.

    Web processes count in files that they have mapped: who writes to a page of one for which the disk has no room is
    killed by the kernel (SIGBUS).
    """
    return MEMORY / _name(data_dir) if os.access(MEMORY, os.W_OK) else data_dir / "passing"


def counters(data_dir: Path) -> Path:
    """The folder in which web processes count for Prometheus, from one start to the next."""
    return passing(data_dir) / "counters"


def mark_ready(data_dir: Path, name: str) -> None:
    """Say that this process has got as far as doing its work, to the supervisor if there is one."""
    with suppress(FileNotFoundError):
        _ready_mark(data_dir, name).write_text(str(os.getpid()))


def is_marked_ready(data_dir: Path, name: str, pid: int) -> bool:
    """Whether the process with this number has said so; a mark of its predecessor does not count."""
    try:
        return _ready_mark(data_dir, name).read_text() == str(pid)
    except FileNotFoundError:
        return False


def _ready_mark(data_dir: Path, name: str) -> Path:
    return ready(data_dir) / name


def ready(data_dir: Path) -> Path:
    """The folder in which processes say that they are ready."""
    return passing(data_dir) / "ready"
