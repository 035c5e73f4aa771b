"""What Prometheus reads: requests as this process counts them, and how the installation is doing."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterator
from typing import Final

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from generations import counting, operations, search

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
DOORS: Final = (
    *((f"/api/{start}", "literal") for start in ("graphql", "my-project", "export/dataset", "upload")),
    *((f"/api/{start}", "otlp") for start in ("public/otel", "otel", "otlp", "v2/traces", "trace")),
    *((f"/{start}", "otlp") for start in ("otlp", "otel", "opentelemetry", "i/v0/ai/otel")),
    *((start, "gateway") for start in ("/v1", "/gateway", "/openai")),
    ("/api/ping", "gantry"),
    ("/api/v1", "gantry"),
    ("/api/public", "langfuse"),
    ("/api", "rest"),
    ("/graphql", "graphql"),
    ("/admin", "admin"),
    ("/static", "static"),
    ("/files", "files"),
    ("/healthz", "health"),
    ("/readyz", "health"),
    ("/metrics", "health"),
)
"""Which door an address belongs to, the first that fits; everything else is a page."""
_SIGNALS: Final = tuple(f"/v1/{signal}" for signal in ("traces", "logs", "metrics"))
"""What addresses end in that exporters of OpenTelemetry know, whatever stands before it."""
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

_requests = Counter(
    "generations_http_requests",
    "Requests answered, by door and status.",
    ("door", "status"),
    registry=counting.registry,
)
_seconds = Histogram(
    "generations_http_request_seconds",
    "Time to answer, in seconds, by door.",
    ("door",),
    buckets=_BUCKETS,
    registry=counting.registry,
)


def door_of(path: str) -> str:
    """The door that an address belongs to: few names, whatever callers ask for."""
    # One client writes two slashes where its address ends in one.
    path = f"/{path.lstrip('/')}"
    if path.rstrip("/").endswith(_SIGNALS):
        return "otlp"
    return next((door for start, door in DOORS if path.startswith(start)), "page")


class CountRequests:
    """Counts each request, and how long it took, by door."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        response = self.get_response(request)
        door = door_of(request.path_info)
        _requests.labels(door, str(response.status_code)).inc()
        _seconds.labels(door).observe(time.perf_counter() - began)
        return response


_MOST_PROJECTS: Final = 100


class _Machine:
    """What is asked of this machine, also while the database is away: that may be for want of room."""

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("generations_part_ready", "1 when a part is ready, else 0.", labels=("part",))
        for part, state in operations.parts().items():
            up.add_metric((part,), float(state == "ready"))
        yield up
        yield from _disks()


class _Installation:
    """What is asked of the database when somebody reads."""

    def collect(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("generations_jobs", "Jobs that are not done.", labels=("kind", "state"))
        age = GaugeMetricFamily(
            "generations_job_oldest_timestamp_seconds", "When the oldest of them was made.", labels=("kind", "state")
        )
        for queue in operations.queues():
            jobs.add_metric((queue.kind, queue.state), queue.count)
            age.add_metric((queue.kind, queue.state), queue.oldest.timestamp())
        yield jobs
        yield age
        failed = GaugeMetricFamily("generations_jobs_failed", "Jobs that failed within a day.", labels=("kind",))
        for one in operations.failed():
            failed.add_metric((one.kind,), one.count)
        yield failed
        sizes = GaugeMetricFamily("generations_table_bytes", "Bytes of a table, all months.", labels=("table",))
        months = GaugeMetricFamily("generations_month_bytes", "Bytes of what began in a month.", labels=("month",))
        whole: dict[str, int] = {}
        of_months: dict[str, int] = {}
        for table in operations.stored():
            whole[table.table] = whole.get(table.table, 0) + table.size
            if table.month is not None:
                of_months[table.month] = of_months.get(table.month, 0) + table.size
        for name, size in whole.items():
            sizes.add_metric((name,), size)
        for month, size in of_months.items():
            months.add_metric((month,), size)
        yield sizes
        yield months
        shares = GaugeMetricFamily(
            "generations_project_bytes", "Bytes that one of the largest projects takes, estimated.", labels=("project",)
        )
        for share in operations.shares()[:_MOST_PROJECTS]:
            shares.add_metric((share.project,), share.size)
        yield shares
        growth = operations.daily_growth()
        if growth is not None:
            yield _gauge("generations_daily_bytes", "Bytes that a day of this month has added.", growth)
        yield _gauge("generations_rollups_due", "Hours whose sums are to be made again.", operations.hours_to_sum_up())
        behind = search.lag()
        yield _gauge("generations_search_waiting", "Calls recorded and not searched yet.", behind.count)
        yield _gauge("generations_search_lag_seconds", "For how long the oldest of them waits.", behind.seconds)
        yield from _slowest()
        now = operations.connections()
        yield _gauge("generations_database_connections", "Connections to the database server.", now.used)
        yield _gauge("generations_database_connections_most", "Connections that it allows.", now.most)


def _disks() -> Iterator[Metric]:
    about = "of the file system of DATA_DIR, and of each folder that has one of its own."
    free = GaugeMetricFamily("generations_disk_free_bytes", f"Free bytes {about}", labels=("folder",))
    size = GaugeMetricFamily("generations_disk_bytes", f"Bytes {about}", labels=("folder",))
    for disk in operations.disks():
        free.add_metric((str(disk.folder),), disk.free)
        size.add_metric((str(disk.folder),), disk.size)
    yield free
    yield size


def _slowest() -> Iterator[Metric]:
    slow = operations.slowest()
    if slow is None:
        return
    about = "of one of the ten statements that took longest in all, by the number that the operations page shows."
    seconds = CounterMetricFamily("generations_statement_seconds", f"Time {about}", labels=("statement",))
    calls = CounterMetricFamily("generations_statement_calls", f"Calls {about}", labels=("statement",))
    for one in slow:
        seconds.add_metric((one.id,), one.total / 1000)
        calls.add_metric((one.id,), one.calls)
    yield seconds
    yield calls


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value=value)


_machine = CollectorRegistry()
_machine.register(_Machine())
_installation = CollectorRegistry()
_installation.register(_Installation())


class _Reachable:
    """Whether the database answered; no Gauge, which each process would leave behind in the counters of all."""

    def __init__(self, is_reachable: bool) -> None:
        self.is_reachable = is_reachable

    def collect(self) -> Iterator[Metric]:
        about = "1 when the database answered just now, else 0."
        yield _gauge("generations_database_reachable", about, float(self.is_reachable))


@csrf_exempt
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The text that Prometheus reads. Needs METRICS_TOKEN as a bearer token; without one set, a caller on this machine.

    While the database is away it tells what this machine and the web processes know by themselves.
    """
    if not _may_read(request):
        said = "Send METRICS_TOKEN as 'Authorization: Bearer TOKEN'; without one set, ask from the machine itself.\n"
        answer = HttpResponse(said, status=401, content_type="text/plain; charset=utf-8")
        answer["WWW-Authenticate"] = "Bearer"
        return answer
    try:
        installation, is_reachable = generate_latest(_installation), True
    except Error:
        installation, is_reachable = b"", False
    operations.tell_of_pool()
    reachable = CollectorRegistry()
    reachable.register(_Reachable(is_reachable))
    content = generate_latest(counting.counted()) + generate_latest(reachable)
    content += generate_latest(_machine) + installation
    return HttpResponse(content, content_type=CONTENT_TYPE)


def _may_read(request: HttpRequest) -> bool:
    token: str = settings.METRICS_TOKEN
    if token:
        return constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {token}")
    # Behind a proxy every caller seems to be on this machine.
    if any(name in request.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP")):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
