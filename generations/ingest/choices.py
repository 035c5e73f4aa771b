"""Which of several choices was used: its answer is the answer, and all of them are alternatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from generations.records import Alternative, GenerationRecord, InvalidRecord, Json, revised


def chosen(record: GenerationRecord, index: Json) -> tuple[GenerationRecord, InvalidRecord | None]:
    """The record of a call whose choice of this index was used, and what is wrong with the index, which is 0 then.

    Without an index it is 0; with one choice there are no alternatives.
    """
    first = record.message_completion if record.message_completion is not None else record.completion
    if first is None:
        return record, None
    others = record.alternatives or ()
    all_ = [Alternative(index=0, content=first, finish_reason=record.finish_reason, logprobs=record.logprobs)]
    all_ += [replace(other, index=n) for n, other in enumerate(others, 1)]
    if index is None or (isinstance(index, float) and index.is_integer()):
        index = int(index or 0)
    problem = None
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(all_):
        expected = f"the index of one of the {len(all_)} choices, from 0" if len(all_) > 1 else "0, the only choice"
        problem = InvalidRecord("selected_choice_index", index, expected)
        index = 0
    if not others:
        return revised(record, selected_choice=index, alternatives=None), problem
    used = all_[index]
    answer: dict[str, Any] = {"finish_reason": used.finish_reason, "logprobs": used.logprobs}
    if isinstance(used.content, str) and record.message_completion is None:
        answer["completion"] = used.content
    elif isinstance(used.content, Mapping):
        answer["message_completion"] = dict(used.content)
    return revised(record, selected_choice=index, alternatives=tuple(all_), **answer), problem
