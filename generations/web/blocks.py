"""What is too long for its page: the next piece of a text, all of it, a file inside of a message, or a part of the
JSON. The same for a generation and for a step."""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import content_disposition_header, urlencode

from generations import attachments as stored
from generations.access import Grant
from generations.ingest import media
from generations.models import Attachment
from generations.records import Json
from generations.web import conversation, jsontree, markup, parts
from generations.web.conversation import Reading
from generations.web.frame import show
from generations.web.gate import is_part
from generations.web.markup import Budget, Variables

_UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f"\\]+')
SANDBOX: Final = "default-src 'none'; sandbox"


@dataclass(frozen=True, slots=True)
class Whole:
    """A generation or a step, of which a part is asked for: its document, its files, and where its page is.

    `noun` is what it is called; `here` the entry of the navigation; `actions` hold the addresses of its parts.
    """

    noun: str
    title: str
    address: str
    here: str
    said: Mapping[str, Json]
    actions: Mapping[str, str]
    files: Sequence[Attachment] = ()
    variables: Variables = field(default_factory=Variables)

    def at(self, place: str) -> Json:
        """What stands at a pointer; raises Http404."""
        try:
            return markup.at(self.said, place)
        except markup.NoSuchPart as error:
            raise Http404(f"There is nothing at {place[:200]} in this {self.noun}.") from error


def piece(request: HttpRequest, grant: Grant, whole: Whole) -> HttpResponse:
    """The next piece of a long block (`?at=` pointer, `from=` character), or all of it `as=text` or `as=file`."""
    place = request.GET.get("at", "")
    value = whole.at(place)
    how = request.GET.get("as", "")
    if how == "file":
        if (kept := media.reference(value)) is not None:
            return _kept_file(whole, place, kept)
        return _file(whole, place, value)
    text = value if isinstance(value, str) else markup.pretty(value)
    if how == "text":
        return plain_text(text)
    begin = min(index(request, "from"), len(text))
    context = {
        "whole": whole,
        "place": place,
        "shown": markup.plain(text, start=begin, variables=whole.variables),
        "begin": begin,
        "length": len(text),
        "actions": whole.actions,
    }
    return show(request, grant, "blocks/block.html", context, here=whole.here, part="blocks/_more.html")


def plain_text(text: str) -> HttpResponse:
    """A text as nothing but text, whatever a browser would make of it."""
    response = HttpResponse(text.encode("utf-8", "replace"), content_type="text/plain; charset=utf-8")
    response.headers["Content-Security-Policy"] = SANDBOX
    return response


def branch(request: HttpRequest, grant: Grant, whole: Whole) -> HttpResponse:
    """What is below a place of the JSON (`?at=` pointer, `from=` place among its parts), as rows; for htmx alone."""
    place = request.GET.get("at", "")
    value = whole.at(place)
    if not is_part(request):
        return redirect(f"{whole.address}?{urlencode({'view': 'json', **request.GET.dict()})}")
    level = place.count("/")
    context = {"actions": whole.actions, "level": min(level, jsontree.DEEPEST), "place": place}
    if isinstance(value, str):
        context["shown"] = markup.plain(value)
        template = "blocks/_json_text.html"
    else:
        room = jsontree.ROOM
        context["rows"] = jsontree.rows(value, place, room=room, first=index(request, "from"), level=level)
        template = "blocks/_json.html"
    return show(request, grant, template, context, here=whole.here, part=template)


def as_json(request: HttpRequest, whole: Whole, said: Mapping[str, Json], budget: Budget) -> dict[str, Any]:
    """What a page shows of all that was said as JSON, or of what is at the place that `?at=` says, if it fits."""
    place = request.GET.get("at", "")
    value = whole.at(place) if place else said
    if not isinstance(value, Mapping | list):
        block = conversation.value_block(place, value, budget, Reading(is_raw=True))
        return {"place": place, "crumbs": jsontree.crumbs(place), "text": block}
    room = min(jsontree.ROOM, budget.left)
    rows = jsontree.rows(value, place, room=room, first=index(request, "from"), level=place.count("/"))
    return {"place": place, "crumbs": jsontree.crumbs(place), "rows": rows}


def index(request: HttpRequest, name: str) -> int:
    """The number that a parameter of the query gives, from 0."""
    given = request.GET.get(name, "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 12 else 0


def _kept_file(whole: Whole, place: str, kept: media.Reference) -> HttpResponse:
    """The file that a message refers to: one of the generation's own attachments, whatever a message may say."""
    row = next((row for row in whole.files if row.sha256 == kept.sha256 and row.storage_key), None)
    if row is None:
        raise Http404(f"There is no such file in this {whole.noun}.")
    is_shown = row.mime in parts.PICTURES | parts.SOUNDS
    return redirect(stored.path(row.storage_key or "", row.mime, None if is_shown else _name(whole, place, row.mime)))


def _file(whole: Whole, place: str, value: Json) -> HttpResponse:
    """A file that was sent inline: an image or a sound as what it is, anything else as a download of no type."""
    if not isinstance(value, str):
        raise Http404("This is no file.")
    holder = markup.at(whole.said, place.rpartition("/")[0])
    head, comma, data = value.partition(",")
    if head.startswith("data:") and comma:
        mime, is_encoded = head[5:].split(";", 1)[0].lower(), head.endswith(";base64")
    else:
        mime, data, is_encoded = parts.mime_of(holder), value, True
    if not is_encoded:
        raise Http404("This is no file.")
    try:
        is_text = isinstance(holder, Mapping) and holder.get("type") == "text"  # as Anthropic's documents may be
        content = value.encode("utf-8", "replace") if is_text else base64.b64decode(data, validate=False)
    except (binascii.Error, ValueError) as error:
        raise Http404("The file was sent damaged.") from error
    is_shown = mime in parts.PICTURES | parts.SOUNDS
    response = HttpResponse(content, content_type=mime if is_shown else "application/octet-stream")
    if not is_shown:
        response.headers["Content-Disposition"] = content_disposition_header(True, _name(whole, place, mime)) or ""
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = SANDBOX
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response


def address(request: HttpRequest, **changes: str) -> str:
    """The query of the page that is shown, with some of its parameters changed."""
    query = request.GET.copy()
    for name, value in changes.items():
        query[name] = value
    for name in ("at", "from"):
        query.pop(name, None)
    return query.urlencode()


def _name(whole: Whole, place: str, mime: str | None) -> str:
    """What a file is called when it is kept: as the message says, without folders, or by its type."""
    held = markup.at(whole.said, place.rpartition("/")[0])
    said = held.get("filename") if isinstance(held, Mapping) else None
    plain = _UNSAFE.sub(" ", said).rpartition("/")[2].strip(" .") if isinstance(said, str) else ""
    return plain[:100] or f"file{mimetypes.guess_extension(mime or '') or ''}"
