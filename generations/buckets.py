"""Files kept in an S3 bucket: one that does not answer, or refuses, is an outage like a full disk."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from storages.backends.s3 import S3File, S3Storage

from generations.outages import StorageAway, StorageRefuses

_PATIENCE: Final = Config(connect_timeout=3, read_timeout=30, retries={"max_attempts": 2, "mode": "standard"})
"""Whoever asks is told to come again, rather than kept: boto3 alone would wait for minutes."""

_REFUSALS: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.CONFLICT,
    HTTPStatus.PRECONDITION_FAILED,
    HTTPStatus.NOT_IMPLEMENTED,
)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        refuses = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in _REFUSALS
        raise (StorageRefuses if refuses else StorageAway)(str(error)) from error
    except (BotoCoreError, Boto3Error) as error:
        raise StorageAway(str(error)) from error


@contextmanager
def _found(name: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NOT_FOUND:
            raise FileNotFoundError(f"There is no file {name!r} any more.") from error
        raise


class _File(S3File):  # type: ignore[misc]  # for that it is Any
    """A file whose bytes come when they are first read, which may fail as its opening may."""

    def _get_file(self) -> Any:
        with _told(), _found(self.name):
            return super()._get_file()

    file = property(_get_file, S3File._set_file)


class Bucket(S3Storage):  # type: ignore[misc]  # for that it is Any
    """django-storages' bucket; raises StorageAway, and FileNotFoundError as a folder does."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        built: Any = self.__dict__["client_config"]
        self.client_config = built.merge(_PATIENCE)

    def _open(self, name: str, mode: str = "rb") -> Any:
        with _told():
            opened = super()._open(name, mode)
        # Which files it opens is not a setting of theirs.
        opened.__class__ = _File
        return opened

    def _save(self, name: str, content: Any) -> Any:
        with _told():
            return super()._save(name, content)

    def exists(self, name: str) -> Any:
        """Whether there is such a file."""
        with _told():
            return super().exists(name)

    def listdir(self, name: str) -> Any:
        """The folders and the files in a folder; none where there is no such folder."""
        with _told():
            return super().listdir(name)

    def delete(self, name: str) -> None:
        """Delete it, if it is there."""
        with _told():
            super().delete(name)

    def get_modified_time(self, name: str) -> Any:
        """When a file was kept or made new. Raises FileNotFoundError."""
        with _told(), _found(name):
            return super().get_modified_time(name)

    def renew(self, name: str) -> None:
        """Let a file be as if it were kept just now. Raises FileNotFoundError."""
        key = self._normalize_name(name)
        # Onto itself, which a bucket only does where something of it is replaced.
        how = {"CopySource": {"Bucket": self.bucket_name, "Key": key}, "MetadataDirective": "REPLACE"}
        with _told(), _found(name):
            self.bucket.Object(key).copy_from(**self.get_object_parameters(name), **how)

    def listed(self, folder: str, after: str = "", until: str | None = None) -> Iterator[tuple[str, dt.datetime]]:
        """The files below a folder and when each was kept or made new: those called later than `after`, up to `until`.
        A request for each thousand."""
        with _told():
            for one in self.bucket.objects.filter(Prefix=self._normalize_name(folder), Marker=after):
                if until is not None and one.key > until:
                    return
                yield one.key, one.last_modified
