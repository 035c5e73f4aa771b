"""Arguments: `fill`, which makes some of everything; or `dump FILE`, which writes what there is as JSON Lines."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from literalai import ChatGeneration, CompletionGeneration, LiteralClient

client = LiteralClient(environment="staging")
api = client.api
if sys.argv[1] == "fill":
    user = api.create_user("ann", {"plan": "pro"})
    with client.thread(thread_id="talk", name="A talk", participant_id=user.id) as thread:
        thread.tags, thread.metadata = ["first"], {"a": 1}
        client.message("What is it?", type="user_message", name="Ann")
        with client.step(name="Outer", type="run", tags=["x"]) as outer:
            outer.input, outer.output, outer.metadata = {"q": 1}, {"a": [1, None, "x"]}, {"k": {"deep": 0.1}}
            with client.step(name="Chat", type="llm") as step:
                step.generation = ChatGeneration(
                    provider="openai",
                    model="gpt-4o",
                    settings={"temperature": 0.2},
                    messages=[{"role": "user", "content": "What is it?"}],
                    message_completion={"role": "assistant", "content": "A fruit."},
                    variables={"thing": "apple"},
                    tools=[{"type": "function", "function": {"name": "look"}}],
                    input_token_count=7,
                    output_token_count=3,
                    token_count=10,
                    tt_first_token=123.4,
                    duration=0.7,
                    tags=["call"],
                )
            with client.step(name="Broke", type="tool") as step:
                step.error = "It broke"
    client.flush()
    score = api.create_score(name="quality", type="AI", value=0.25, step_id=outer.id, comment="fair", tags=["s"])
    api.create_attachment(
        thread_id="talk", step_id=outer.id, name="note", content="text", mime="text/plain", metadata={"n": 1}
    )
    api.create_generation(CompletionGeneration(prompt="Say", completion="Said", model="m"))
    dataset = api.create_dataset(name="Questions", description="Some", metadata={"d": 1})
    for n in range(3):
        dataset.create_item(input={"q": n}, expected_output={"a": n}, metadata={"n": n})
    dataset.add_step(outer.id)
    for text in ("Hello {{name}}", "Good day {{name}}"):
        api.get_or_create_prompt(name="Greeting", template_messages=[{"role": "user", "content": text}])
else:
    dumped = [*api.get_threads(first=100).data, *api.get_steps(first=100).data, *api.get_generations(first=100).data]
    dumped += [api.get_dataset(name="Questions"), *(api.get_prompt(name="Greeting", version=n) for n in (0, 1))]
    Path(sys.argv[2]).write_text("".join(json.dumps(one.to_dict()) + "\n" for one in dumped))
client.flush_and_stop()
print(json.dumps({"done": sys.argv[1]}))
