"""What tests of retention share: time, so that nothing is given up because the machine is slow."""

import pytest


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute for what has a tenth of a second, and no rest between two attempts."""
    monkeypatch.setattr("generations.retention.emptying.MOST_WORKED", 60.0)
    monkeypatch.setattr("generations.retention.emptying.MOST_WAITED", 60.0)
    monkeypatch.setattr("generations.retention.emptying.PAUSE", 0.0)
