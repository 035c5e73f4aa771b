"""The Celery applications: `app` for the worker and for whoever sends tasks, `scheduler` for beat."""

import ctypes
import os
import warnings
from typing import Any, Final

import kombu
from celery import Celery, signals
from celery.app.amqp import AMQP

from generations.management import folder_queue, lifetimes, places

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "observability.settings")
# The checks load every view and with them half as much memory again; they belong to `make check`.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")
# Root in a container is usual, and nothing but JSON is taken from the queue.
warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")

_AGAIN_AFTER: Final = {"interval_start": 1, "interval_step": 0, "interval_max": 1}
"""Seconds. Celery would wait two longer after each attempt, up to thirty, and has no setting for it: jobs would wait
for as long after a broker that is back, and beat after that."""


class _Connection(kombu.Connection):
    def ensure_connection(self, *given: Any, **named: Any) -> Any:
        return super().ensure_connection(*given, **{**_AGAIN_AFTER, **named})


class Amqp(AMQP):
    """Celery's, with connections that come again soon."""

    Connection = _Connection


app = Celery("generations", amqp=Amqp)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# Beat sends names at times: it needs the settings, and neither Django nor the tasks, which are 30 MB.
scheduler = Celery("generations", amqp=Amqp, fixups=[], set_as_current=False)
scheduler.config_from_object("observability.settings", namespace="CELERY")


def _make_queue(sender: Celery, **_: object) -> None:
    if sender.conf.broker_transport_options.get("data_folder_in"):
        folder_queue.make_folders(sender.conf.broker_transport_options)


def _put_back(**_: object) -> None:
    if app.conf.broker_transport_options.get("data_folder_in"):
        folder_queue.put_back(app.conf.broker_transport_options)


def _worker_is_ready(**_: object) -> None:
    places.mark_ready(places.data_dir(), "worker")


def _beat_is_ready(**_: object) -> None:
    lifetimes.entitle("beat")  # Celery has given it a title of its own
    places.mark_ready(places.data_dir(), "beat")


def _give_back(**_: object) -> None:
    # What a task held for its texts is free then, and would stay this process's: 15 MB after a segment of the search.
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


for either in (app, scheduler):
    either.on_after_configure.connect(_make_queue, weak=False)
signals.worker_init.connect(_put_back, weak=False)
signals.task_postrun.connect(_give_back, weak=False)
signals.worker_ready.connect(_worker_is_ready, weak=False)
signals.beat_init.connect(_beat_is_ready, weak=False)
