"""The names of a call's parameters: those that all providers mean alike have one name each, whoever's was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from generations.records import Json

SAME: Final[Mapping[str, str]] = {
    "top_p": "topP",
    "max_tokens": "maxTokens",
    "max_completion_tokens": "maxTokens",
    "max_output_tokens": "maxTokens",
    "maxOutputTokens": "maxTokens",
    "stop": "stopSequences",
    "stop_sequences": "stopSequences",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}


def normalized(parameters: Mapping[str, Json]) -> dict[str, Json]:
    """`parameters` under the names topP, maxTokens, stopSequences (a list), presencePenalty and frequencyPenalty.

    A parameter that is given under two names with different values keeps both, so that nothing is lost; all others
    keep the name and value that the caller gave them. Normalizing twice changes nothing.
    """
    found: dict[str, Json] = {name: value for name, value in parameters.items() if name not in SAME}
    for name, value in parameters.items():
        right = SAME.get(name)
        if right is None:
            continue
        if right == "stopSequences":
            value = [value] if isinstance(value, str) else value
        if right not in found:
            found[right] = value
        elif found[right] != value:
            found[name] = parameters[name]
    return found
