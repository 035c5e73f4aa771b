"""A prompt version's answers: its template filled with the input of an item, and the model called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from generations import generating, identities, llm, prompts, verdicts
from generations.access import Grant
from generations.evaluating.scoring import TAG, Models, together
from generations.evaluating.subjects import Case, texts_of
from generations.models import PromptVersion
from generations.records import InvalidRecord, Json

_NOT_SENT: Final = frozenset({"provider", "model", "stream", "stream_options", "record", "variables", "messages"})
_TOKENS: Final = ("max_tokens", "maxTokens", "max_completion_tokens")


@dataclass(frozen=True, slots=True)
class Version:
    """A prompt version that is to answer, and the model that it calls, by this project's name of it."""

    row: PromptVersion
    title: str
    model: str


def versions(grant: Grant, ids: Sequence[str], model: str | None) -> list[Version]:
    """The prompt versions of these ids; `model` is called in the place of their own where it is given.

    Raises InvalidRecord for a version that there is none of, and for a model that the project cannot call.
    """
    found = {id: prompts.version(grant, id) for id in ids}
    names = prompts.names_of(grant, ids)
    made = []
    for place, (id, row) in enumerate(found.items()):
        if row is None:
            raise InvalidRecord(f"versions[{place}]", id, "the id of a prompt version of this project")
        name = model or generating.name_of(grant, row.model_id, row.provider)
        if name is None:
            expected = "a model that a provider of this project has; or say the model to call in its place"
            raise InvalidRecord("model", row.model_id, expected)
        prompt, number = names.get(id, ("", row.version))
        made.append(Version(row, f"{prompt} {number}", name))
    return made


def openable(grant: Grant, names: Sequence[str]) -> None:
    """Refuse a model that cannot be called. Raises InvalidRecord."""
    for name in names:
        try:
            generating.check(grant, name)
        except llm.LLMError as problem:
            raise InvalidRecord("model", name, f"a model that can be called: {problem}") from problem


def answered(
    models: Models, versions: Sequence[Version], cases: Sequence[Case], about: Mapping[str, Json]
) -> list[list[Case]]:
    """For each version these cases with its answers, or with why there is none.

    Item by item, by turns: what calls wait for, and what the first of them has to make ready, falls to all alike.
    """
    ahead = list(enumerate(versions))
    order = [(n, one) for n in range(len(cases)) for one in (ahead if n % 2 else reversed(ahead))]
    done = together([partial(_answered, models, version, cases[n], about) for n, (_, version) in order])
    found = {(place, n): case for (n, (place, _)), case in zip(order, done, strict=True)}
    return [[found[place, n] for n in range(len(cases))] for place in range(len(versions))]


async def _answered(models: Models, version: Version, case: Case, about: Mapping[str, Json]) -> Case:
    row = version.row
    settings = {name: value for name, value in row.settings.items() if name not in _NOT_SENT and value is not None}
    said: dict[str, Any] = {
        "id": identities.new_id(),
        "name": TAG,
        "tags": [TAG],
        "prompt_version_id": row.public_id,
        "metadata": dict(about),
    }
    try:
        tokens = next((settings[name] for name in _TOKENS if name in settings), None)
        done = await models(version.model).complete(
            sent(row, case.input),
            tokens,
            **{name: value for name, value in settings.items() if name not in _TOKENS},
            decoder="sample" if settings.get("temperature") or settings.get("n", 1) != 1 else "argmax",
            tools=row.tools or None,
            variables=inputs_of(row, case.input),
            record=said,
        )
    except llm.LLMError as problem:
        return replace(case, problem=str(problem) or problem.kind, generation_id=problem.generation_id)
    record = done.record
    output = record.message_completion if record.message_completion is not None else done.answer.text
    asked = record.prompt if record.prompt is not None else texts_of(record.messages)
    return replace(case, output=output, asked=asked, generation_id=done.id)


def sent(row: PromptVersion, input: Json) -> str | list[dict[str, Json]]:
    """What is sent before its variables are put in. A template that asks nothing is followed by the input."""
    if row.template_messages is None:
        return row.template or ""
    messages = [
        {name: value for name, value in message.items() if name not in ("uuid", "templated")}
        for message in row.template_messages
        if isinstance(message, Mapping)
    ]
    if not row.inputs and all(message.get("role") != "user" for message in messages):
        given = input.get("messages") if isinstance(input, Mapping) else None
        messages += given if isinstance(given, list) else [{"role": "user", "content": verdicts.plain(input)}]
    return messages


def inputs_of(row: PromptVersion, input: Json) -> dict[str, Json]:
    """The values of a template's variables: what the item names, over the version's defaults. What is no object is the
    value of the only variable."""
    values = dict(row.input_defaults or {})
    given = input.get("variables", input) if isinstance(input, Mapping) else input
    if isinstance(given, Mapping):
        named = set(row.inputs) & set(given)
        if len(row.inputs) == 1 and not named and row.inputs[0] not in values and len(given) == 1:
            return {**values, row.inputs[0]: next(iter(given.values()))}
        return {**values, **given}
    if len(row.inputs) == 1:
        values[row.inputs[0]] = given
    return values
