"""Celery's queue in a folder, for one machine without a broker: kombu's, made safe against a `kill -9`.

kombu's own transport shows a message before it is whole, and forgets one that was taken by a worker
that is then killed. Here a message appears by a rename, is set aside while it is worked on, and is put
back when the next worker starts. One worker process for one folder.
"""

import logging
import time
import uuid
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any, Final

from kombu.exceptions import ChannelError, OperationalError
from kombu.transport import filesystem
from kombu.utils.json import dumps, loads

logger = logging.getLogger(__name__)

# A task at which the worker dies this often is the reason that it dies.
_MOST_DELIVERIES: Final = 3
_WAKE_EVERY: Final = 0.25
_UNFINISHED: Final = 60.0
"""Seconds after which nobody is still writing a message."""


class Channel(filesystem.Channel):
    """Messages are files named `<time>_<id>_<times delivered>.<queue>.msg`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._taken: dict[str, Path] = {}

    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]
        messages = Path(self.data_folder_out)
        unfinished = messages / f".{uuid.uuid4().hex}.unfinished"
        try:
            _make(messages)
            unfinished.write_text(dumps(payload))
            unfinished.rename(messages / f"{time.time_ns():020d}_{uuid.uuid4().hex}_0.{queue}.msg")
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise OperationalError(f"Nothing can be put into {messages}: {error.strerror}") from error

    def _queue_bind(self, *args: Any) -> None:
        try:
            _make(self.control_folder)
            super()._queue_bind(*args)
        except (OSError, ChannelError) as error:
            raise OperationalError(f"{self.control_folder} cannot be written: {error}") from error

    def _size(self, queue: str) -> int:
        return sum(1 for _ in Path(self.data_folder_in).glob(f"*.{queue}.msg"))

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        messages, taken = Path(self.data_folder_in), Path(self.processed_folder)
        for name in sorted(file.name for file in messages.glob("*.msg")):
            if name.partition(".")[2] != f"{queue}.msg":
                continue
            try:
                file = (messages / name).rename(taken / name)
            except FileNotFoundError:
                # Another worker's by now; or somebody has removed the folder.
                _make(taken)
                continue
            payload = loads(file.read_text())
            self._taken[payload["properties"]["delivery_tag"]] = file
            return payload
        raise Empty

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Forget a message that has been worked on."""
        super().basic_ack(delivery_tag, multiple)
        self._forget(delivery_tag)

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Forget a message, or put it back as a new one."""
        super().basic_reject(delivery_tag, requeue)
        self._forget(delivery_tag)

    def _restore(self, message: Any) -> None:
        super()._restore(message)
        self._forget(message.delivery_tag)

    def _forget(self, delivery_tag: str) -> None:
        if file := self._taken.pop(delivery_tag, None):
            file.unlink(missing_ok=True)


class Transport(filesystem.Transport):
    """The transport to name in CELERY_BROKER_TRANSPORT."""

    Channel = Channel

    def drain_events(self, connection: Any, timeout: float | None = None, **kwargs: Any) -> None:
        """Wait for a message, but never so long that a worker that is told to stop hears it late."""
        super().drain_events(connection, timeout=min(timeout or _WAKE_EVERY, _WAKE_EVERY))


def make_folders(options: dict[str, Any]) -> None:
    """Make the folders that the transport options name."""
    for name in ("data_folder_in", "data_folder_out", "processed_folder", "control_folder"):
        _make(Path(options[name]))


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def put_back(options: dict[str, Any]) -> None:
    """Return to the queue what the last worker had taken when it was killed; forget what was never wholly sent."""
    messages, taken = Path(options["data_folder_in"]), Path(options["processed_folder"])
    for unfinished in messages.glob(".*.unfinished"):
        with suppress(FileNotFoundError):
            if unfinished.stat().st_mtime < time.time() - _UNFINISHED:
                unfinished.unlink()
    for file in sorted(taken.glob("*.msg")):
        stem, _, queue = file.name.partition(".")
        first, _, times = stem.rpartition("_")
        if not times.isdecimal():
            logger.error("%s is no message of this queue: it is left aside.", file.name)
            file.rename(file.with_suffix(".given-up"))
        elif int(times) + 1 >= _MOST_DELIVERIES:
            logger.error("A worker died %d times at %s: it is given up.", _MOST_DELIVERIES, file.name)
            file.rename(file.with_suffix(".given-up"))
        else:
            file.rename(messages / f"{first}_{int(times) + 1}.{queue}")
