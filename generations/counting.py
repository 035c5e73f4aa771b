"""The counters that Prometheus reads, and what web processes tell of themselves, right for all of them on a machine.

With PROMETHEUS_MULTIPROC_DIR, which `manage.py up` sets, each process counts in files of its own there: what is
read is the sum of all of them: of counters those that ended too, of what is now those that live. Without it a process
knows of itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client.multiprocess import MultiProcessCollector

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"

# When a counter was made is a second series for each, and nothing asks for it.
disable_created_metrics()  # type: ignore[no-untyped-call]  # its stubs say nothing of it
registry: Final = CollectorRegistry()
_records = Counter(
    "generations_records",
    "Calls, steps, spans and the like that came in and were stored or refused, by door.",
    ("door", "outcome"),
    registry=registry,
)


def _of_all(name: str, about: str) -> Gauge:
    return Gauge(name, f"{about} Of all web processes.", multiprocess_mode="livesum", registry=registry)


_pools: Final = MappingProxyType(
    {
        "pool_size": _of_all("generations_pool_connections", "Connections in the pools."),
        "pool_available": _of_all("generations_pool_connections_free", "Those that nobody uses now."),
        "requests_waiting": _of_all("generations_pool_waiting", "Requests that wait for a connection."),
    }
)


def records(door: str, items: int, refused: int) -> None:
    """Count what one request brought."""
    for outcome, number in (("stored", max(0, items - refused)), ("refused", refused)):
        # A series is there from the first request on; nothing is added to it for nothing.
        series = _records.labels(door, outcome)
        if number:
            series.inc(number)


def pool(said: Mapping[str, int]) -> None:
    """Tell of this process's pool of connections what it says now."""
    for name, gauge in _pools.items():
        gauge.set(said.get(name, 0))


def pools() -> dict[str, int]:
    """What the pools of all web processes said last, summed, by the names that a pool has for it."""
    told = {family.name: sum(sample.value for sample in family.samples) for family in counted().collect()}
    return {name: int(told.get(next(iter(gauge.describe())).name, 0)) for name, gauge in _pools.items()}


def counted() -> CollectorRegistry:
    """All counters as they are now."""
    if FOLDER not in os.environ:
        return registry
    for file in Path(os.environ[FOLDER]).glob("gauge_live*_*.db"):
        if not _lives(int(file.stem.rpartition("_")[2])):
            # Another process that is asked at the same time may have done so.
            file.unlink(missing_ok=True)
    found = CollectorRegistry()
    MultiProcessCollector(found)  # type: ignore[no-untyped-call]  # its stubs say nothing of it
    return found


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
