"""A database for a benchmark: an embedded PostgreSQL in a folder that is thrown away, or the one of DATABASE_URL."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


@contextmanager
def database() -> Iterator[None]:
    """Django, set up on a database with all tables and nothing in them. Durable, as in production."""
    from generations.management import embedded

    folder = Path(tempfile.mkdtemp(prefix="generations-bench-"))
    os.environ.setdefault("SECRET_KEY", "only-for-benchmarks")
    os.environ.update(DJANGO_SETTINGS_MODULE="observability.settings", DATA_DIR=str(folder), LOG_LEVEL="ERROR")
    server = None
    try:
        if not os.environ.get("DATABASE_URL"):
            server = embedded.Server(folder)
            server.start()
            os.environ["DATABASE_URL"] = server.url

        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        yield
    finally:
        if server is not None:
            from django.db import connections

            for connection in connections.all():
                connection.close()
                pool = getattr(connection, "pool", None)
                if pool is not None:
                    pool.close()
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def machine() -> str:
    """One line on where this runs."""
    import psycopg
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        version = cursor.fetchone()[0].split()[0]
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    gigabytes = int(memory.split()[1]) / 1024**2
    return (
        f"{os.cpu_count()} x {processor}, {gigabytes:.0f} GB, PostgreSQL {version}, "
        f"Python {platform.python_version()}, psycopg {psycopg.__version__}"
    )
