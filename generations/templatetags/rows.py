"""The rows of the lists of generations and steps and of trees, put together by Python: for the hundreds of cells that
stand on a page a template takes ten times as long, which was most of what a list took."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from django import template
from django.template import Context
from django.urls import reverse
from django.utils import timezone
from django.utils.html import conditional_escape, escape
from django.utils.safestring import SafeString

from generations.models import Generation, Score, Step
from generations.templatetags.web import UNKNOWN, excerpt, failure, icon, lasted, money, number, seconds, short_moment

register = template.Library()

SHOWN: Final = 3
"""So many scores and tags of a row are shown, and how many others there are."""
UNTYPED: Final = "undefined"
"""What the type of a step is called of which nobody said it; on a page that reads as if something were broken."""
_PREVIEW: Final = 260

Cells = Mapping[str, Callable[[Any, Any], str]]
"""By the name of a column, what makes its cell of a row and of what hangs on it."""


@register.simple_tag(takes_context=True)
def generation_rows(context: Context) -> SafeString:
    """The rows of the list of generations."""
    return _rows(context, "web:generation", _GENERATION, last="scores")


@register.simple_tag(takes_context=True)
def step_rows(context: Context) -> SafeString:
    """The rows of the list of steps."""
    return _rows(context, "web:step", _STEP, last="tags")


@register.filter
def more_cells(cells: Iterable[Any]) -> SafeString:
    """The cells of a row in the columns of the catalogue."""
    return SafeString("".join(map(_more, cells)))


def _rows(context: Context, address: str, cells: Cells, *, last: str) -> SafeString:
    """The rows in the columns that are chosen: the list's own, those of the catalogue, then the `last` of its own."""
    slug, carried = context["project"].slug, escape(context["listing"].carried)
    own, is_acted_on = context["columns"].own, bool(context["actions"])
    before = [make for name, make in cells.items() if name in own and name != last]
    after = [cells[last]] if last in own else []
    made: list[str] = []
    for line in context["lines"]:
        row = line.row
        made.append('<tr class="failed" data-row>' if row.error is not None else "<tr data-row>")
        if is_acted_on:
            made.append(
                f'<td class="check"><input type="checkbox" name="id" value="{escape(row.public_id)}"'
                f' aria-label="Select {_named(row)}"{" checked" if line.is_selected else ""}></td>'
            )
        to, start = _to(address, slug, row), short_moment(row.started_at)
        made.append(f'<td class="c-time"><a class="row-link" href="{to}{carried}">{start}</a></td>')
        made += [make(row, line.more) for make in before]
        made += map(_more, line.cells)
        made += [make(row, line.more) for make in after]
        made.append("</tr>\n")
    return SafeString("".join(made))


def _named(row: Any) -> str:
    """What to call a row where it is not seen: what it is, and when it began."""
    name = row.name or (row.model_id if isinstance(row, Generation) else row.type) or row.public_id
    return f"{excerpt(name, 80)}, {timezone.localtime(row.started_at):%b %d %H:%M:%S}"


def _more(cell: Any) -> str:
    value = cell.value
    if value is None or value == "":
        return f'<td class="c-more number">{UNKNOWN}</td>'
    if cell.kind == "number":
        return f'<td class="c-more number">{number(value)}</td>'
    if cell.kind == "time":
        return f'<td class="c-more c-time">{short_moment(value)}</td>'
    if cell.kind == "tags":
        return f'<td class="c-more c-tags">{_tags(value)}</td>'
    return f'<td class="c-more"><span class="truncate">{excerpt(value, 120)}</span></td>'


# ------------------------------------------------------------------------------------------------------ of both lists
def _input(row: Generation | Step, hung: object) -> str:
    return f'<td class="c-input">{_preview(_saying(row, hung).input_preview)}</td>'


def _output(row: Generation | Step, hung: object) -> str:
    if row.error is None:
        return f'<td class="c-output">{_preview(_saying(row, hung).output_preview)}</td>'
    said = f"{icon('circle-alert', 'Error')}{failure(row.error, _PREVIEW)}"
    return f'<td class="c-output"><span class="preview error">{said}</span></td>'


def _saying(row: Generation | Step, hung: object) -> Generation | Step:
    """The row, or the call that was made in a step which says nothing itself."""
    return hung if isinstance(row, Step) and isinstance(hung, Generation) else row


