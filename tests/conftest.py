"""A real PostgreSQL under all tests: one embedded server for each run, one database for each worker.

`DATABASE_URL` and `CELERY_BROKER_URL` put outside services in its place (`make test-services`).
Several runs may go on at once in one checkout: each has folders of its own.
"""

import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

from generations.management import embedded

# How long examples take says how busy the machine is, not whether a property holds.
_HURRY = hypothesis.HealthCheck.too_slow
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[_HURRY])
hypothesis.settings.load_profile("patient")

_FOLDER = pytest.StashKey[Path]()
_SERVER = pytest.StashKey[embedded.Server]()

pytest_plugins = ["tests.stack"]


def pytest_configure(config: pytest.Config) -> None:
    """Start the server and name it before Django's settings are read, which pytest-django does after this."""
    folder = Path(tempfile.mkdtemp(prefix=f"generations-tests-{os.environ.get('PYTEST_XDIST_WORKER', '')}-"))
    for name in ("PORT", "HOST", "PUBLIC_URL", "ALLOWED_HOSTS", "BOOTSTRAP_API_KEY", "BOOTSTRAP_PASSWORD"):
        os.environ.pop(name, None)
    config.stash[_FOLDER] = folder
    os.environ.update(
        DJANGO_SETTINGS_MODULE="observability.settings",
        DATA_DIR=str(folder / "data"),
        SECRET_KEY="only-for-tests-0123456789abcdefghijklmnopqrstuvwxyz",
        DEBUG="false",
        LOG_LEVEL="WARNING",
        DATABASE_LOG_MB="32",
    )
    # What the run was given, before the server below takes its place: tests/stack.py gives it to `manage.py up`.
    os.environ.setdefault("OUTSIDE_DATABASE_URL", os.environ.get("DATABASE_URL", ""))
    # The workers of xdist inherit the environment of the run, and with it the one server.
    if not os.environ.get("DATABASE_URL") and not config.getoption("collectonly", False):
        server = embedded.Server(folder / "server", durable=False, settings={"max_connections": "200"})
        server.start()
        config.stash[_SERVER] = server
        os.environ["DATABASE_URL"] = server.url

    from django.conf import settings

    from generations import prepared

    # What a write costs is counted, not how long ago what it asks was planned.
    prepared.FIRST = prepared.LAST = 3600.0
    # Tests are not about how slow a password is made.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # A thread that writes later would not see the transaction of a test.
    settings.INTAKE_SECONDS = 0


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Let each worker of xdist read its settings when it has a folder of its own, as this process did.

    It would read them before, and with the folder of the run: its database has projects of the same numbers as
    another's, and the files of one would be there for the other.
    """
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)


@pytest.fixture(autouse=True)
def lasting_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who renews a lease beside work that takes long would not see a job of a test's transaction, and take it away."""
    monkeypatch.setattr("generations.jobs.KEEP_EVERY", 3600.0)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes that nobody can read by their argument: a gzip header holds the second in which it was made, and
    two workers of xdist that read the tests in two seconds would have tests of two names."""
    return argname if isinstance(val, bytes) and b"\x00" in val else None


def pytest_unconfigure(config: pytest.Config) -> None:
    if server := config.stash.get(_SERVER, None):
        server.stop()
    if folder := config.stash.get(_FOLDER, None):
        shutil.rmtree(folder, ignore_errors=True)


if os.environ.get("WATCH_STATEMENTS"):

    @pytest.fixture(autouse=True)
    def _watched(request: pytest.FixtureRequest) -> Generator[None]:
        """Fail what makes the product send a statement that no cluster could route. Takes twice the time."""
        if not {"db", "transactional_db"} & set(request.fixturenames):
            yield
            return
        from tests import routing

        with routing.watching() as watched:
            yield
        assert watched.wrong == []
