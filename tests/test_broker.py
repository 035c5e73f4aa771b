"""A broker that is back is found at once, however long it was away."""

from typing import Any

import pytest
from celery import Celery

from observability.celery import app, scheduler


class Enough(Exception):
    """It was tried often enough."""


@pytest.mark.parametrize("sender", [app, scheduler], ids=["worker", "beat"])
@pytest.mark.parametrize("address", ["amqp://127.0.0.1:1//", "redis://127.0.0.1:1/0"])
def test_a_broker_that_is_away_is_asked_each_second(sender: Celery, address: str) -> None:
    waited: list[float] = []

    def note(error: Exception, interval: float) -> None:
        waited.append(interval)
        if len(waited) == 3:
            raise Enough

    # As the worker and beat do it, who say nothing of intervals; the settings of tests name another way of transport.
    most: Any = sender.conf.broker_connection_max_retries
    with pytest.raises(Enough):
        sender.amqp.Connection(address).ensure_connection(note, most)

    assert most is None
    assert waited == [1, 1, 1]
