"""Where things lie in DATA_DIR. Shared by the settings and the supervisor, so it loads next to nothing."""

import hashlib
import os
from pathlib import Path

DEFAULT_DATA_DIR = ".data"


def data_dir() -> Path:
    """The folder that the environment names, as the settings read it."""
    return Path(os.environ.get("DATA_DIR") or DEFAULT_DATA_DIR).expanduser().absolute()


def secret_key(data_dir: Path) -> Path:
    """The file with the secret key that `manage.py up` made."""
    return data_dir / "secret-key"


def state(data_dir: Path) -> Path:
    """The file in which a running supervisor says how each of its children is."""
    return data_dir / "state.json"


def sockets(data_dir: Path) -> Path:
    """The folder of the embedded PostgreSQL's socket.

    It is not in DATA_DIR: the path of a socket may have 107 bytes, and some shared folders hold no
    sockets. It depends on nothing but the folder and the user, so that every process finds it.
    """
    name = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    return Path(f"/tmp/generations-{os.getuid()}-{name}")  # noqa: S108 - made 0700 and checked by `embedded`
