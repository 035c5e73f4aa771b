"""The playground: a call is put together or taken up again, made with one to four models, compared, and kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import orjson
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST

from generations import bundles, datasets, generating, llm, prompts, reading
from generations.access import Grant, Scope
from generations.bundles import Bundle
from generations.llm.scoring import ScoringResult
from generations.models import Dataset, Prompt
from generations.records import InvalidRecord
from generations.web import markup, playing, refused
from generations.web.frame import part, show
from generations.web.gate import page
from generations.web.listing import tail
from generations.web.markup import Shown, Variables
from generations.web.playing import COLUMNS, DECODERS, ROLES, TEXT, Column, Form, Row

BEAT: Final = 1.0
SHOWN: Final = 12_000
MOST: Final = 50
WARMTH: Final = 9


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a heat line. `warmth` is 0 for what was certain, and 9 for what was hardly likely."""

    text: str
    warmth: int | None
    title: str
    is_value: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A value with its score, its share of the probability in per cent, and its heat line."""

    value: str
    total: float
    share: float
    tokens: list[Token]
    straddles: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What a column led to: the recorded generation, or an error; for scores its lines."""

    model: str
    bundle: Bundle | None = None
    text: Shown | None = None
    sent: Shown | None = None
    error: str = ""
    lines: tuple[Line, ...] = ()
    others: tuple[str, ...] = ()


