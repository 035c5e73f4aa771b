"""The addresses that the Gantry client knows; all with and without a slash at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.http import HttpResponse
from django.urls import URLPattern, re_path
from django.views.decorators.csrf import csrf_exempt

from generations.access import Scope
from generations.api.gantry import applications, datasets, events, queries, uploads, versions
from generations.api.gantry.envelope import speaks
from generations.api.straight import straight

IN: Final = Scope.INGEST
READ: Final = Scope.READ
WRITE: Final = Scope.WRITE
_NAME: Final = r"(?P<name>[^/]+)"
_CONFIGURATION: Final = rf"cms/{_NAME}/configurations/(?P<configuration>[^/]+)"


def _v1(route: str, view: Callable[..., HttpResponse]) -> URLPattern:
    return re_path(rf"^api/v1/{route}/?\Z", view)


urlpatterns = [
    re_path(r"^api/ping/?\Z", straight(csrf_exempt(applications.ping))),
    _v1("auth-ping", speaks(GET=(IN, applications.auth_ping))),
    # events
    _v1(r"logging/chat/completions", speaks(POST=(IN, events.chat))),
    _v1(r"logging/(?P<vendor>[^/]{1,100})/completions", speaks(POST=(IN, events.call))),
    _v1(r"logging/completions", speaks(POST=(IN, events.call))),
    _v1(r"chat/completions", speaks(POST=(IN, events.chat))),
    _v1(r"completions", speaks(POST=(IN, events.call))),
    _v1(r"ingest/raw", speaks(POST=(IN, events.raw))),
    _v1(r"ingest/file-preupload", speaks(GET=(IN, uploads.begin))),
    _v1(r"ingest/file", speaks(POST=(IN, uploads.finish))),
    re_path(r"^api/v1/ingest/parts/(?P<token>[^/]+)\Z", uploads.part, name="gantry_part"),
    # applications and their versions
    _v1(r"applications", speaks(GET=(READ, applications.every), POST=(WRITE, applications.create))),
    _v1(r"models", speaks(GET=(READ, applications.every))),
    _v1(r"sandbox/models", speaks(GET=(READ, versions.models))),
    _v1(rf"{_CONFIGURATION}/versions", speaks(GET=(READ, versions.every), POST=(WRITE, versions.create))),
    _v1(rf"{_CONFIGURATION}/versions/(?P<version>[^/]+)/data", speaks(GET=(READ, versions.data))),
    _v1(rf"{_CONFIGURATION}/releases", speaks(GET=(READ, versions.released), PATCH=(WRITE, versions.release))),
    # questions
    _v1(rf"(?:models|applications)/{_NAME}/schemas", speaks(GET=(READ, queries.schema))),
    _v1(rf"applications/{_NAME}/raw_data", speaks(POST=(READ, queries.raw_data))),
    _v1(rf"applications/{_NAME}/batches", speaks(GET=(READ, queries.batches))),
    _v1(rf"applications/{_NAME}/jobs", speaks(GET=(READ, queries.runs))),
    _v1(r"aggregate/query", speaks(POST=(READ, queries.aggregate))),
    _v1(r"time_series/query", speaks(POST=(READ, queries.time_series))),
    # datasets
    _v1(r"datasets", speaks(GET=(READ, datasets.every), POST=(WRITE, datasets.create))),
    _v1(rf"datasets/{_NAME}/commits", speaks(GET=(READ, datasets.commits), POST=(WRITE, datasets.push))),
    _v1(rf"datasets/{_NAME}/commits/(?P<version>[^/]+)", speaks(GET=(READ, datasets.commit))),
    _v1(rf"datasets/{_NAME}/presign/putobject", speaks(POST=(WRITE, datasets.addresses_to_put))),
    _v1(rf"datasets/{_NAME}/presign/getobject", speaks(POST=(READ, datasets.addresses_to_get))),
    _v1(rf"datasets/{_NAME}/file", speaks(POST=(WRITE, datasets.push_file))),
    _v1(rf"datasets/{_NAME}/raw_data", speaks(POST=(WRITE, datasets.push_rows))),
    _v1(rf"datasets/{_NAME}", speaks(GET=(READ, datasets.one), DELETE=(WRITE, datasets.delete))),
    re_path(r"^api/v1/dataset-files/(?P<token>[^/]+)\Z", datasets.file, name="gantry_dataset_file"),
    _v1(rf"applications/(?P<application>[^/]+)/datasets/{_NAME}", speaks(GET=(READ, datasets.one))),
    _v1(rf"applications/{_NAME}/hard_delete", speaks(POST=(WRITE, applications.delete))),
    _v1(
        rf"(?:applications|models)/{_NAME}",
        speaks(GET=(READ, applications.one), DELETE=(WRITE, applications.archive)),
    ),
]
