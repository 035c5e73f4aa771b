"""Calls by the plain client of OpenAI, each under a name: whoever instruments the client sees all of its ways."""

from __future__ import annotations

import asyncio
import json
import sys

from openai import AsyncOpenAI, BadRequestError, OpenAI

MODEL = "gpt-4o-mini"
QUESTION = [
    {"role": "system", "content": "Answer in one sentence."},
    {"role": "user", "content": "What is the capital of Peru?"},
]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def chat(client):
    client.chat.completions.create(
        model=MODEL, messages=QUESTION, temperature=0, top_p=0.9, max_tokens=100, presence_penalty=0.5,
        frequency_penalty=0.25, stop=["END"], seed=7,
    )  # fmt: skip


def stream(client):
    chunks = client.chat.completions.create(
        model=MODEL, messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    for _ in chunks:
        pass


def stream_long(client):
    """More chunks than an SDK keeps events of a span."""
    said = [*QUESTION[:1], {"role": "user", "content": "What is the capital of Peru? Answer at length."}]
    options = {"include_usage": True}
    for _ in client.chat.completions.create(model=MODEL, messages=said, stream=True, stream_options=options):
        pass


def stream_async(client):
    async def main():
        chunks = await AsyncOpenAI().chat.completions.create(
            model=MODEL, messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
        async for _ in chunks:
            pass

    asyncio.run(main())


def stream_without_usage(client):
    for _ in client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True):
        pass


def stream_tools(client):
    for _ in client.chat.completions.create(
        model=MODEL, messages=QUESTION, tools=[WEATHER], stream=True, stream_options={"include_usage": True}
    ):
        pass


def tools(client):
    """Two calls: the tools that the model wants, and its answer to what they said."""
    messages = [{"role": "user", "content": "How is the weather in Lima and Cusco?"}]
    asked = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    message = asked.choices[0].message
    messages.append(message.model_dump(exclude_none=True))
    for call in message.tool_calls:
        said = f"sunny in {json.loads(call.function.arguments)['city']}"
        messages.append({"role": "tool", "tool_call_id": call.id, "content": said})
    client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])


def choices(client):
    client.chat.completions.create(model=MODEL, messages=QUESTION, n=3)


def parsed(client):
    shape = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    client.chat.completions.create(
        model=MODEL,
        messages=QUESTION,
        response_format={"type": "json_schema", "json_schema": {"name": "city", "schema": shape}},
    )


def image(client):
    parts = [
        {"type": "text", "text": "What is on it?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/lima.png"}},
    ]
    client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": parts}])


def long(client):
    """More messages than an SDK keeps attributes of a span, unless it is told to."""
    said = [{"role": ("user", "assistant")[n % 2], "content": f"This is message {n}."} for n in range(101)]
    client.chat.completions.create(model=MODEL, messages=said)


def completion(client):
    client.completions.create(model="gpt-3.5-turbo-instruct", prompt="The capital of Peru is", max_tokens=5)


def embeddings(client):
    client.embeddings.create(model="text-embedding-3-small", input=["Lima", "Cusco"])


def responses(client):
    client.responses.create(
        model=MODEL, instructions="Answer in one sentence.", input="What is the capital of Peru?", max_output_tokens=100
    )


def responses_stream(client):
    for _ in client.responses.create(model=MODEL, input="What is the capital of Peru?", stream=True):
        pass


def failure(client):
    try:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Please fail."}])
    except BadRequestError:
        pass
    else:
        sys.exit("The call was to fail.")


def make(names):
    """Make the calls of these names, in their order."""
    client = OpenAI()
    for name in names:
        globals()[name](client)
