"""Text that others wrote, as safe HTML of a known size: plain, Markdown, JSON, with variables marked. Pure.

Everything here is hostile until escaped. Nothing that is shown makes a browser fetch anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import nh3
import orjson
from django.utils.html import escape
from django.utils.safestring import SafeString
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from generations import reading
from generations.records import Json

CHUNK: Final = 64 * 1024
"""The most bytes of HTML that one block puts into a page; the rest is asked for."""
MARKDOWN_LIMIT: Final = 32 * 1024
MOST_MARKS: Final = 200
MOST_LOOKS: Final = 5_000
"""How often the values of variables are looked for in a text: a letter stands in it tens of thousands of times."""
MOST_COLOURED: Final = 8
COLOURS: Final = 6
"""How many colours variables have."""
SHORT: Final = 3
"""Values of at most this many characters are marked only where they are whole words."""

# How much of which language is coloured: the lexers of others take time that grows with the square of hostile text,
# and these stay below a third of a second (measured with repetitions of every character that opens something).
_LANGUAGES: Final = {
    "bash": ("bash", 16_384),
    "css": ("css", 16_384),
    "go": ("go", 16_384),
    "html": ("html", 8_192),
    "javascript": ("javascript", 8_192),
    "js": ("javascript", 8_192),
    "json": ("json", 16_384),
    "py": ("python", 4_096),
    "python": ("python", 4_096),
    "rust": ("rust", 16_384),
    "sh": ("bash", 16_384),
    "shell": ("bash", 16_384),
    "sql": ("sql", 16_384),
    "toml": ("toml", 16_384),
    "xml": ("xml", 8_192),
}
_SCHEMES: Final = {"http", "https", "mailto"}


@dataclass(slots=True)
class Budget:
    """How many bytes of HTML the page still has for what others wrote."""

    left: int

    def spend(self, html: str) -> None:
        """Note that `html` is put into the page."""
        self.left -= weight(html)


@dataclass(frozen=True, slots=True)
class Shown:
    """A piece of a text as HTML; `rest` is where in the text the next piece begins, None when this was the last."""

    html: SafeString
    rest: int | None = None


@dataclass(frozen=True, slots=True)
class Variables:
    """The values that were put into a prompt template, to be found again in what was sent."""

    values: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Json) -> Variables:
        """From a generation's variables: texts as they are, anything else as JSON."""
        pairs = given.items() if isinstance(given, Mapping) else ()
        return cls({str(name): value if isinstance(value, str) else compact(value) for name, value in pairs})

    def place(self, name: str) -> int:
        """Which of the variables it is, from 0: its colour, and the end of its anchor."""
        return next((place for place, one in enumerate(self.values) if one == name), 0)


Span = tuple[int, int, str]
"""Where in a text the value of a variable stands, and which variable."""


def weight(html: str) -> int:
    """The bytes of `html` on the wire."""
    return len(html.encode("utf-8", "replace"))


def compact(value: Json) -> str:
    """`value` as JSON on one line."""
    return reading.compact(value)


def pretty(value: Json) -> str:
    """`value` as indented JSON, the numbers of a list one after the other: a vector's would be thousands of lines."""
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", reading.indented(value))


_NUMBERS: Final = re.compile(r"\[\n((?:\s+-?\d[-+.\deE]*,\n)+\s+-?\d[-+.\deE]*)\n\s*\]")
"""A list of numbers, one a line. Within a text of JSON no line ends."""


def parsed(text: str) -> Json:
    """The value of a JSON text; raises ValueError."""
    return orjson.loads(text)


# ------------------------------------------------------------------------------------------------------------ plain
def plain(
    text: str,
    room: int = CHUNK,
    start: int = 0,
    variables: Variables | None = None,
    spans: Sequence[Span] | None = None,
) -> Shown:
    """The piece of `text` from `start` on that fits `room` bytes of HTML.

    Variables are marked where `spans` says, else wherever their values are found.
    """
    end = min(len(text), start + max(room, 1))
    if spans is None:
        spans = _found(text, start, end, variables) if variables is not None else ()
    known = variables or Variables()
    html = _marked(text, start, end, spans, known)
    while weight(html) > room and end - start > 64:
        # Escaping lengthens a text up to sixfold: shorten by what was seen, with a little less to be sure.
        end = start + max(64, int((end - start) * room / weight(html) * 0.95))
        html = _marked(text, start, end, spans, known)
    return Shown(SafeString(html), end if end < len(text) else None)


def _found(text: str, start: int, end: int, variables: Variables) -> list[Span]:
    """Where values stand in the text, longest value first where two would overlap; short ones as whole words only."""
    taken: list[Span] = []
    looks = 0
    for name, value in sorted(variables.values.items(), key=lambda pair: -len(pair[1])):
        if not value.strip():
            continue
        until = start
        while looks < MOST_LOOKS and len(taken) < MOST_MARKS:
            looks += 1
            at = text.find(value, until, end)
            if at == -1:
                break
            until = at + len(value)
            is_free = all(until <= first or at >= last for first, last, _ in taken)
            if is_free and (len(value) > SHORT or _is_word(text, at, until)):
                taken.append((at, until, name))
    return sorted(taken)


