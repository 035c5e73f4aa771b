"""Whom a project's calls go to: providers with their keys, encrypted in the database and never shown again."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from generations.access import Grant, Scope, audit
from generations.cleaning import clean_string
from generations.llm.egress import Egress
from generations.models import ProviderCredential
from generations.records import InvalidRecord, Json

ENDPOINTS: Final[Mapping[str, str]] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com/v1",
    "mistral": "https://api.mistral.ai/v1",
    "groq": "https://api.groq.com/openai/v1",
    "together": "https://api.together.xyz/v1",
    "deepseek": "https://api.deepseek.com/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "ollama": "http://127.0.0.1:11434/v1",
    "azure": "",
    "vllm": "",
    "other": "",
}
"""The kinds of providers, and where each answers unless an endpoint is given; empty: one has to be."""
MAX_NAME: Final = 120
MAX_ENDPOINT: Final = 200
MAX_SECRET: Final = 4_000


class Unreadable(ValueError):
    """A key that was encrypted under another secret key of the server."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as it is called; `key` is the clear one, and stays in this process."""

    id: str
    kind: str
    name: str
    endpoint: str
    key: str
    options: Mapping[str, Json]


def save(
    grant: Grant,
    *,
    kind: str,
    name: str,
    secret: str | None,
    endpoint: str = "",
    options: Mapping[str, Json] | None = None,
) -> ProviderCredential:
    """Keep a provider of this name, in place of the one that has it. Needs `admin`.

    Without a `secret` the one that is kept stays, unless it would go to another host than it was given for: whoever may
    change an address is not to learn a key by it. Raises InvalidRecord.
    """
    grant.need(Scope.ADMIN)
    clean = clean_string(name).strip()
    if not clean or len(clean) > MAX_NAME or "/" in clean:
        raise InvalidRecord("name", name, f"a text of 1 to {MAX_NAME} characters without a slash")
    if kind not in ENDPOINTS:
        raise InvalidRecord("provider", kind, f"one of {', '.join(ENDPOINTS)}")
    where = _address(endpoint)
    if not where and not ENDPOINTS[kind]:
        raise InvalidRecord("endpoint", endpoint, f"an address: '{kind}' has none of its own")
    if secret is not None and len(secret) > MAX_SECRET:
        raise InvalidRecord("secret", "…", f"at most {MAX_SECRET} characters")
    with transaction.atomic():
        rows = ProviderCredential.objects.select_for_update().filter(project=grant.project, name=clean)
        row = rows.first() or ProviderCredential(project=grant.project, name=clean)
        if secret is None and _has_key(row) and _host(where, kind) != _host(row.endpoint, row.provider):
            raise InvalidRecord("secret", "", "the key again: the one that is kept was given for another host")
        if secret is not None or not row.secret:
            row.secret = _cipher().encrypt((secret or "").strip().encode())
        row.provider, row.endpoint, row.options = kind, where, dict(options or {})
        row.save()
        audit(grant, "provider.save", "provider", str(row.pk), {"name": clean, "provider": kind, "endpoint": where})
    return row


def _address(endpoint: str) -> str:
    """An endpoint without the slash at its end; "" for none. Raises InvalidRecord."""
    where = endpoint.strip().rstrip("/")
    try:
        parts = urlsplit(where)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        is_address = is_web and not ("@" in parts.netloc or parts.query or parts.fragment)
    except ValueError:
        is_address = False
    if where and (not is_address or len(where) > MAX_ENDPOINT or clean_string(where) != where):
        expected = f"an address of at most {MAX_ENDPOINT} characters, such as https://llm.example.com/v1"
        raise InvalidRecord("endpoint", endpoint, expected)
    return where


def _has_key(row: ProviderCredential) -> bool:
    """Whether a key is kept that can be read; some providers need none."""
    try:
        return bool(row.secret) and bool(open_one(row).key)
    except Unreadable:
        return False


def _host(endpoint: str, kind: str) -> tuple[str, str]:
    """Whom a provider's key is sent to."""
    parts = urlsplit(endpoint or ENDPOINTS.get(kind, ""))
    return parts.scheme, parts.netloc.lower()


def every(grant: Grant) -> list[ProviderCredential]:
    """The project's providers, by name; their keys are not told. Needs `read`."""
    grant.need(Scope.READ)
    return list(ProviderCredential.objects.filter(project=grant.project).defer("secret").order_by("name"))


def forget(grant: Grant, id: str) -> bool:
    """Forget a provider and its key; False when there is none. Needs `admin`."""
    grant.need(Scope.ADMIN)
    try:
        key = uuid.UUID(id)
    except ValueError:
        return False
    with transaction.atomic():
        row = ProviderCredential.objects.filter(project=grant.project, pk=key).first()
        if row is None:
            return False
        row.delete()
        audit(grant, "provider.forget", "provider", id, {"name": row.name})
    return True


def opened(grant: Grant) -> list[Provider]:
    """The project's providers with their keys, by name, in one query. Needs `ingest`; a key that cannot be read is
    left out. Raises Unreadable where none can be."""
    grant.need(Scope.INGEST)
    found = []
    first: Unreadable | None = None
    for row in ProviderCredential.objects.filter(project=grant.project).order_by("name"):
        try:
            found.append(open_one(row))
        except Unreadable as error:
            first = first or error
    if first is not None and not found:
        raise first
    return found


def unreadable() -> int:
    """How many keys of providers, of all projects, were kept under another secret key of the server."""
    count = 0
    for row in ProviderCredential.objects.all():
        try:
            open_one(row)
        except Unreadable:
            count += 1
    return count


def open_one(row: ProviderCredential) -> Provider:
    """A provider with its key. Raises Unreadable."""
    try:
        key = _cipher().decrypt(bytes(row.secret)).decode()
    except InvalidToken:
        raise Unreadable(
            f"The key of '{row.name}' was kept under another secret key of this server. Enter it again."
        ) from None
    options: Any = row.options
    return Provider(str(row.pk), row.provider, row.name, row.endpoint or ENDPOINTS[row.provider], key, options)


def used(grant: Grant, id: str) -> None:
    """Note that a provider was called."""
    ProviderCredential.objects.filter(project=grant.project, pk=id).update(last_used_at=timezone.now())


def egress() -> Egress:
    """Where calls to models may go from this server, as its operator says."""
    return Egress(hosts=tuple(settings.EGRESS_HOSTS), private=tuple(settings.EGRESS_PRIVATE))


@lru_cache(maxsize=4)
def _cipher_of(secret: str) -> Fernet:
    derived = HKDF(hashes.SHA256(), 32, None, b"generations.providers").derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))


def _cipher() -> Fernet:
    return _cipher_of(settings.SECRET_KEY)
