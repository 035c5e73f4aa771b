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
_UNREACHABLE: Final = {"database": "unreachable", "migrations": "unknown"}

# Migrations are files: once this process has seen them applied, they stay so.
_migrated = False


@csrf_exempt
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 when every part is ready, else 503; the body names each part. One query.

    Under `manage.py up` the parts include the processes that it watches; a web process alone
    knows only its database.
    """
    supervised = _supervised()
    # A database that is known to be away is not waited for.
    database = _database() if supervised.get("postgresql", READY) == READY else dict(_UNREACHABLE)
    parts = {"web": READY, **database, **supervised}
    ready = all(state == READY for state in parts.values())
    answer = JsonResponse({"status": READY if ready else "not ready", "parts": parts}, status=200 if ready else 503)
    if not ready:
        answer.headers["Retry-After"] = str(outages.SOON)
    # Whoever asks is told; a line for each question of a start that takes its time tells nobody more.
    answer._has_been_logged = True  # type: ignore[attr-defined]
    return answer


def _database() -> dict[str, str]:
    global _migrated
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not _migrated:
            _migrated = _known_migrations() <= MigrationRecorder(connection).applied_migrations().keys()
    except Error:
        return dict(_UNREACHABLE)
    return {"database": READY, "migrations": READY if _migrated else "missing"}


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
