"""Says whether everything that a request or a task needs is there."""

from pathlib import Path
from typing import Final

from django.apps import apps
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from generations import operations, outages

READY: Final = "ready"
READ_ONLY: Final = "read-only"
FULL: Final = "full"
_UNREACHABLE: Final = {"database": "unreachable", "migrations": "unknown"}
_ANSWERS: Final = (READY, READ_ONLY, FULL)
"""How a database is that answers questions."""
_NEEDED: Final = ("web", "postgresql", "migrations")
"""The parts without which nothing can be answered here; beside these, the database."""

# Migrations are files: once this process has seen them applied, they stay so.
_migrated = False


@csrf_exempt
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 when every part is ready, else 503; the body names each part. One query.

    Under `manage.py up` the parts include the processes that it watches; a web process alone
    knows only its database.
    """
    parts = _parts()
    return _told(parts, all(state == READY for state in parts.values()))


@csrf_exempt
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 when requests should be sent here, else 503, with the same body.

    Not for a worker that is away, nor for a database that takes no changes: that is the same for all machines, so that
    none would be left to read at, and to tell those who write when to come again.
    """
    parts = _parts()
    is_needed = all(parts.get(name, READY) == READY for name in _NEEDED)
    return _told(parts, is_needed and parts["database"] in _ANSWERS)


def _parts() -> dict[str, str]:
    supervised = _supervised()
    # A database that is known to be away is not waited for.
    database = _database() if supervised.get("postgresql", READY) == READY else dict(_UNREACHABLE)
    return {"web": READY, **database, **supervised}


def _told(parts: dict[str, str], is_well: bool) -> JsonResponse:
    """200 if it is well; `status` is of the parts together, so that who is sent requests still says what is amiss."""
    status = READY if all(state == READY for state in parts.values()) else "not ready"
    answer = JsonResponse({"status": status, "parts": parts}, status=200 if is_well else 503)
    if not is_well:
        answer.headers["Retry-After"] = str(outages.SOON)
    # Whoever asks is told; a line for each question of a start that takes its time tells nobody more.
    answer._has_been_logged = True  # type: ignore[attr-defined]
    return answer


def _database() -> dict[str, str]:
    global _migrated
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW transaction_read_only")
            is_read_only = cursor.fetchone() == ("on",)
        if not _migrated:
            _migrated = _known_migrations() <= MigrationRecorder(connection).applied_migrations().keys()
    except Error:
        return dict(_UNREACHABLE)
    state = READ_ONLY if is_read_only else FULL if outages.is_full() else READY
    return {"database": state, "migrations": READY if _migrated else "missing"}


def _known_migrations() -> set[tuple[str, str]]:
    """Each that is there as a file. To load them, as Django does, is 5 MB and a second at the start."""
    return {
        (app.label, file.stem)
        for app in apps.get_app_configs()
        for file in Path(app.path, "migrations").glob("[!_]*.py")
    }


def _supervised() -> dict[str, str]:
    """The processes beside this one, as the supervisor that started it sees them."""
    return operations.parts(settings.SUPERVISOR)
