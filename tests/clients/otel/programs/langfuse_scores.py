"""Scores in each of the ways that Langfuse's SDK has: by ids, on the current span, and on the current trace."""

from langfuse import get_client
from langfuse.openai import OpenAI

langfuse = get_client()
assert langfuse.auth_check()

with (
    langfuse.start_as_current_span(name="answer")
    if hasattr(langfuse, "start_as_current_span")
    else langfuse.start_as_current_observation(name="answer") as span
):
    asked = [{"role": "user", "content": "What is the capital of Peru?"}]
    OpenAI().chat.completions.create(model="gpt-4o-mini", messages=asked)
    langfuse.score_current_span(name="polite", value="yes", data_type="CATEGORICAL", comment="It says please.")
    langfuse.score_current_trace(name="solved", value=1, data_type="BOOLEAN")
    trace_id, span_id = span.trace_id, span.id
for value in (0.25, 0.75):
    langfuse.create_score(
        score_id="by-hand",
        name="correct",
        value=value,
        trace_id=trace_id,
        observation_id=span_id,
        metadata={"by": "rule"},
    )
langfuse.create_score(name="kept", value=3.5, session_id="chat-1")
langfuse.flush()
