"""How values are shown on pages. What is unknown is a dash that says so, never a zero."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache, lru_cache
from html import escape as escaped
from typing import Final
from urllib.parse import quote, urlencode

from django import template
from django.conf import settings
from django.contrib.messages.storage.base import Message
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from generations import filters, reading
from generations.models import Generation, Project, Step
from generations.records import Json
from generations.trees import Node

register = template.Library()

UNKNOWN: Final = SafeString('<span class="unknown" title="Unknown">—</span>')
_NO_END: Final = SafeString('<span class="no-end" title="No end is recorded">no end</span>')
_WRONG: Final = '<span class="field-error" role="alert"{}>{}</span>'
_MODULE: Final = re.compile(r"^(?:\w+\.)+(?=\w+(?::|$))")
_CONTROL: Final = re.compile(r"<(?:input|select|textarea)(?=[\s>])")
_SYMBOLS: Final = {"USD": "$", "EUR": "€", "GBP": "£"}
_ALIKE: Final = 8
"""So many values of a call's metadata lead to all that have the same."""
_UNITS: Final = ("KB", "MB", "GB", "TB")


@cache
def _sprite() -> str:
    return static("generations/icons.svg")


@register.simple_tag
@lru_cache(maxsize=1_000)
def icon(name: str, label: str = "") -> SafeString:
    """An icon of the sprite; without a `label` it is decoration."""
    if label:
        return format_html(
            '<svg class="icon" role="img" aria-label="{}"><title>{}</title><use href="{}#{}"></use></svg>',
            label,
            label,
            _sprite(),
            name,
        )
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', _sprite(), name)


@register.filter
def known(value: object) -> object:
    """The value, or the dash for what nobody said."""
    return UNKNOWN if value is None or value == "" else value


@register.filter
def excerpt(value: object, most: int = 200) -> SafeString:
    """The beginning of a text, in at most so many bytes of HTML, whatever its characters."""
    text = reading.seen(str(value)[: most + 1])
    cut = text[:most]
    # The standard library's: Django's looks whether the text is a translation that has still to be made.
    html = escaped(cut)
    while (weight := len(html) if html.isascii() else len(html.encode("utf-8", "replace"))) > most:
        cut = cut[: min(len(cut) - 1, int(len(cut) * most / weight))]
        html = escaped(cut)
    return SafeString(html if len(cut) == len(text) else f"{html}…")


@register.filter
def failure(error: str, most: int = 200) -> SafeString:
    """The beginning of an error where there is room for little: of a trace what it ends with, without the module."""
    told = reading.raised(error)
    return excerpt(error if told is None else _MODULE.sub("", told), most)


@register.simple_tag
def csrf_cookie() -> str:
    """The name of the cookie that holds the token of forms."""
    return settings.CSRF_COOKIE_NAME


@register.filter
def told(message: Message) -> str:
    """A message as it was written, if it was as HTML; any other like `seen`."""
    text = message.message
    return text if isinstance(text, SafeString) else seen(text)


@register.filter
def seen(value: object) -> str:
    """All of a text, with what a terminal obeys and what turns text around shown by its number."""
    return reading.seen(str(value))


@register.simple_tag
def beside(problem: str | None, *names: str) -> str:
    """What is wrong with a field of a form, to stand beside it: the problem that begins with one of its names, or with
    one and a place in it (`criteria, line 2`, `criteria.safe`)."""
    at_fault = (problem or "").partition(":")[0]
    is_here = any(at_fault == name or at_fault.startswith((f"{name},", f"{name}.", f"{name}[")) for name in names)
    return _wrong(problem or "") if is_here else ""


@register.simple_block_tag
def fields(content: SafeString, problem: str | None) -> str:
    """The fields of a form, and above them what is wrong where that does not stand `beside` one of them.

    Beside one, the field is said to be invalid and why, and has the focus when the page is there.
    """
    if not problem:
        return content
    before, told, after = content.partition(wrong := _wrong(problem))
    controls = [*_CONTROL.finditer(before)]
    if not told or not controls:
        return content if told else wrong + content
    name = re.sub(r"\W+", "-", problem.partition(":")[0])
    place = controls[-1].end()
    said = f' aria-invalid="true" aria-describedby="why-{name}" autofocus'
    return SafeString(f"{before[:place]}{said}{before[place:]}{_wrong(problem, f'why-{name}')}{after}")


def _wrong(problem: str, name: str = "") -> SafeString:
    return format_html(_WRONG, format_html(' id="{}"', name) if name else "", reading.seen(problem))


@register.filter
def remainder(value: int, by: int) -> int:
    """What is left of a number that is divided."""
    return value % by


@register.filter
def number(value: float | Decimal | None) -> str:
    """A count with separators of thousands; a fraction with three digits at most."""
    if value is None:
        return UNKNOWN
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    return f"{value:,.0f}" if isinstance(value, float) else f"{value:,}"


@register.filter
def percent(value: float | None) -> str:
    """A share of 1 in percent: `12.5 %`."""
    return UNKNOWN if value is None else f"{number(round(value * 100, 1))} %"


@register.filter
def seconds(value: float | None) -> str:
    """A duration: `312 ms`, `1.24 s`, `2 m 05 s`."""
    if value is None:
        return UNKNOWN
    if value < 0:
        return f"−{seconds(-value)}"
    if value < 0.9995:
        return f"{value * 1000:.0f} ms" if value >= 0.001 or value == 0 else f"{value * 1000:.2g} ms"
    if value < 59.995:
        return f"{value:.2f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} m" if hours else f"{minutes} m {rest:02} s"