def _is_word(text: str, start: int, end: int) -> bool:
    around = text[max(0, start - 1) : start] + text[end : end + 1]
    return not any(character.isalnum() for character in around)


def _marked(text: str, start: int, end: int, spans: Sequence[Span], variables: Variables) -> str:
    pieces: list[str] = []
    at = start
    for first, last, name in spans:
        if first >= end:
            break
        pieces.append(_escaped(text[at:first]))
        place = variables.place(name)
        inner = _escaped(text[first : min(last, end)])
        pieces.append(
            f'<a class="var v{place % COLOURS}" href="#variable-{place}" title="{_escaped(name[:100])}">{inner}</a>'
        )
        at = min(last, end)
    pieces.append(_escaped(text[at:end]))
    return "".join(pieces)


def _escaped(text: str) -> str:
    """Text as HTML, with marks in the place of characters that are not seen or that turn the text around."""
    return escape(reading.seen(text))


def template_spans(template: str, text: str, variables: Variables) -> list[Span] | None:
    """Where each variable of `template` stands in the `text` that was made from it; None when it was not.

    Placeholders are `{{name}}` or `{name}`. The template is followed from left to right, so a short value is found
    exactly where it was put, and nowhere else.
    """
    spans: list[Span] = []
    at = seen = 0
    for hole in re.finditer(r"\{\{\{?\s*([\w.\-]+)\s*\}?\}\}|\{\s*([\w.\-]+)\s*\}", template):
        fixed = template[seen : hole.start()]
        name = hole[1] or hole[2]
        value = variables.values.get(name)
        if value is None:
            continue
        if not text.startswith(fixed + value, at):
            return None
        first = at + len(fixed)
        at = first + len(value)
        spans.append((first, at, name))
        seen = hole.end()
    return spans if spans and text[at:] == template[seen:] else None


# --------------------------------------------------------------------------------------------------- JSON and code
def coloured(code: str, language: str) -> str | None:
    """`code` with its syntax coloured, as HTML; None where that is not known or would be too long."""
    name, limit = _LANGUAGES.get(language.lower(), ("", 0))
    if not name or len(code) > limit:
        return None
    html: str = highlight(reading.seen(code), get_lexer_by_name(name, stripnl=False, ensurenl=False), _formatter())
    return html


@cache
def _formatter() -> HtmlFormatter[str]:
    return HtmlFormatter(nowrap=True)


def json_text(value: Json, room: int = CHUNK) -> Shown:
    """`value` as indented JSON, coloured where it is short, cut where it is long."""
    text = pretty(value)
    html = coloured(text, "json")
    if html is not None and weight(html) <= room:
        return Shown(SafeString(html))
    return plain(text, room)


# --------------------------------------------------------------------------------------------------------- Markdown
def markdown(text: str, room: int = CHUNK) -> Shown | None:
    """`text` rendered from Markdown; None where it is too long for that, and `plain` has to do.

    HTML in it is text. Images are links: whoever wrote the text does not learn who reads it.
    """
    if len(text) > min(MARKDOWN_LIMIT, room):
        return None
    html = nh3.clean(
        _markdown().render(reading.seen(text), {}),
        tags=_TAGS,
        attributes={"a": {"href", "title"}, "span": {"class"}, "code": {"class"}, "ol": {"start"}},
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow",
    )
    return Shown(SafeString(html)) if weight(html) <= room else None


_TAGS: Final = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre",
    "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


@cache
def _markdown() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
    parser.add_render_rule("image", _image)
    parser.add_render_rule("fence", _fence)
    parser.add_render_rule("link_open", _link)
    return parser


def _image(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: Mapping[str, Any]
) -> str:
    token = tokens[index]
    address = str(token.attrs.get("src", ""))
    name = escape(token.content or address)
    return f'<a href="{escape(address)}">{name}</a>'


def _fence(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: Mapping[str, Any]
) -> str:
    token = tokens[index]
    words = token.info.split()
    is_first = len(env) < MOST_COLOURED
    html = coloured(token.content, words[0]) if words and is_first else None
    if isinstance(env, dict):
        env[index] = True
    return f"<pre><code>{html or escape(token.content)}</code></pre>\n"


def _link(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: Mapping[str, Any]) -> str:
    return f'<a href="{escape(str(tokens[index].attrs.get("href", "")))}">'


# ------------------------------------------------------------------------------------------------------------ places
def pointer(*keys: str | int) -> str:
    """A JSON Pointer (RFC 6901) to a part of a document."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


class NoSuchPart(LookupError):
    """The document has nothing at this pointer."""


def at(document: Json, place: str) -> Json:
    """What stands in `document` at the pointer `place`; raises NoSuchPart."""
    value = document
    for key in _keys(place):
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isascii() and key.isdigit() and len(key) < 9 and int(key) < len(value):
            value = value[int(key)]
        else:
            raise NoSuchPart(place)
    return value


def _keys(place: str) -> Iterable[str]:
    if place and not place.startswith("/"):
        raise NoSuchPart(place)
    unescape: Callable[[str], str] = lambda key: key.replace("~1", "/").replace("~0", "~")  # noqa: E731
    return map(unescape, place.split("/")[1:])
