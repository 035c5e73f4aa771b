"""How the table of names is written: the names of one field, by the dialects that have them."""

from __future__ import annotations

from typing import Final

Names = tuple[str, ...]
BRAINTRUST: Final = "braintrust.metrics>"
HAYSTACK_REPLY: Final = "haystack.component.output>replies>0>meta>"
HAYSTACK_META: Final = "haystack.component.output>meta>0>"


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
