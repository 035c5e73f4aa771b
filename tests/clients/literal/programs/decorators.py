"""The decorators and context managers, and the OpenAI client while it is instrumented, on a server that is scripted."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid

import answering
from literalai import LiteralClient
from openai import OpenAI
from saying import Said

RUN = uuid.uuid4().hex[:8]
said = Said()
client = LiteralClient(batch_size=2, release="1.2.3")
is_sync = sys.argv[1] == "sync"


openai = OpenAI(api_key="none", base_url=answering.serve(), max_retries=0)
client.instrument_openai()

thread_id = said.name("thread", f"thread-{RUN}")
ids: dict[str, str] = {}


def keep(name: str) -> None:
    """Remember the step that is being run."""
    step = client.get_current_step()
    assert step is not None
    step.tags = [name]
    ids[name] = said.name(name, step.id)


@client.step(type="retrieval", name="Search")
def search(query: str) -> list[str]:
    keep("search")
    return [f"about {query}"]


@client.step(type="tool")
async def slow(number: int) -> int:
    keep("slow")
    await asyncio.sleep(0.01)
    return number * 2


@client.step(type="tool", name="Breaks")
def breaks() -> None:
    keep("breaks")
    raise ValueError("It broke")


@client.run(name="Agent")
def agent(question: str) -> dict[str, object]:
    keep("agent")
    assert client.get_current_root_run() is client.get_current_step()
    found = search(question)
    doubled = asyncio.run(slow(21))
    try:
        breaks()
    except ValueError as error:
        failed = str(error)
    messages = [{"role": "system", "content": "Be brief"}, {"role": "user", "content": question}]
    whole = (
        openai.chat.completions.create(
            model="gpt-4o",
            messages=messages,
            temperature=0.2,
            literalai_tags=["instrumented"],
            literalai_metadata={"from": "a test"},
        )
        if is_sync
        else None
    )
    pieces = openai.chat.completions.create(model="gpt-4o", messages=messages, stream=True)
    text = "".join(part.choices[0].delta.content or "" for part in pieces)
    return {
        "found": found,
        "doubled": doubled,
        "failed": failed,
        "whole": whole and whole.choices[0].message.content,
        "pieces": text,
    }


with client.thread(thread_id=thread_id, name="A talk", participant_id=said.name("ann", f"ann-{RUN}")) as thread:
    thread.tags = ["talk"]
    thread.metadata = {"plan": "pro"}
    said.name("asked", client.message("What is it?", type="user_message", name="Ann").id)
    said.say("returned", agent("apples"))
    client.message("It is a fruit.", tags=["answer"], metadata={"sure": True})
    with client.step(name="Scored", type="llm") as step:
        step.input, step.output = {"in": 1}, {"out": 2}
        ids["scored"] = said.name("scored", step.id)


@client.thread(name="Decorated")
def decorated() -> str:
    current = client.get_current_thread()
    assert current is not None
    client.message("inside")
    return current.id


said.name("decorated", decorated())
dataset = client.api.create_dataset(name=f"experiments-{RUN}")
item = dataset.create_item(input={"q": 1}, expected_output={"a": 1})
experiment = dataset.create_experiment(name="Trial", params={"model": "m"})


@client.experiment_item_run
def evaluated() -> str:
    keep("evaluated")
    logged = experiment.log(
        {
            "datasetItemId": item.id,
            "input": {"q": 1},
            "output": {"a": 1},
            "scores": [{"name": "exact", "type": "AI", "value": 1.0}],
        }
    )
    return str(logged.experiment_run_id)


said.name("experiment run", evaluated())

with client.environment(env="dev"):
    with client.step(name="In dev") as step:
        ids["in dev"] = said.name("in dev", step.id)
    client.flush()

if hasattr(client, "set_preprocess_steps_function"):  # newer than 0.1.201
    client.set_preprocess_steps_function(lambda steps: [{**step, "output": {"content": "removed"}} for step in steps])
    with client.step(name="Private") as step:
        step.output = {"content": "secret"}
        private = step.id
    client.flush()
    client.set_preprocess_steps_function(None)
    assert client.api.get_step(private).output == {"content": "removed"}
client.reset_context()
try:
    openai.chat.completions.create(model="broken", messages=[{"role": "user", "content": "?"}])
except Exception as error:
    said.say("refused", type(error).__name__)
openai.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": RUN}], literalai_tags=[RUN])
client.flush_and_stop()


def shape(step: object) -> dict[str, object]:
    """What of a step is the same in every run: no times, ids by name."""
    dict_ = step.to_dict()
    kept = ("name", "type", "parentId", "threadId", "input", "output", "error", "tags", "metadata")
    shown = {name: dict_[name] for name in kept}
    generation = dict_["generation"]
    if generation:
        names = (
            "type",
            "provider",
            "model",
            "settings",
            "messages",
            "messageCompletion",
            "tokenCount",
            "inputTokenCount",
            "outputTokenCount",
        )
        shown["generation"] = {name: generation[name] for name in names}
        shown["timed"] = [generation[name] is not None for name in ("duration", "ttFirstToken")]
    return shown


found = client.api.get_thread(thread_id)
said.say("thread", [found.name, found.tags, found.metadata, found.participant_identifier])
said.say(
    "steps", sorted((shape(step) for step in found.steps), key=lambda one: (one["name"] or "", str(one["output"])))
)
other = next(id for id, name in said.names.items() if name == "<decorated>")
said.say("decorated", [[step.output for step in client.api.get_thread(other).steps], client.api.get_thread(other).name])
for name in ("in dev", "evaluated"):
    said.say(name, shape(client.api.get_step(ids[name])))
asked = "query S($id: String!) { step(id: $id) { environment rootRunId } }"
said.say(
    "environments",
    {
        name: client.api.make_gql_call("ask", asked, {"id": ids[name]})["data"]["step"]
        for name in ("in dev", "evaluated", "search")
    },
)
alone = client.api.get_generations(filters=[{"field": "tags", "operator": "in", "value": [RUN]}]).data
said.say("alone", [[one.provider, one.model, one.token_count, one.message_completion["content"]] for one in alone])
said.show()
sys.stdout.flush()
os._exit(0)
