"""The queue in a folder: what was sent is worked on, also when a worker is killed over it."""

import errno
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Exchange, Queue
from kombu.exceptions import OperationalError

from generations.management import folder_queue


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    options = {
        "data_folder_in": str(tmp_path / "messages"),
        "data_folder_out": str(tmp_path / "messages"),
        "processed_folder": str(tmp_path / "taken"),
        "control_folder": str(tmp_path / "control"),
    }
    folder_queue.make_folders(options)
    return options


def connect(options: dict[str, Any]) -> Connection:
    return Connection(transport="generations.management.folder_queue:Transport", transport_options=options)


def send(options: dict[str, Any], *bodies: str, by: str = "work") -> None:
    with connect(options) as connection, connection.Producer() as producer:
        for body in bodies:
            # As Celery does: with an exchange that nothing goes through.
            queue = Queue("work", Exchange(by), routing_key="work")
            producer.publish({"body": body}, routing_key="work", declare=[queue])


def take(connection: Connection) -> Any:
    return Queue("work")(connection.default_channel).get()


def test_messages_come_in_the_order_in_which_they_were_sent(options: dict[str, Any]) -> None:
    send(options, "first", "second", "third")

    with connect(options) as connection:
        taken = []
        while message := take(connection):
            taken.append(message.payload["body"])
            message.ack()

    assert taken == ["first", "second", "third"]
    assert list(Path(options["processed_folder"]).iterdir()) == []


def test_a_message_is_not_seen_before_it_is_whole(options: dict[str, Any]) -> None:
    (Path(options["data_folder_in"]) / ".0123.unfinished").write_text('{"bo')

    with connect(options) as connection:
        assert take(connection) is None


def test_what_a_killed_worker_had_taken_is_given_to_the_next(options: dict[str, Any]) -> None:
    send(options, "work")
    killed = connect(options)
    take(killed)

    folder_queue.put_back(options)

    with connect(options) as connection:
        message = take(connection)
        assert message.payload == {"body": "work"}
        message.ack()
    assert list(Path(options["data_folder_in"]).iterdir()) == []


def test_what_is_no_message_keeps_none_from_being_put_back(options: dict[str, Any]) -> None:
    taken = Path(options["processed_folder"])
    (taken / "1_x.celery.msg").write_bytes(b"{}")
    (taken / "2_0.celery.msg").write_bytes(b"{}")

    folder_queue.put_back(options)

    assert [file.name for file in Path(options["data_folder_in"]).iterdir()] == ["2_1.celery.msg"]
    assert sorted(file.name for file in taken.iterdir()) == ["1_x.celery.given-up"]


def test_a_worker_that_stops_puts_back_what_it_has_not_finished(options: dict[str, Any]) -> None:
    send(options, "work")
    with connect(options) as connection:
        take(connection)
    assert list(Path(options["processed_folder"]).iterdir()) == []

    with connect(options) as connection:
        assert take(connection).payload == {"body": "work"}


def test_a_message_that_kills_three_workers_is_given_up(options: dict[str, Any]) -> None:
    send(options, "poison")

    for _ in range(3):
        assert take(connect(options)) is not None
        folder_queue.put_back(options)

    assert take(connect(options)) is None
    assert [file.suffix for file in Path(options["processed_folder"]).iterdir()] == [".given-up"]


@pytest.mark.parametrize("gone", ["messages", "taken", "."])
def test_a_queue_whose_folder_was_removed_goes_on(options: dict[str, Any], tmp_path: Path, gone: str) -> None:
    with connect(options) as connection:
        assert take(connection) is None
        shutil.rmtree(tmp_path / gone)
        assert take(connection) is None

        # By an exchange of its own: what a process has told the folder once it tells no more.
        send(options, "after", by="all" if gone == "." else gone)

        # Where it is set aside may be missing, which is found out with the first message.
        message = take(connection) or take(connection)
        assert message.payload == {"body": "after"}
        message.ack()


def test_a_full_disk_is_a_queue_that_cannot_be_reached_and_leaves_nothing(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)

    with pytest.raises(OperationalError, match="No space left on device"):
        send(options, "lost")

    assert list(Path(options["data_folder_in"]).iterdir()) == []


def test_what_a_killed_process_never_sent_wholly_is_forgotten(options: dict[str, Any]) -> None:
    messages = Path(options["data_folder_in"])
    for name in (".old.unfinished", ".new.unfinished"):
        (messages / name).write_text('{"bo')
    an_hour_ago = time.time() - 3600
    os.utime(messages / ".old.unfinished", (an_hour_ago, an_hour_ago))

    folder_queue.put_back(options)

    assert [file.name for file in messages.iterdir()] == [".new.unfinished"]
