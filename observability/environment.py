"""Every setting of the product, typed, and what is said of one that cannot be used.

`Environment` is the whole list: the README's table is compared with it by a test.
"""

import importlib.util
import ipaddress
import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from generations.management import places

CommaSeparated = Annotated[list[str], NoDecode]


class Environment(BaseSettings):
    """The settings that an operator may set, each by an environment variable of its name."""

    model_config = SettingsConfigDict(case_sensitive=True, env_ignore_empty=True, extra="ignore")

    DEBUG: bool = Field(default=False, description="Shows errors in full to the browser. Never on a network.")
    SECRET_KEY: str = Field(
        default="",
        description="Signs sessions and encrypts credentials. `manage.py up` makes one and keeps it in DATA_DIR.",
    )
    HOST: str = Field(
        default="127.0.0.1",
        description="Address to listen on; 0.0.0.0 for every network of the machine.",
    )
    PORT: int = Field(default=8000, ge=1, le=65535, description="Port to listen on.")
    PUBLIC_URL: str = Field(
        default="",
        description="Where people reach it, when that is not HOST and PORT: https://generations.example.com",
    )
    DATA_DIR: Path = Field(
        default=Path(places.DEFAULT_DATA_DIR),
        description="Everything that is kept: database, files, exports, secret key, queue.",
    )
    DATABASE_URL: str = Field(
        default="",
        description="postgresql://user:password@host:5432/name of an outside PostgreSQL, 15 or newer; empty: embedded.",
    )
    DATABASE_POOL_SIZE: int = Field(
        default=10, ge=1, le=500, description="Database connections of one process, at most."
    )
    DATABASE_LOG_MB: int = Field(
        default=512,
        ge=32,
        le=8192,
        description="How much of its log the embedded database keeps to write over it, while 20 times as much is free.",
    )
    DATABASE_BUFFERS_MB: int = Field(
        default=48,
        ge=16,
        le=65_536,
        description="Memory for pages of the embedded database; past a million calls 256 or more, if it is there.",
    )
    CELERY_BROKER_URL: str = Field(
        default="",
        description="redis://host:6379/0 or amqp://user:password@host:5672//; empty: a folder in DATA_DIR.",
    )
    BOOTSTRAP_API_KEY: str = Field(
        default="",
        description="The first API key, when a script or container chooses it: 20 or more of `A-Z a-z 0-9 - . _ ~`.",
    )
    BOOTSTRAP_PASSWORD: str = Field(
        default="",
        description="The first owner's password, when a script or container chooses it: 8 or more characters, no "
        "common one.",
    )
    ALLOWED_HOSTS: CommaSeparated = Field(
        default=[],
        description="Further host names to answer to, by commas; localhost and PUBLIC_URL's always are.",
    )
    CSRF_TRUSTED_ORIGINS: CommaSeparated = Field(
        default=[],
        description="Further origins whose forms are trusted, by commas; PUBLIC_URL's always is.",
    )
    OTLP_ORIGINS: CommaSeparated = Field(
        default=[],
        description="Origins whose pages may send spans from the browser, by commas: https://app.example.com; "
        "empty: none.",
    )
    INGEST_MAX_BYTES: int = Field(
        default=64 * 1024 * 1024,
        ge=1024,
        description="The largest request body, as sent and as unpacked.",
    )
    EXPORT_EXPIRY_HOURS: int = Field(default=72, ge=1, description="How long the file of an export is kept.")
    EXPORT_FOLDER: str = Field(
        default="", description="Folder below which scheduled exports put their files; empty: DATA_DIR/scheduled."
    )
    EXPORT_BUCKETS: CommaSeparated = Field(
        default=[],
        description="S3 buckets that scheduled exports may write to, by commas (see below); empty: none.",
    )
    WEB_PROCESSES: int = Field(
        default=2, ge=1, le=64, description="Processes that answer requests, each on one processor at most."
    )
    WEB_THREADS: int = Field(
        default=8, ge=1, le=256, description="Requests that are answered at once by one web process."
    )
    GATEWAY_UPSTREAM: str = Field(
        default="https://api.openai.com/v1",
        description="Where the gateway sends calls that bring the provider's own key.",
    )
    GATEWAY_STREAMS: int = Field(
        default=256, ge=1, le=2000, description="Calls that one web process passes on at once; more are answered 503."
    )
    EGRESS_HOSTS: CommaSeparated = Field(
        default=[], description="The only hosts that model calls may go to, by commas, `*.example.com` too; empty: any."
    )
    EGRESS_PRIVATE: CommaSeparated = Field(
        default=[],
        description="Private hosts and networks that model calls may go to all the same: `vllm.internal,10.1.0.0/16`.",
    )
    WORKER_CONCURRENCY: int = Field(default=2, ge=1, le=64, description="Tasks that are worked on at once.")
    WORKER_NICE: int = Field(
        default=5,
        ge=0,
        le=19,
        description="How far the worker gives way on a busy processor, see nice(1); 0: not.",
    )
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least severe log line that is written."
    )
    METRICS_TOKEN: str = Field(
        default="", description="What Prometheus sends as its bearer token to /metrics; empty: this machine only."
    )
    STORAGE_BUCKET: str = Field(
        default="",
        description="S3 bucket for exports and attachments (see below); empty: DATA_DIR/media.",
    )
    STORAGE_ENDPOINT_URL: str = Field(default="", description="Endpoint of an S3-compatible store other than AWS.")

    @field_validator(
        "ALLOWED_HOSTS",
        "CSRF_TRUSTED_ORIGINS",
        "OTLP_ORIGINS",
        "EXPORT_BUCKETS",
        "EGRESS_HOSTS",
        "EGRESS_PRIVATE",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("LOG_LEVEL", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("DATA_DIR")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return places.found(value)

    @field_validator("HOST")
    @classmethod
    def _without_port(cls, value: str) -> str:
        if not _is_host(value):
            raise ValueError("it is a name or an address alone, such as 0.0.0.0; the port goes into PORT")
        return value

    @field_validator("ALLOWED_HOSTS", "EGRESS_HOSTS")
    @classmethod
    def _hosts(cls, value: list[str]) -> list[str]:
        if wrong := [one for one in value if not _is_host(one)]:
            raise ValueError(f"{wrong[0]!r} is no name of a host, such as generations.example.com")
        return value

    @field_validator("EGRESS_PRIVATE")
    @classmethod
    def _hosts_and_networks(cls, value: list[str]) -> list[str]:
        for one in value:
            if "/" in one:
                ipaddress.ip_network(one, strict=False)
        return value

    @field_validator("PUBLIC_URL", "GATEWAY_UPSTREAM", "STORAGE_ENDPOINT_URL")
    @classmethod
    def _web_address(cls, value: str) -> str:
        return _address(value, ("https", "http")).rstrip("/")

    @field_validator("PUBLIC_URL")
    @classmethod
    def _without_path(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.path or parts.query or parts.fragment:
            raise ValueError(
                "a path is behind the host: every page is at the root of a host name, give it one of its own"
            )
        return value

    @field_validator("CSRF_TRUSTED_ORIGINS")
    @classmethod
    def _origins(cls, value: list[str]) -> list[str]:
        return [_address(one, ("https", "http")) for one in value]

    @field_validator("OTLP_ORIGINS")
    @classmethod
    def _exact_origins(cls, value: list[str]) -> list[str]:
        # They are compared with what browsers say, who write them so.
        found = [_address(one, ("https", "http")).rstrip("/").lower() for one in value]
        if wrong := [one for one in found if urlsplit(one).path or urlsplit(one).query]:
            raise ValueError(f"{wrong[0]!r} is no origin, such as https://app.example.com")
        return found

    @field_validator("DATABASE_URL")
    @classmethod
    def _postgresql(cls, value: str) -> str:
        return _address(value, ("postgresql", "postgres"), needs_host=False)

    @field_validator("CELERY_BROKER_URL")
    @classmethod
    def _broker(cls, value: str) -> str:
        return _address(value, ("redis", "amqp", "rediss", "amqps"))

    @field_validator("BOOTSTRAP_API_KEY")
    @classmethod
    def _key(cls, value: str) -> str:
        # Some clients send it in a path, others before a colon: what needs no escaping anywhere is understood by all.
        if value and not re.fullmatch(r"[A-Za-z0-9._~-]{20,200}", value):
            raise ValueError(
                "a key is 20 to 200 letters, digits and any of - . _ ~, such as `openssl rand -hex 32` makes"
            )
        return value

    @field_validator("STORAGE_BUCKET", "EXPORT_BUCKETS")
    @classmethod
    def _buckets(cls, value: str | list[str]) -> str | list[str]:
        for one in [value] if isinstance(value, str) else value:
            if one and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", one):
                raise ValueError(f"{one!r} is no name of a bucket, such as generations-files")
        lacking = [name for name in ("boto3", "storages") if value and importlib.util.find_spec(name) is None]
        if lacking:
            raise ValueError(f"buckets need {' and '.join(lacking)}: {_INSTALLING}")
        return value


def _is_host(value: str) -> bool:
    """Whether this may be a host's name or address; with a scheme, a port or a path it is none. An IPv6 address has
    many colons."""
    return "/" not in value and value.count(":") != 1 and not re.search(r"]:|\s", value)


def _address(value: str, schemes: tuple[str, ...], *, needs_host: bool = True) -> str:
    """An address of one of these schemes as it is, or nothing. Raises ValueError."""
    if value:
        parts = urlsplit(value)
        _ = parts.port  # raises ValueError when it is no number
        if parts.scheme not in schemes or (needs_host and not parts.hostname):
            raise ValueError(f"it begins with {' or '.join(f'{one}://' for one in schemes[:2])}, followed by a host")
    return value


_SECRET: Final = {"SECRET_KEY", "DATABASE_URL", "CELERY_BROKER_URL", "BOOTSTRAP_API_KEY", "BOOTSTRAP_PASSWORD"}
"""Those of which the value is not repeated where it cannot be used."""
_INSTALLING: Final = (
    "`.venv/bin/python -m pip install --require-hashes -r requirements-s3.txt` in the clone,"
    " or an image that was built with `--build-arg STORAGE=s3`"
)
_SHORTEST: Final = 7
"""Names shorter than this are too near to those of other programs for a guess at what was meant."""


def read() -> Environment:
    """The settings of this process's environment. Raises ImproperlyConfigured: one line that names each wrong one."""
    try:
        return Environment()
    except ValidationError as error:
        wrong = "; ".join(
            f"{name}{'' if name in _SECRET else f' is {given!r}'}: {said.removeprefix('Value error, ')}"
            for name, given, said in ((one["loc"][0], one["input"], one["msg"]) for one in error.errors())
        )
        raise ImproperlyConfigured(f"The environment has a setting that cannot be used. {wrong}") from error


def misspelt() -> list[str]:
    """A sentence for each variable of the environment that is no setting and nearly one."""
    known = Environment.model_fields
    near = {
        name: get_close_matches(name, known, 1, 0.85)
        for name in os.environ
        if name not in known and len(name) >= _SHORTEST
    }
    return [f"{name} is no setting; did you mean {found[0]}?" for name, found in near.items() if found]
