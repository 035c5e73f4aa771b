"""The Celery application: `celery -A observability.celery worker` and `beat` start from here."""

import os
import warnings

from celery import Celery, signals

from generations.management import places

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "observability.settings")
# The checks load every view and with them half as much memory again; they belong to `make check`.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

# Root in a container is usual, and nothing but JSON is taken from the queue.
warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")

app = Celery("generations")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def _folders(**_: object) -> None:
    """Make the folders of the queue that lies in DATA_DIR; the transport makes only some of them."""
    for name, folder in app.conf.broker_transport_options.items():
        if name.endswith(("folder", "folder_in", "folder_out")):
            os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103 - a plain text from the settings


def _worker_is_ready(**_: object) -> None:
    places.mark_ready(places.data_dir(), "worker")


def _beat_is_ready(**_: object) -> None:
    places.mark_ready(places.data_dir(), "beat")


app.on_after_configure.connect(_folders, weak=False)
signals.worker_ready.connect(_worker_is_ready, weak=False)
signals.beat_init.connect(_beat_is_ready, weak=False)
