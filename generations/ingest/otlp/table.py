"""How the table of names is written: the names of one field, by the dialects that have them."""

from __future__ import annotations

from typing import Final

Names = tuple[str, ...]
BRAINTRUST: Final = "braintrust.metrics>"
_HAYSTACK: Final = (
    "haystack.component.output>replies>0>meta>",
    "haystack.component.output>meta>0>",
    "haystack.component.output>meta>",
    "haystack.agent.step.llm.output>replies>0>meta>",
)
"""Where Haystack has what it says of an answer: in the first of the replies, or beside them, or in its agent's step."""


def haystack(path: str) -> Names:
    """The names by which Haystack says this of an answer."""
    return tuple(f"{start}{path}" for start in _HAYSTACK)


def by(
    *,
    langfuse: Names = (),
    genai: Names = (),
    openinference: Names = (),
    traceloop: Names = (),
    vercel: Names = (),
    others: Names = (),
) -> Names:
    """The names of one field, the most particular dialect first."""
    return (*langfuse, *genai, *openinference, *traceloop, *vercel, *others)
