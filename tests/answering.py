"""A WSGI application that says which process answers, for tests of those that serve it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer with the id of this process, after as many milliseconds as the query says."""
    time.sleep(int(environ.get("QUERY_STRING") or 0) / 1000)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


def begin() -> None:
    """Leave a file with the id of this process and that of the one above it."""
    (Path(os.environ["BEGUN_FOLDER"]) / str(os.getpid())).write_text(str(os.getppid()))
