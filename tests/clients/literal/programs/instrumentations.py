"""What the client makes of the calls of other libraries. Argument: mistral, langchain, llamaindex, litellm or otel."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import uuid
from typing import Any

import answering
from literalai import LiteralClient
from saying import Said

RUN = uuid.uuid4().hex[:8]
said = Said()
said.name("run", RUN)
address = answering.serve()
client = LiteralClient(batch_size=5)
thread_id = said.name("thread", f"thread-{RUN}")
ASKED = [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "What is it?"}]


def mistral() -> None:
    """A chat, and the filling of a gap in code. In pieces is not tried: the client cannot read today's streams."""
    from mistralai import Mistral

    client.instrument_mistralai()
    model = Mistral(api_key="none", server_url=address.removesuffix("/v1"))
    with client.thread(thread_id=thread_id), client.step(name="Outer", type="run"):
        model.chat.complete(model="mistral-small", messages=ASKED, temperature=0.2)
        model.fim.complete(model="codestral", prompt="def f(", suffix="return a")


def langchain() -> None:
    """A chain of a prompt and a model."""
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.runnables import RunnableConfig
    from langchain_openai import ChatOpenAI

    template = ChatPromptTemplate.from_messages([("system", "Be brief"), ("human", "What is {thing}?")])
    chain = template | ChatOpenAI(model="gpt-4o", api_key="none", base_url=address, temperature=0.2)
    with client.thread(thread_id=thread_id):
        config = RunnableConfig(callbacks=[client.langchain_callback()], tags=["chain"], run_name="Chain")
        chain.invoke({"thing": "an apple"}, config=config)


def llamaindex() -> None:
    """An answer from documents."""
    from llama_index.core import Document, SummaryIndex
    from llama_index.llms.openai import OpenAI

    client.instrument_llamaindex()
    model = OpenAI(model="gpt-4o", api_key="none", api_base=address, max_retries=0)
    index = SummaryIndex.from_documents([Document(text="An apple is a fruit.")])
    with client.thread(thread_id=thread_id):
        index.as_query_engine(llm=model).query("What is an apple?")


def litellm() -> None:
    """LiteLLM's own logger, which speaks to the server without the client."""
    os.environ["LITERAL_BATCH_SIZE"] = "1"
    import litellm

    litellm.callbacks = ["literalai"]
    asyncio.run(_litellm(litellm))


async def _litellm(library: Any) -> None:
    await library.acompletion(
        model="openai/gpt-4o",
        messages=ASKED,
        api_key="none",
        api_base=address,
        metadata={"literalai_thread_id": thread_id, "tags": ["logged"]},
    )
    # It logs after the answer, and not any more once the loop has ended.
    for _ in range(600):
        found = await asyncio.to_thread(client.api.get_thread, thread_id)
        if found is not None and found.steps:
            break
        await asyncio.sleep(0.1)


def otel() -> None:
    """OpenLLMetry's spans, which the client turns into steps."""
    client.initialize()
    from openai import OpenAI

    model = OpenAI(api_key="none", base_url=address, max_retries=0)
    with client.thread(thread_id=thread_id):
        model.chat.completions.create(model="gpt-4o", messages=ASKED, temperature=0.2)


def shape(step: Any) -> dict[str, Any]:
    """What of a step is the same in every run."""
    shown = {name: value for name, value in step.to_dict().items() if name in KEPT}
    generation = shown["generation"]
    if generation:
        shown["generation"] = {name: generation.get(name) for name in GENERATION}
    return shown


KEPT = ("name", "type", "input", "output", "error", "tags", "generation")
GENERATION = ("type", "provider", "model", "messages", "messageCompletion", "prompt", "completion", "variables",
              "tokenCount", "inputTokenCount", "outputTokenCount", "error")  # fmt: skip

way = sys.argv[1]
{"mistral": mistral, "langchain": langchain, "llamaindex": llamaindex, "litellm": litellm, "otel": otel}[way]()
client.flush()
found = None
for _ in range(600):
    found = client.api.get_thread(thread_id)
    if found is not None and found.steps:
        break
    time.sleep(0.1)
assert found is not None, "no thread came"
for step in found.steps or []:
    if step.parent_id:
        said.names.setdefault(step.parent_id, "<parent>")
said.say("name", found.name)
said.say("steps", sorted((shape(step) for step in found.steps or []), key=lambda one: (one["name"] or "", one["type"])))
generations = client.api.get_generations(filters=[{"field": "createdAt", "operator": "gt", "value": "2026-01-01"}]).data
said.say("readable", len(generations) > 0)
said.show()
sys.stdout.flush()
os._exit(0)