@register.filter
def ago(value: dt.datetime) -> str:
    """How long ago something was, in its largest unit: for what is told anew all the time."""
    passed = (timezone.now() - value).total_seconds()
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if passed >= length:
            return f"{passed // length:.0f} {unit} ago"
    return "just now" if passed < 15 else f"{passed:.0f} s ago"


@register.filter
def lasted(step: Step | Node) -> str:
    """How long a step took; of work that nobody said ended, that it has no end. Messages take no time."""
    has_no_end = step.latency is None and not step.type.endswith("message")
    return _NO_END if has_no_end else seconds(step.latency)


@register.filter
def speed(tokens: float | None) -> str:
    """Tokens a second, without the unit: what is slow keeps two digits, and to stand still is to be unknown."""
    if not tokens:
        return UNKNOWN
    return f"{tokens:,.1f}" if tokens >= 0.95 else f"{tokens:.2g}"


@register.simple_tag
def money(amount: Decimal | float | None, currency: str | None = "USD") -> str:
    """An amount with its currency: two decimals from one unit on, three significant digits below it."""
    if amount is None:
        return UNKNOWN
    exact = Decimal(str(amount))
    digits = 2 if exact == 0 or abs(exact) >= 1 else 2 - exact.adjusted()
    symbol = _SYMBOLS.get(currency or "USD")
    shown = f"{abs(exact):,.{digits}f}"
    if digits > 2:
        whole, _, decimals = shown.partition(".")
        shown = f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"
    sign = "−" if exact < 0 else ""
    return f"{sign}{symbol}{shown}" if symbol else f"{sign}{shown} {currency}"


@register.simple_tag
def measured(value: float | Decimal | None, unit: str, currency: str | None = None) -> str:
    """A number of a chart in its unit: count, seconds, money, share (0 to 1, as percents) or score."""
    if value is None:
        return UNKNOWN
    if unit == "seconds":
        return seconds(float(value))
    if unit == "money":
        return money(value, currency)
    if unit == "share":
        return f"{value:.1%}".replace("%", " %")
    return number(value)


@register.filter
def beginning(value: str | None) -> str:
    """The first words of a text on one line, by which others that say the same are found: 60 characters at most."""
    return next((line.strip()[:60].strip() for line in (value or "").splitlines() if line.strip()), "")


@register.filter
def size(value: int | None) -> str:
    """A number of bytes: `512 B`, `1.4 MB`."""
    if value is None:
        return UNKNOWN
    if value < 1000:
        return f"{value} B"
    amount = float(value)
    for unit in _UNITS:
        amount /= 1000
        if amount < 999.5 or unit == _UNITS[-1]:
            break
    return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"


def _moment(local: dt.datetime, form: str) -> SafeString:
    """A moment of the project's zone; to the millisecond, and in UTC, when pointed at.

    When clocks are set back an hour comes twice: which of both it is is said by the name of its time.
    """
    utc = local.astimezone(dt.UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    exact = f"{local:%A %Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03} {local.tzname() or ''}".strip()
    if local.utcoffset():
        exact += f", {utc.replace('T', ' ')} UTC"
    comes_twice = local.replace(fold=1 - local.fold).utcoffset() != local.utcoffset()
    which = f" {local.tzname()}" if comes_twice else ""
    return SafeString(f'<time datetime="{utc}Z" title="{escaped(exact)}">{local:{form}}{escaped(which)}</time>')


@register.filter
def moment(value: dt.datetime | None) -> SafeString:
    """A moment in the project's zone, to the second; to the millisecond when pointed at."""
    return UNKNOWN if value is None else _moment(timezone.localtime(value), "%Y-%m-%d %H:%M:%S")


@register.filter
def short_moment(value: dt.datetime | None) -> SafeString:
    """A moment without its year, where the column says the zone; with it when it is another year's."""
    if value is None:
        return UNKNOWN
    local = timezone.localtime(value)
    return _moment(local, "%b %d %H:%M:%S" if local.year == timezone.localtime().year else "%Y-%m-%d %H:%M")


@register.filter
def earlier(one: dt.datetime, other: dt.datetime | None) -> dt.datetime:
    """The earlier of two moments; the one where there is no other."""
    return one if other is None else min(one, other)


@register.simple_tag
def safe_link(address: object) -> str:
    """A link to an address on the web that someone else wrote; the bare text of any other."""
    text = str(address)
    shown = text if len(text) <= 100 else text[:99] + "…"
    if text.startswith(("https://", "http://")):
        return format_html('<a href="{}" rel="noopener noreferrer nofollow">{}</a>', text, shown)
    return format_html('<span class="code">{}</span>', shown)


@register.filter
def alike(metadata: Mapping[str, Json]) -> list[tuple[str, str, str]]:
    """Short texts of a call's metadata: their name, the text, and the query of the list of all calls with the same.

    Not those whose names ask for something else there: fields of the product, and names with a way to compare.
    """
    short = [
        (key, text)
        for key, text in metadata.items()
        if isinstance(text, str) and 0 < len(text) <= 60 and len(key) <= 40 and "__" not in key
        if filters.field("generations", f"metadata.{filters.joined([key])}").column is None
    ]
    return [(key, text, urlencode({f"metadata.{filters.joined([key])}": text})) for key, text in sorted(short)[:_ALIKE]]


@register.filter
def logs_address(row: Generation | Step, project: Project) -> str:
    """Where the application's own log of a call or step is, if the project says; empty for what is of no trace."""
    if not project.logs_url or not row.trace_id:
        return ""
    said = {
        "trace_id": row.trace_id,
        "span_id": row.span_id or "",
        "start": row.started_at.isoformat(),
        "end": (row.ended_at or row.started_at).isoformat(),
    }
    address = project.logs_url
    for name, value in said.items():
        address = address.replace(f"{{{name}}}", quote(value, safe=""))
    return address
