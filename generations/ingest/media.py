"""Images, sounds and files that stand inside messages, taken out of them: a message then refers to its attachment."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, quote

from generations.records import AttachmentRecord, GenerationRecord, Json, StepRecord, revised

MARKER: Final = "@@@langfuseMedia:"
"""How what Langfuse's clients write in the place of a file begins; they upload the file by itself."""
_MARKS: Final = (b"base64", b"blob", b"audio", b"inline_data", b"inlineData", b"mediaType", MARKER.encode())
"""What one of which a body has if there is a file inside it."""
MAX_BYTES: Final = 32 << 20
MOST: Final = 100
"""Files that are taken out of one record; further ones stay in it."""
_FIELDS: Final = ("messages", "message_completion", "input", "output", "attributes")
_MIMES: Final = ("media_type", "mime_type", "mimeType", "mediaType", "contentType")
_HOLDERS: Final = ("data", "image", "content")
_DATA_URL: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+=-]+)*);base64,")
_REFERENCE: Final = re.compile(r"attachment:([0-9a-f]{64})\?type=([^&]*)&size=(\d{1,12})")
_MIME: Final = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}")
_MARKED: Final = re.compile(rf"{MARKER}type=([^|@]*)\|id=([\w-]{{22}})\|source=\w*@@@", re.ASCII)
_OTHERWISE: Final = {
    "image/jpg": "image/jpeg",
    **dict.fromkeys(("audio/mp3", "audio/x-mp3", "audio/mpeg3"), "audio/mpeg"),
    **dict.fromkeys(("audio/wave", "audio/x-wav", "audio/vnd.wave"), "audio/wav"),
    **dict.fromkeys(("audio/m4a", "audio/x-m4a"), "audio/mp4"),
    "audio/oga": "audio/ogg",
    "audio/x-flac": "audio/flac",
    "application/x-pdf": "application/pdf",
}
"""Types by names that they do not have, under which browsers would not show them, with their own."""
_BEGINNINGS: Final = (
    (b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"), (b"RIFF", "audio/wav"),
    (b"OggS", "audio/ogg"), (b"ID3", "audio/mpeg"), (b"\xff\xfb", "audio/mpeg"), (b"fLaC", "audio/flac"),
    (b"%PDF", "application/pdf"),
)  # fmt: skip

R = TypeVar("R", bound=GenerationRecord | StepRecord)


@dataclass(frozen=True, slots=True)
class Media:
    """A file that was inside a message, by the digest of its bytes."""

    sha256: str
    mime: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Reference:
    """What stands in a message in the place of a file."""

    sha256: str
    mime: str
    size: int

    def __str__(self) -> str:
        return f"attachment:{self.sha256}?type={quote(self.mime)}&size={self.size}"


Look = Callable[[str], Reference | None]
"""What a file is that was uploaded by itself, by the id that Langfuse's clients give it; None while it is not here."""


def media_id(sha256: str) -> str:
    """The id that Langfuse's clients give a file: the beginning of its digest, in base64."""
    return base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode()[:22]


def is_mime(text: str) -> bool:
    """Whether a text names a type of files."""
    return _MIME.fullmatch(text) is not None


def is_marked(body: bytes) -> bool:
    """Whether a body may have files inside it."""
    return any(mark in body for mark in _MARKS)


def may_hold(records: Iterable[GenerationRecord | StepRecord]) -> bool:
    """Whether one of these records may have files or references inside it: seen sooner than a whole body is searched.

    `taken_out` and `attached` leave all of them as they are if this says no.
    """
    looked: list[Any] = []
    for record in records:
        looked.append((record.input, record.output, record.attributes))
        if isinstance(record, GenerationRecord):
            looked.append((record.messages, record.message_completion))
            if record.alternatives:
                looked.append([other.content for other in record.alternatives])
    for value in looked:  # grows: there may be more levels than Python calls go deep
        if type(value) is dict:
            if "data" in value or "image" in value or value.get("type") == "blob":
                return True
            value = value.values()
        for inner in value:
            kind = type(inner)
            if kind is str:
                if inner[:1] in _BEGIN and inner.startswith(_STARTS):
                    return True
            elif kind is dict or kind is list:
                looked.append(inner)
    return False


_STARTS: Final = ("data:", "attachment:", MARKER)
_BEGIN: Final = frozenset(start[0] for start in _STARTS)


def reference(text: Json) -> Reference | None:
    """The reference that a text is, or None."""
    found = _REFERENCE.fullmatch(text) if isinstance(text, str) and text.startswith("attachment:") else None
    if found is None:
        return None
    return Reference(found[1], parse_qs(f"type={found[2]}").get("type", [""])[0], int(found[3]))


def taken_out(record: R, found: dict[str, Media] | None, look: Look | None = None) -> R:
    """The record with references in the place of its files, which are put into `found` by their digests.

    Base64 that is none, and files larger than MAX_BYTES, stay as they are; all of it does without `found`. With `look`,
    references stand in the place of files that were uploaded by themselves as well.
    """
    taker = _Taker(found, look)
    changes: dict[str, Any] = {}
    for name in _FIELDS:
        value = getattr(record, name, None)
        if isinstance(value, dict | list) and (changed := taker.within(value)) is not value:
            changes[name] = changed
    if isinstance(record, GenerationRecord) and record.alternatives:
        others = tuple(
            other if changed is other.content else replace(other, content=changed)
            for other in record.alternatives
            for changed in [taker.within(other.content)]
        )
        if others != record.alternatives:
            changes["alternatives"] = others
    return revised(record, **changes) if changes else record


def attached(record: R, folder: str) -> R:
    """The record with an attachment for each file that its messages refer to, kept in `folder` by its digest."""
    values = [getattr(record, name, None) for name in _FIELDS]
    if isinstance(record, GenerationRecord):
        values += [other.content for other in record.alternatives or ()]
    found = {one.sha256: one for value in values for one in _references(value)}
    if not found:
        return record
    is_call = isinstance(record, GenerationRecord)
    own = f"{'generation' if is_call else 'step'}\0{record.id}\0"
    files = tuple(
        AttachmentRecord(
            id=hashlib.blake2b((own + one.sha256).encode("utf-8", "replace"), digest_size=16).hexdigest(),
            name=f"{one.mime.partition('/')[0] or 'file'}-{one.sha256[:8]}",
            mime=one.mime,
            size=one.size,
            sha256=one.sha256,
            storage_key=folder + one.sha256,
            generation_id=record.id if is_call else None,
            step_id=None if is_call else record.id,
        )
        for one in found.values()
    )
    return revised(record, attachments=(*record.attachments, *files))


class _Taker:
    def __init__(self, found: dict[str, Media] | None, look: Look | None) -> None:
        self._found = found
        self._look = look
        self._left = MOST

    def within(self, value: Json) -> Json:
        """`value` without its files; the very same object when there are none."""
        if isinstance(value, str):
            if value.startswith("data:"):
                return self._of_url(value)
            return self._uploaded(value) if value.startswith(MARKER) else value
        if isinstance(value, list):
            items = [self.within(item) for item in value]
            return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
        if isinstance(value, Mapping):
            changed = {name: new for name, old in value.items() if (new := self.within(old)) is not old}
            changed |= self._of_part({**value, **changed})
            return {**value, **changed} if changed else value
        return value

    def _uploaded(self, marker: str) -> str:
        if self._look is None or self._left <= 0 or (said := _MARKED.fullmatch(marker)) is None:
            return marker
        self._left -= 1
        if (there := self._look(said[2])) is None:
            return marker
        mime = said[1].lower() if is_mime(said[1]) else there.mime
        return str(replace(there, mime=_OTHERWISE.get(mime, mime)))

    def _of_url(self, url: str) -> str:
        found = _DATA_URL.match(url)
        return self._kept(url[found.end() :], found[1] or "", url) if found else url

    def _of_part(self, part: Mapping[str, Json]) -> dict[str, str]:
        """The members of a part that hold base64 beside a type or format, or in a blob."""
        said = next((part[name] for name in _MIMES if isinstance(part.get(name), str)), "")
        form = part.get("format")
        mime = said or (f"audio/{form}" if isinstance(form, str) else "")
        if not mime and part.get("type") not in ("blob", "image") and "transcript" not in part:
            return {}
        for name in _HOLDERS:
            data = part.get(name)
            if name == "content" and part.get("type") != "blob":
                continue
            if isinstance(data, str) and len(data) >= 16 and not data.startswith(("attachment:", "http", "data:")):
                kept = self._kept(data, mime, data)
                return {name: kept} if kept is not data else {}
        return {}

    def _kept(self, data: str, mime: str, whole: str) -> str:
        if self._found is None or self._left <= 0 or len(data) > MAX_BYTES * 4 // 3 + 4:
            return whole
        try:
            content = base64.b64decode(data.translate(_PLAIN), validate=True)
        except (binascii.Error, ValueError):
            return whole
        self._left -= 1
        mime = mime.lower() if is_mime(mime) else ""
        mime = _OTHERWISE.get(mime, mime)
        mime = mime or next((m for start, m in _BEGINNINGS if content.startswith(start)), "application/octet-stream")
        sha256 = hashlib.sha256(content).hexdigest()
        self._found[sha256] = Media(sha256, mime, content)
        return str(Reference(sha256, mime, len(content)))


_PLAIN: Final = str.maketrans({"-": "+", "_": "/", "\n": None, "\r": None, " ": None})


def _references(value: Json) -> Iterator[Reference]:
    if isinstance(value, str):
        if (found := reference(value)) is not None:
            yield found
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _references(item)