@page()
@require_http_methods(["GET", "HEAD", "POST"])
def playground(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The form with what is opened in it (`?generation=`, `?version=`); a post runs or scores and shows the results."""
    if request.method != "POST":
        form = playing.opened(grant, request)
        if form is None:
            raise Http404("There is no such generation or prompt version in this project.")
        lost = refused.taken(request)
        id = lost["keep"].given.get("generation", "") if "keep" in lost else ""
        results = [_told(grant, form, form.columns[0], id)] if id and id == form.origin else []
        return _shown(request, grant, form, results=results, lost=lost)
    grant.need(Scope.WRITE)
    form = playing.posted(grant, request.POST)
    action = request.POST.get("action", "run")
    if action == "column":
        return _shown(request, grant, replace(form, columns=[*form.columns, form.columns[-1]][:COLUMNS]))
    if action == "fewer":
        return _shown(request, grant, replace(form, columns=form.columns[:-1] or form.columns))
    if action == "row":
        return _shown(request, grant, replace(form, rows=[*form.rows, Row("user")]))
    if action == "variable":
        with_own = replace(form, variables=[*form.variables, (f"name{len(form.variables)}", "")])
        return _shown(request, grant, playing.with_fields(form) if playing.unfilled(form) else with_own)
    make = _scored if action == "score" else _run
    try:
        results = [make(grant, form, column) for column in form.columns]
    except InvalidRecord as problem:
        return _shown(request, grant, playing.with_fields(form), problem=str(problem), status=400)
    return _shown(request, grant, form, results=results)


@page(Scope.WRITE)
@require_POST
def stream(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The column of `?column=` run as server-sent events: where the call will be recorded, pieces of text, and at last
    the result as HTML."""
    form = playing.posted(grant, request.POST)
    asked = request.GET.get("column", "0")
    place = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 0
    column = form.columns[min(place, len(form.columns) - 1)]
    try:
        begun = generating.stream(grant, generating.asked(playing.document(form, column)))
    except (InvalidRecord, llm.LLMError) as problem:
        hint = ' The button "Variable" makes a field for each.' if playing.unfilled(form) else ""
        return HttpResponse(f"{problem}{hint}", status=400, content_type="text/plain; charset=utf-8")
    response = StreamingHttpResponse(
        _events(request, grant, form, column, begun), content_type="text/event-stream; charset=utf-8"
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return cast(HttpResponse, response)  # the gate passes on whatever a view answers


def _events(request: HttpRequest, grant: Grant, form: Form, column: Column, begun: llm.Stream) -> Iterator[bytes]:
    address = reverse("web:generation", args=[grant.project.slug, begun.id])
    yield b"event: begun\ndata: " + orjson.dumps({"address": address}) + b"\n\n"
    try:
        with generating.streaming(), closing(begun.beating(BEAT)) as pieces:
            for piece in pieces:
                if piece is None:
                    yield b": waiting\n\n"
                elif piece.text and piece.index == 0:
                    yield b"data: " + orjson.dumps({"text": piece.text}) + b"\n\n"
        result = _told(grant, form, column, begun.id)
    except (llm.LLMError, generating.Full) as problem:
        result = _told(grant, form, column, begun.id, error=str(problem))
    html = part(request, grant, "playground/_result.html", _keeping(grant) | {"result": result, "form": form})
    yield b"event: done\ndata: " + orjson.dumps({"html": html}) + b"\n\n"


@page(Scope.WRITE)
@require_POST
def keep(request: HttpRequest, grant: Grant) -> HttpResponse:
    """Keep a result: as a version of the prompt named `prompt`, or as an item of the `dataset`."""
    id = request.POST.get("generation", "")
    bundle = bundles.generation(grant.project, id) if "\0" not in id else None
    if bundle is None:
        raise Http404("There is no such generation in this project.")
    try:
        if request.POST.get("what") == "dataset":
            chosen = datasets.find(grant, request.POST.get("dataset", ""))
            if chosen is None:
                raise datasets.NoSuchDataset("dataset", request.POST.get("dataset", ""))
            datasets.add_generations(grant, str(chosen.pk), [id])
            messages.success(request, f"It is an item of {chosen.name}, the answer as its expected output.")
            return redirect("web:dataset", slug=grant.project.slug, id=chosen.pk)
        prompt, number = _version(grant, bundle, request.POST.get("prompt", ""))
    except (InvalidRecord, datasets.BadDataset, datasets.NoSuchDataset) as problem:
        back = reverse("web:playground", args=[grant.project.slug])
        return refused.lead_back(request, "keep", problem, f"{back}?{urlencode({'generation': id})}#results")
    messages.success(request, f"It is version {number} of {prompt.name}.")
    return redirect(f"{reverse('web:prompt', args=[grant.project.slug, prompt.pk])}?version={number}")


def _version(grant: Grant, bundle: Bundle, name: str) -> tuple[Prompt, int]:
    record = bundle.record
    base = playing.base_of(grant, bundle)
    text = base[0]["content"] if len(base) == 1 and base[0].get("role") == TEXT else None
    prompt = prompts.get_or_create(grant, name)
    made = prompts.add_version(
        grant,
        prompt,
        template_messages=None if isinstance(text, str) else base,
        template=text if isinstance(text, str) else None,
        settings={n: v for n, v in (record.parameters or {}).items() if n not in ("stream", "stream_options")},
        tools=record.tools or [],
        input_defaults=record.variables or {},
        model_id=record.model_id,
        provider=record.provider,
    )
    return prompt, made.version


# ----------------------------------------------------------------------------------------------------------- results
def _run(grant: Grant, form: Form, column: Column) -> Result:
    asked = generating.asked(playing.document(form, column))
    try:
        done = generating.generate(grant, asked)
    except (llm.LLMError, generating.Full) as problem:
        return _told(grant, form, column, getattr(problem, "generation_id", None) or "", error=str(problem))
    return _told(grant, form, column, done.id)


def _scored(grant: Grant, form: Form, column: Column) -> Result:
    asked = generating.asked_to_score(playing.score_document(form, column))
    try:
        result = generating.score(grant, asked)
    except (llm.LLMError, generating.Full) as problem:
        return _told(grant, form, column, getattr(problem, "generation_id", None) or "", error=str(problem))
    made = _told(grant, form, column, result.generation_id or "")
    return replace(made, lines=_lines(result), text=None)


def _told(grant: Grant, form: Form, column: Column, id: str, *, error: str = "") -> Result:
    """A result as the page shows it, from what was recorded."""
    bundle = bundles.generation(grant.project, id) if id else None
    if bundle is None:
        return Result(column.model, error=error or "The call was made, and could not be recorded.")
    record = bundle.record
    answer = record.completion
    if record.message_completion is not None:
        answer = reading.message_text(record.message_completion)
    said = record.prompt if record.messages is None else "\n\n".join(reading.message_text(m) for m in record.messages)
    return Result(
        column.model,
        bundle,
        text=None if answer is None else markup.plain(answer, SHOWN),
        sent=markup.plain(said or "", SHOWN, variables=Variables.of(record.variables)),
        error=error,
        others=tuple(
            reading.message_text(other.content) for other in bundle.alternatives if other.kind in ("choice", "beam")
        ),
    )


def _lines(result: ScoringResult) -> tuple[Line, ...]:
    return tuple(
        Line(
            told["value"],
            told["sum"],
            100 * told["prob"],
            [_token(token) for token in told["tokens"]],
            told["straddles"],
        )
        for told in sorted(result.to_dict()["values"], key=lambda value: -value["sum"])
    )


def _token(told: Mapping[str, Any]) -> Token:
    logprob = told["logprob"]
    if logprob is None:
        return Token(told["token"], None, "the first token: not known", told["isValue"])
    warmth = min(WARMTH, int(-logprob * 1.25))
    return Token(told["token"], warmth, f"{logprob:.3f}, {100 * math.exp(logprob):.3g} %", told["isValue"])


def _shown(
    request: HttpRequest,
    grant: Grant,
    form: Form,
    *,
    problem: str = "",
    results: Any = (),
    status: int = 200,
    lost: refused.Forms | None = None,
) -> HttpResponse:
    context = {
        "form": form,
        "tail": tail(request),
        "list": request.GET.get("list", "") or request.POST.get("list", ""),
        "results": results,
        "problem": problem,
        "refused": lost or {},
        "roles": ROLES,
        "decoders": DECODERS,
        "models": generating.models(grant)[:500],
        "room": COLUMNS - len(form.columns),
        "variables": [(place % 6, name, value) for place, (name, value) in enumerate(form.variables)],
        **_keeping(grant),
    }
    return show(request, grant, "playground/page.html", context, here="playground", status=status)


def _keeping(grant: Grant) -> dict[str, Any]:
    """What results may be kept as."""
    names = Prompt.objects.filter(project=grant.project, deleted_at=None).order_by("name")
    return {
        "prompt_names": list(names.values_list("name", flat=True)[:MOST]),
        "datasets": list(Dataset.objects.filter(project=grant.project).order_by("name")[:MOST]),
    }
