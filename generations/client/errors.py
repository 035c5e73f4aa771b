"""What can go wrong between a program and the server, as exceptions that say what to do."""

from __future__ import annotations


class GenerationsError(Exception):
    """The server refused, failed, or was not there.

    `status` is the HTTP status, `code` the server's word for the kind of refusal, `field` the part of the request
    that it is about; each is None where it is not known. `retry_after` is how many seconds the server asks to wait.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        field: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.field = field
        self.retry_after = retry_after

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in (429, 502, 503, 504)


class NotFound(GenerationsError):
    """Nothing in this project has that id."""


class Unreachable(GenerationsError):
    """No answer came: no connection, one that broke, or none in time. `was_sent` tells whether the request may have
    arrived nevertheless."""

    def __init__(self, message: str, *, was_sent: bool) -> None:
        super().__init__(message)
        self.was_sent = was_sent

    @property
    def is_temporary(self) -> bool:
        """Always: the server may come back."""
        return True
