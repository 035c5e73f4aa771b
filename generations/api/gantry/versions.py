"""Versions of an application's configuration: those of the prompt of its name, numbered from 1 as the client does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.http import HttpRequest

from generations import pricing, prompts
from generations.access import Grant
from generations.api.gantry.applications import found
from generations.api.gantry.envelope import body, missing
from generations.models import PromptVersion
from generations.records import InvalidRecord, Json

CHAT: Final = "openai-chat"
LABELS: Final = ("prod", "test")
"""What a version can be deployed as."""
_OLD: Final = {
    "text-davinci-002": "openai", "text-davinci-003": "openai", "davinci": "openai", "curie": "openai",
    "babbage": "openai", "ada": "openai", "text-curie-001": "openai", "text-babbage-001": "openai",
    "text-ada-001": "openai", "gpt-3.5-turbo-instruct": "openai", "babbage-002": "openai", "davinci-002": "openai",
    "command": "cohere", "command-light": "cohere", "command-nightly": "cohere", "command-xlarge-nightly": "cohere",
}  # fmt: skip
"""Models that complete texts; some are no longer sold, and programs still name them."""


def models(grant: Grant, request: HttpRequest) -> Json:
    """The models of which a version may be made: all whose prices are known, and those that only complete texts."""
    known = {name: CHAT if vendor == "openai" else vendor for name, vendor in pricing.known_models().items()}
    rows = PromptVersion.objects.in_project(grant.project.pk).filter(model_id__isnull=False)
    named = dict(rows.values_list("model_id", "provider").distinct()[:1_000])
    every: dict[str, str] = {str(name): vendor or CHAT for name, vendor in named.items()} | known | _OLD
    return [{"name": name, "vendor": vendor} for name, vendor in sorted(every.items())]


def create(grant: Grant, request: HttpRequest, name: str, configuration: str) -> Json:
    """Make a version: each is a new one, also of the same content."""
    application, asked = found(grant, name), body(request)
    data = asked.get("configuration_data")
    if not isinstance(data, Mapping):
        raise InvalidRecord("configuration_data", data, "an object with prompt, model, params and vendor")
    params, inputs, template = data.get("params") or {}, data.get("prompt_inputs") or [], data.get("prompt")
    if not isinstance(params, Mapping):
        raise InvalidRecord("configuration_data.params", params, "an object")
    if not isinstance(template, str):
        raise InvalidRecord("configuration_data.prompt", template, "a text")
    if not isinstance(inputs, list) or not all(isinstance(one, str) for one in inputs):
        raise InvalidRecord("configuration_data.prompt_inputs", inputs, "a list of names")
    description = asked.get("description")
    made = prompts.add_version(
        grant,
        prompts.get_or_create(grant, application.name),
        template=template,
        settings=params,
        model_id=_text(data, "model"),
        provider=_text(data, "vendor"),
        description=description if isinstance(description, str) else "",
        metadata={"prompt_inputs": inputs},
        first=1,
        is_new=True,
    )
    return described(made)


def every(grant: Grant, request: HttpRequest, name: str, configuration: str) -> Json:
    """The versions, the newest first."""
    prompt = prompts.named(grant, found(grant, name).name)
    return [] if prompt is None else [described(one) for one in prompts.versions(grant, prompt)]


def data(grant: Grant, request: HttpRequest, name: str, configuration: str, version: str) -> Json:
    """What a version consists of."""
    row = _version(grant, name, version)
    return [
        {
            "prompt": row.template or "",
            "prompt_inputs": row.metadata.get("prompt_inputs", row.inputs),
            "model": row.model_id,
            "params": row.settings,
            "vendor": row.provider,
        }
    ]


def released(grant: Grant, request: HttpRequest, name: str, configuration: str) -> Json:
    """What was deployed in an environment, the newest first; with `latest`, what is deployed there now."""
    application = found(grant, name)
    environment = request.GET.get("env", "")
    prompt = prompts.named(grant, application.name)
    if prompt is None:
        return []
    if request.GET.get("latest", "").lower() in ("true", "1"):
        row = prompts.labelled(grant, prompt, environment)
        return [] if row is None else [_release(row, environment)]
    rows = prompts.versions(grant, prompt)
    return [_release(row, label) for row in rows for label in row.labels if environment in ("", label)]


def release(grant: Grant, request: HttpRequest, name: str, configuration: str) -> Json:
    """Deploy a version as `prod` or `test`."""
    asked = body(request)
    environment, version = asked.get("env"), asked.get("version_id")
    if environment not in LABELS:
        raise InvalidRecord("env", environment, "prod or test")
    if not isinstance(version, str):
        raise InvalidRecord("version_id", version, "a version's id")
    row = _version(grant, name, version)
    return _release(prompts.label(grant, row, [environment]), environment)


def described(version: PromptVersion) -> dict[str, Json]:
    """A version as the client reads it."""
    return {
        "id": version.public_id,
        "configuration_id": str(version.prompt_uid),
        "version": version.version,
        "checksum": bytes(version.content_hash).hex(),
        "s3_paths": [],
        "notes": version.description,
        "description": version.description,
        "created_at": version.created_at,
    }


def _release(version: PromptVersion, environment: str) -> dict[str, Any]:
    return {
        "id": f"{version.public_id}-{environment}",
        "env": environment,
        "description": version.description,
        "created_at": version.created_at,
        "version": described(version),
    }


def _version(grant: Grant, name: str, version: str) -> PromptVersion:
    """The version of this id, or of this number, of an application. Raises Refused."""
    application = found(grant, name)
    prompt = prompts.named(grant, application.name)
    row = prompts.version(grant, version)
    if row is None and prompt is not None and version.isdecimal() and len(version) < 10:
        row = prompts.of_number(grant, prompt, int(version))
    if prompt is None or row is None or row.prompt_uid != prompt.pk:
        raise missing(f"version of '{name}'", version)
    return row


def _text(data: Mapping[str, Json], name: str) -> str | None:
    value = data.get(name)
    if value is None or isinstance(value, str):
        return value
    raise InvalidRecord(f"configuration_data.{name}", value, "a text")