def _preview(text: str | None) -> str:
    return f'<span class="preview" dir="auto">{excerpt(text, _PREVIEW) if text else UNKNOWN}</span>'


def _tags(tags: list[str]) -> str:
    return "".join([f'<span class="tag">{excerpt(tag, 48)}</span>' for tag in tags[:SHOWN]])


def _others(count: int) -> str:
    return f'<span class="quiet">+{count - SHOWN}</span>' if count > SHOWN else ""


# ----------------------------------------------------------------------------------------------------- of generations
def _model(row: Generation, _: object) -> str:
    model = excerpt(row.model_id, 80) if row.model_id else UNKNOWN
    if not row.name:
        return f'<td class="c-model"><span class="truncate">{model}</span></td>'
    name = excerpt(row.name, 80)
    return (
        f'<td class="c-model"><span class="truncate strong">{name}</span>'
        f'<span class="truncate quiet">{model}</span></td>'
    )


def _times(row: Generation, _: object) -> str:
    return (
        f'<td class="number c-times"><span title="Latency">{seconds(row.latency)}</span>'
        f' <span class="under" title="Time to first token">{seconds(row.time_to_first_token)}</span></td>'
    )


def _usage(row: Generation, _: object) -> str:
    sent, received = row.prompt_tokens, row.completion_tokens
    if sent is None and received is None:
        tokens = UNKNOWN if row.total_tokens is None else f"<span>{number(row.total_tokens)}</span>"
    else:
        told = [f"{'unknown' if one is None else one}" for one in (sent, received)]
        tokens = (
            f'<span title="{told[0]} input, {told[1]} output">{number(sent)}'
            f' <span class="quiet">→</span> {number(received)}</span>'
        )
    cost = conditional_escape(money(row.cost, row.currency))
    return f'<td class="number c-usage">{tokens} <span class="under">{cost}</span></td>'


def _scores(row: Generation, more: Any) -> str:
    made: list[str] = []
    if (said := more.feedback) is not None:
        if said.thumbs in _THUMBS:
            made.append(icon(*_THUMBS[said.thumbs]))
        if said.rating is not None:
            made.append(f'<span class="score-mark" title="Rating">{number(said.rating)}/5</span>')
    made += map(_score, more.scores[:SHOWN])
    made += [_others(len(more.scores)), _tags(row.tags), _others(len(row.tags))]
    return f'<td class="c-scores">{"".join(made)}</td>'


_THUMBS: Final = {"up": ("thumbs-up", "Thumbs up"), "down": ("thumbs-down", "Thumbs down")}


def _score(score: Score) -> str:
    author = excerpt(score.author or "unknown author", 60)
    if score.value is None and score.label is None and score.comment:
        comment = icon("message-square", "Comment")
        return f'<span title="{author}: {excerpt(score.comment)}">{comment}</span>'
    value = number(score.value) if score.label is None else excerpt(score.label, 32)
    title = f"{escape(score.type)}, {author}"
    return f'<span class="score-mark" title="{title}"><span>{excerpt(score.name, 40)}</span> <b>{value}</b></span>'


_GENERATION: Final[Cells] = {
    "model": _model,
    "input": _input,
    "output": _output,
    "times": _times,
    "usage": _usage,
    "scores": _scores,
}


# ----------------------------------------------------------------------------------------------------------- of steps
def _type(row: Step, _: object) -> str:
    if row.type == UNTYPED:
        return f'<td title="It came without a type">{UNKNOWN}</td>'
    return f'<td><span class="badge">{excerpt(row.type, 60)}</span></td>'


def _name(row: Step, _: object) -> str:
    return f'<td class="c-main"><span class="truncate strong">{excerpt(row.name or row.public_id, 120)}</span></td>'


def _duration(row: Step, _: object) -> str:
    return f'<td class="number" data-label="Duration">{lasted(row)}</td>'


def _thread(row: Step, _: object) -> str:
    return f'<td class="c-thread"><span class="truncate quiet">{excerpt(row.thread_id or "", 80)}</span></td>'


def _step_tags(row: Step, _: object) -> str:
    return f'<td class="c-tags">{_tags(row.tags)}</td>'


_STEP: Final[Cells] = {
    "type": _type,
    "name": _name,
    "input": _input,
    "output": _output,
    "times": _duration,
    "thread": _thread,
    "tags": _step_tags,
}


