"""The counters that Prometheus reads, right for all web processes of a machine.

With PROMETHEUS_MULTIPROC_DIR, which `manage.py up` sets, each process counts in files of its own there: what is
read is the sum of all of them, of those that ended too. Without it a process knows of itself.
"""

from __future__ import annotations

import os
from typing import Final

from prometheus_client import CollectorRegistry, Counter, disable_created_metrics
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


def records(door: str, items: int, refused: int) -> None:
    """Count what one request brought."""
    _records.labels(door, "stored").inc(max(0, items - refused))
    _records.labels(door, "refused").inc(refused)


def counted() -> CollectorRegistry:
    """All counters as they are now."""
    if FOLDER not in os.environ:
        return registry
    found = CollectorRegistry()
    MultiProcessCollector(found)  # type: ignore[no-untyped-call]  # its stubs say nothing of it
    return found
