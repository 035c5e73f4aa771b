"""Applications: made, found, listed, archived, deleted; and the pings by which the client knows that we are there."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse

from generations import applications
from generations.access import Grant
from generations.api.gantry.envelope import body, missing, ok
from generations.models import Application
from generations.records import InvalidRecord, Json


def ping(request: HttpRequest) -> HttpResponse:
    """Whether anybody is there; needs no key."""
    return ok()


def auth_ping(grant: Grant, request: HttpRequest) -> None:
    """Whether the key opens."""


def create(grant: Grant, request: HttpRequest) -> Json:
    """Make an application of a type."""
    asked = body(request)
    name, kind = asked.get("model_name"), asked.get("model_type")
    if kind is not None and not isinstance(kind, str):
        raise InvalidRecord("model_type", kind, f"one of {', '.join(Application.Type.values)}")
    made = applications.create(grant, name, kind)  # type: ignore[arg-type]  # the verb says what a name is
    return {"id": str(made.pk)}


def every(grant: Grant, request: HttpRequest) -> Json:
    """The applications by name."""
    return {one.name: described(one) for one in applications.every(grant)}


def one(grant: Grant, request: HttpRequest, name: str) -> Json:
    """One application, by its name or id."""
    return described(found(grant, name))


def archive(grant: Grant, request: HttpRequest, name: str) -> Json:
    """Put one away."""
    applications.archive(grant, found(grant, name))
    return {}


def delete(grant: Grant, request: HttpRequest, name: str) -> Json:
    """Forget one; what it logged stays."""
    applications.delete(grant, found(grant, name))
    return {}


def described(application: Application) -> Mapping[str, Json]:
    """An application as the client reads it. Its versions there are those of its schema, of which there is one."""
    version = {"internal_version": "1", "version": "1", "application_id": str(application.pk)}
    return {
        "id": str(application.pk),
        "func_name": application.name,
        "model_type": application.type,
        "environments": ["dev"],
        "versions": [version],
    }


def found(grant: Grant, name: str) -> Application:
    """The application of this name or id. Raises Refused."""
    application = applications.find(grant, name)
    if application is None:
        raise missing("application", name)
    return application