# ------------------------------------------------------------------------------------------------------------ of trees
@register.simple_tag(takes_context=True)
def tree_rows(context: Context, items: Iterable[Any], base: str) -> SafeString:
    """The rows of a tree: steps, calls of models, and what is left out, to be asked for at `base`."""
    slug, generation = context["project"].slug, context.get("generation")
    made: list[str] = []
    for item in items:
        if hasattr(item, "node"):
            made.append(_step(item, slug, generation))
        elif hasattr(item, "made"):
            made.append(_call(item, slug, generation))
        else:
            made.append(_rest(item, slug, base))
    return SafeString("\n".join(made))


_ORPHAN: Final = (
    '<span class="orphan" title="Its step above is missing"><b class="sr">Its step above is missing</b></span>'
)


def _step(item: Any, slug: str, generation: Generation | None) -> str:
    node = item.node
    state = f"{' failed' if node.has_failed else ''}{' critical' if node.is_critical else ''}"
    here = ' aria-current="true"' if item.is_here and generation is None else ""
    twist, failing_below = '<i class="twist"></i>', ""
    if item.below:
        below, is_open = f"{number(item.below)} below", "true" if item.is_open else "false"
        if failing := node.failed - node.has_failed:
            below += f", {number(failing)} failed"
            failing_below = f'<i class="fails" data-count="{number(failing)}" aria-hidden="true"></i>'
        twist = (
            f'<button type="button" class="twist" value="{escape(node.id)}" aria-expanded="{is_open}"'
            f' title="{below} {excerpt(node.name or node.id, 24)}"></button>'
        )
    chip = ""
    if (call := item.call) is not None:
        name = excerpt(call.model_id or call.name or "Generation", 28)
        kind = "call-chip here" if _is(call, generation) else "call-chip"
        to = _to("web:generation", slug, call)
        chip = f'<a class="{kind}" href="{to}">{icon("sparkles", "Generation")}{name}</a>'
    address = escape(reverse("web:step", args=[slug, node.id]))
    return (
        f'<li data-level="{node.level}" class="l{item.indent}{state}"{here}>\n'
        f'<span class="name">{twist}{icon(item.icon)}'
        f'<a class="truncate" href="{address}">{excerpt(node.name or node.id, 80)}</a>'
        f"{icon('circle-alert', 'Error') if node.has_failed else ''}{_ORPHAN if item.is_orphan else ''}"
        f"{failing_below}{chip}</span>\n"
        f"{_bar(item, lasted(node))}"
    )


def _call(item: Any, slug: str, generation: Generation | None) -> str:
    call = item.made
    has_failed = call.error is not None
    here = ' aria-current="true"' if _is(call, generation) else ""
    name = excerpt(call.name or call.model_id or call.public_id, 80)
    return (
        f'<li data-level="{item.level}" class="l{item.indent} call-row{" failed" if has_failed else ""}"{here}>\n'
        f'<span class="name"><i class="twist"></i>{icon("sparkles", "Generation")}'
        f'<a class="truncate" href="{_to("web:generation", slug, call)}">{name}</a>'
        f"{icon('circle-alert', 'Error') if has_failed else ''}</span>\n{_bar(item, seconds(call.latency))}"
    )


def _rest(item: Any, slug: str, base: str) -> str:
    if item.is_way:
        way = escape(reverse("web:step", args=[slug, item.of.id]))
        link = f'<a href="{way}">{number(item.count)} levels in between</a>'
    else:
        address = f"{escape(base)}?{escape(item.query)}"
        link = (
            f'<a href="{address}" hx-get="{address}" hx-target="closest li" hx-swap="outerHTML">'
            f"{number(item.count)} more</a>{_failing(item.failed)}"
        )
    return f'<li class="rest l{item.indent}" data-level="{item.level}">{link}</li>'


def _failing(count: int) -> str:
    """How many of what is not shown failed."""
    return f'&nbsp;<b class="bad">{number(count)} failed</b>' if count else ""


def _bar(item: Any, took: str) -> str:
    return (
        '<svg class="span-bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect x="{item.left:.2f}" width="{item.width:.2f}" height="1"></rect></svg>'
        f'<span class="number">{took}</span></li>'
    )


def _is(call: Generation, shown: Generation | None) -> bool:
    return shown is not None and call.uid == shown.uid


def _to(name: str, slug: str, row: Generation | Step) -> str:
    return escape(reverse(name, args=[slug, row.public_id]))
