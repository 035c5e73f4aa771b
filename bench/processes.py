"""What a benchmark asks of processes that it starts: a port, a sign of life, their memory, who belongs to whom."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
import urllib.request
from pathlib import Path


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.create_server(("127.0.0.1", 0)) as asked:
        port: int = asked.getsockname()[1]
        return port


def wait(port: int, path: str, process: subprocess.Popen[bytes], within: float = 120) -> None:
    """Wait until a server of this process answers."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{process.args!r} ended"
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5):
            return
        time.sleep(0.2)
    raise AssertionError(f"{process.args!r} did not get ready")


def pss(pid: int) -> int:
    """Bytes of memory of a process, shared ones by their share."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def family(pid: int) -> list[int]:
    """A process and all that it has started."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            children.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def parts(pid: int) -> dict[str, list[int]]:
    """The processes of `manage.py up` by what they do."""
    known = ("fork server", "web", "worker", "beat")
    found: dict[str, list[int]] = {"supervisor": [pid], **{part: [] for part in known}, "database": []}
    for one in family(pid)[1:]:
        with contextlib.suppress(OSError):
            said = Path(f"/proc/{one}/cmdline").read_bytes().decode(errors="replace").split("\0")[0]
            if (part := next((part for part in known if f": {part}" in said), None)) or "postgres" in said:
                found[part or "database"].append(one)
    return found
