"""`/api/public/media`: where Langfuse's clients upload the files that they cut out of spans."""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from functools import partial
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import re_path
from django.views.decorators.csrf import csrf_exempt

from generations import attachments, intake
from generations.access import Grant, Scope
from generations.api import otlp, otlp_media, receive
from generations.api.addresses import base_of
from generations.api.errors import Refused
from generations.api.langfuse import DOOR, agent_of, answered, document, refused
from generations.api.straight import straight
from generations.ingest import langfuse
from generations.ingest.media import MAX_BYTES, Media
from generations.ingest.values import iso, mapping, whole
from generations.intake import Refusal
from generations.models import Project
from generations.records import InvalidRecord

_PATH: Final = "/api/public/media"
_CHECKSUM: Final = "x-amz-checksum-sha256"


@straight
@csrf_exempt
def media(request: HttpRequest) -> HttpResponse:
    """Say where a file is to be put, or that it is here already."""
    return answered(request, {"POST": _asked})


@straight
@csrf_exempt
def one(request: HttpRequest, id: str) -> HttpResponse:
    """Tell of a file, or be told how its upload went."""
    return answered(request, {"GET": partial(_told, id=id), "PATCH": partial(_reported, id=id)})


@straight
@csrf_exempt
def content(request: HttpRequest, token: str) -> HttpResponse:
    """Take the bytes of a file. The address is the permission: the clients send no key to it."""

    def put() -> HttpResponse:
        if request.method != "PUT":
            raise Refused(405, "method_not_allowed", "Send a PUT.", headers={"Allow": "PUT"})
        return _put(request, token)

    return otlp.guarded(put, refused)


urlpatterns = [
    re_path(r"^api/public/media/?\Z", media),
    re_path(r"^api/public/media/upload/(?P<token>[\w:.=-]+)\Z", content),
    re_path(r"^api/public/media/(?P<id>[A-Za-z0-9_-]{1,64})/?\Z", one),
]


def _asked(request: HttpRequest, grant: Grant) -> HttpResponse:
    try:
        asked = _read(request)
    except Refused as error:
        agent = agent_of(request)
        intake.keep(grant.project, DOOR, [Refusal(error.message)], receive.taken(request), agent)
        intake.count(grant.project, DOOR, agent, 1, 1)
        raise
    if (there := attachments.placed(grant.project, asked.media_id)) is not None:
        otlp_media.uploaded(grant.project, asked.trace_id, asked.span_id)
    if there is not None and not attachments.have_gone([attachments.folder(grant.project) + there.file.sha256]):
        return document({"mediaId": asked.media_id, "uploadUrl": None})
    token = attachments.media_token(
        {
            "project": grant.project.pk,
            "sha256": asked.sha256,
            "mime": asked.mime,
            "size": asked.size,
            "trace": asked.trace_id,
            "span": asked.span_id,
        }
    )
    return document({"mediaId": asked.media_id, "uploadUrl": f"{base_of(request)}{_PATH}/upload/{token}"})


def _read(request: HttpRequest) -> langfuse.Upload:
    try:
        asked = langfuse.upload(receive.document(request))
    except InvalidRecord as error:
        raise Refused(400, "invalid", str(error)) from None
    if asked.size > (most := min(MAX_BYTES, settings.INGEST_MAX_BYTES)):
        raise Refused(413, "too_large", f"contentLength is {asked.size}; a file has at most {most} bytes.")
    return asked


def _put(request: HttpRequest, token: str) -> HttpResponse:
    try:
        said = attachments.media_of(token)
    except attachments.BadSignature as error:
        raise Refused(403, "not_allowed", str(error)) from None
    project = Project.objects.filter(pk=said["project"]).first()
    if project is None:
        raise Refused(404, "not_found", "The project that this file was to be put into is gone.")
    kind = (request.content_type or "").lower()
    if kind != said["mime"]:
        raise Refused(400, "invalid", f"The Content-Type is {kind[:80]!r}; {said['mime']!r} was announced.")
    body = receive.body(request, MAX_BYTES)
    if len(body) != said["size"]:
        raise Refused(400, "invalid", f"The body has {len(body)} bytes; {said['size']} were announced.")
    sent = request.headers.get(_CHECKSUM)
    try:
        digests = {
            said["sha256"],
            hashlib.sha256(body).hexdigest(),
            *([langfuse.digest(sent, _CHECKSUM)] if sent else ()),
        }
    except InvalidRecord as error:
        raise Refused(400, "invalid", str(error)) from None
    if len(digests) > 1:
        raise Refused(400, "invalid", "The SHA-256 of the body is not the one that was announced.")
    one = Media(said["sha256"], said["mime"], body)
    here = attachments.place(project, one)
    otlp_media.uploaded(project, said["trace"], said["span"])
    if here and not attachments.stay(project, [one]):
        attachments.place(project, one)
        otlp_media.uploaded(project, said["trace"], said["span"])
    return HttpResponse()


def _reported(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    try:
        whole(mapping(receive.document(request), "body").get("uploadHttpStatus"), "uploadHttpStatus")
    except InvalidRecord as error:
        raise Refused(400, "invalid", str(error)) from None
    _there(grant, id)
    return document({})


def _told(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    grant.need(Scope.READ)
    there = _there(grant, id)
    expiry = dt.datetime.fromtimestamp(int(time.time()) + attachments.READ_SECONDS, dt.UTC)
    key = attachments.folder(grant.project) + there.file.sha256
    told: dict[str, Any] = {
        "mediaId": id,
        "contentType": there.file.mime,
        "contentLength": there.file.size,
        "uploadedAt": iso(there.at),
        "url": base_of(request) + attachments.path(key, there.file.mime),
        "urlExpiry": iso(expiry),
    }
    return document(told)


def _there(grant: Grant, id: str) -> attachments.Placed:
    if (there := attachments.placed(grant.project, id)) is None:
        raise Refused(404, "not_found", f"There is no file {id!r} in this project.")
    return there
