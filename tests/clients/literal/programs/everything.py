"""Every public method of `client.api`, as an application would call them. Arguments: `sync` or `async`."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
import tempfile
import uuid
from typing import Any

import httpx
from literalai import AsyncLiteralClient, ChatGeneration, CompletionGeneration, LiteralClient
from saying import Said, plain

RUN = uuid.uuid4().hex[:8]
said = Said()
said.name("run", RUN)
loop = asyncio.new_event_loop()
is_async = sys.argv[1] == "async"
client = (AsyncLiteralClient if is_async else LiteralClient)(environment="staging")
called: set[str] = set()


class Api:
    """The api, called the same way whether it is asynchronous or not; keeps the names of what was called."""

    def __getattr__(self, name: str) -> Any:
        called.add(name)
        method = getattr(client.api, name)
        if not callable(method):
            return method

        def call(*given: Any, **named: Any) -> Any:
            answer = method(*given, **named)
            return loop.run_until_complete(answer) if inspect.isawaitable(answer) else answer

        return call


api = Api()


def own(name: str) -> str:
    """A name of this run: the tests of one server share a project."""
    return said.name(name, f"{name}-{RUN}")


def failure(call: Any, *given: Any, **named: Any) -> str:
    """What a call raises."""
    try:
        call(*given, **named)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


# ------------------------------------------------------------------------------------------------------------ the key
project = api.get_my_project_id()
said.say("headers", sorted(api.headers))
said.say("rest", api.make_rest_call("/my-project", {}) == {"projectId": project})
said.say("gql", api.make_gql_call("ask", "query Q($id: String) { participant(id: $id) { id } }", {"id": "nobody"}))
said.say("helper", api.gql_helper('{ participant(id: "x") { id } }', "ask", {}, lambda answer: answer["data"]))

# --------------------------------------------------------------------------------------------------------------- users
ann, bob = own("ann"), own("bob")
said.say("user unknown", api.get_user(identifier=ann))
user = said.say("user created", api.create_user(ann, {"plan": "pro", "tags": ["a"]}))
said.say("user by id", api.get_user(id=user.id).to_dict() | {"createdAt": api.get_user(id=user.id).created_at})
said.say("user by identifier", api.get_user(identifier=ann))
said.say("user updated", api.update_user(user.id, metadata={"plan": "free"}))
said.say("user kept", api.get_or_create_user(ann, {"plan": "free"}))
other = said.say("user made", api.get_or_create_user(bob))
said.say("user renamed", api.update_user(other.id, identifier=own("rob")))
page = api.get_users(first=1, filters=[{"field": "identifier", "operator": "eq", "value": [ann]}])
said.say("users", page)
said.say("users page", {"total": page.total_count, "more": page.page_info.has_next_page})
said.say("user deleted", api.delete_user(other.id))
said.say("user gone", api.get_user(id=other.id))

# ------------------------------------------------------------------------------------------------------------- threads
thread = api.create_thread(name="A talk", metadata={"a": 1}, participant_id=user.id, tags=["first", own("tag")])
said.name("thread", thread.id)
said.say("thread created", thread)
said.say("thread updated", api.update_thread(thread.id, metadata={"b": 2}))
said.say("thread unknown", failure(api.update_thread, "no-such-thread", name="x"))
second = own("second")
said.say(
    "thread upserted", api.upsert_thread(second, name="Second", tags=[own("tag2")], participant_id=own("newcomer"))
)
said.say("thread merged", api.upsert_thread(second, metadata={"c": 3}))

# --------------------------------------------------------------------------------------------------------------- steps
step = api.create_step(
    thread_id=thread.id,
    type="run",
    name="Outer",
    start_time="2026-01-02T03:04:05.678901Z",
    end_time="2026-01-02T03:04:06.678901Z",
    input={"content": "What is an apple?"},
    output={"content": f"A fruit, said in run {RUN}"},
    metadata={"k": "v"},
    tags=["first"],
)
said.name("step", step.id)
said.say("step created", step)
child = api.create_step(
    thread_id=thread.id, parent_id=step.id, type="llm", name="Inner", input={"q": 1}, output={"a": 2}
)
said.name("child", child.id)
said.say("step updated", api.update_step(child.id, output={"a": 3}, metadata={"later": True}))
said.say("step", api.get_step(child.id))
said.say("step unknown", api.get_step("no-such-step"))
sent = own("sent")
said.say(
    "steps sent",
    api.send_steps(
        [
            {
                "id": sent,
                "threadId": second,
                "type": "llm",
                "name": "Sent",
                "startTime": "2026-01-03T00:00:00Z",
                "endTime": "2026-01-03T00:00:02Z",
                "environment": "dev",
                "generation": {
                    "type": "CHAT",
                    "provider": "openai",
                    "model": "gpt-4o",
                    "settings": {"temperature": 0.5},
                    "messages": [{"role": "user", "content": "Hi"}],
                    "messageCompletion": {"role": "assistant", "content": "Hello"},
                    "inputTokenCount": 12,
                    "outputTokenCount": 3,
                    "tokenCount": 15,
                    "duration": 2,
                    "ttFirstToken": 250,
                    "tools": [{"type": "function", "function": {"name": "f"}}],
                },
                "scores": [{"name": "quality", "type": "AI", "value": 0.75, "comment": "fine"}],
            },
            {
                "id": own("sent2"),
                "threadId": second,
                "type": "user_message",
                "name": "User",
                "startTime": "2026-01-02 00:00:00.5",
                "output": {"content": "Hi"},
            },
        ]
    ),
)
said.say("step sent", api.get_step(sent))
api.send_steps([{"id": sent, "threadId": second, "output": {"content": "later"}}])
said.say("step merged", api.get_step(sent))
mine = [{"field": "threadId", "operator": "eq", "value": second}]
said.say("steps", [one.id for one in api.get_steps(filters=mine).data])
said.say("steps first", [one.id for one in api.get_steps(filters=mine, first=1).data])
page = api.get_steps(filters=mine, first=1)
said.say("steps after", [one.id for one in api.get_steps(filters=mine, first=1, after=page.page_info.end_cursor).data])
said.say(
    "steps ascending",
    [one.id for one in api.get_steps(filters=mine, order_by={"column": "createdAt", "direction": "ASC"}).data],
)

# --------------------------------------------------------------------------------------------------------- generations
tag = own("of-generations")
chat = api.create_generation(
    ChatGeneration(
        provider="mistral",
        model="mistral-large",
        messages=[{"role": "user", "content": "Ping"}],
        message_completion={"role": "assistant", "content": "Pong"},
        settings={"max_tokens": 5},
        variables={"x": "y"},
        input_token_count=4,
        output_token_count=2,
        token_count=6,
        tt_first_token=120.0,
        duration=0.5,
        tags=[tag],
        metadata={"from": "a test"},
        tools=[],
    )
)
said.name("chat", chat.id)
said.say("generation created", {"id": chat.id, "type": chat.type})
text = api.create_generation(
    CompletionGeneration(model="davinci", prompt="Once", completion="upon a time", error="cut", tags=[tag])
)
said.name("completion", text.id)
made = [{"field": "tags", "operator": "in", "value": [tag]}]
found = api.get_generations(filters=made, order_by={"column": "createdAt", "direction": "ASC"})
said.say("generations", found)
said.say(
    "generations dear",
    [
        one.id
        for one in api.get_generations(filters=[*made, {"field": "tokenCount", "operator": "gte", "value": 6}]).data
    ],
)
said.say(
    "generations by model",
    [
        one.id
        for one in api.get_generations(filters=[*made, {"field": "model", "operator": "ilike", "value": "DAVIN"}]).data
    ],
)
said.say(
    "generations failed",
    [one.id for one in api.get_generations(filters=[*made, {"field": "error", "operator": "nis", "value": None}]).data],
)

# -------------------------------------------------------------------------------------------------------------- scores
score = api.create_score(name=own("stars"), type="HUMAN", value=1, step_id=step.id, comment="good", tags=[tag])
said.name("score", score.id)
said.say("score created", score)
said.say("score updated", api.update_score(score.id, {"value": 0, "comment": None}))
said.say("score commented", api.update_score(score.id, {"value": 0.5, "comment": "fair"}))
scored = api.create_scores(
    [
        {"name": "a", "type": "CODE", "value": 1, "stepId": child.id},
        {"name": "b", "type": "AI", "value": 0.25, "stepId": child.id, "label": "low", "scorer": "judge"},
    ]
)
# The synchronous client answers with what it got, the asynchronous one with objects.
said.say("scores created", [[one["name"], one["type"], one["value"]] for one in plain(scored)])
said.say(
    "scores",
    [one.to_dict() for one in api.get_scores(filters=[{"field": "tags", "operator": "in", "value": [tag]}]).data],
)
said.say("step scored", [(one.name, one.value) for one in api.get_step(child.id).scores])

# --------------------------------------------------------------------------------------------------------- attachments
upload = api.upload_file(content=b"some bytes", thread_id=thread.id, mime="text/plain")
said.say("upload", sorted(name for name, value in upload.items() if value))
said.say("upload read", httpx.get(upload["url"]).text)
with tempfile.NamedTemporaryFile(suffix=".txt") as file:
    file.write(b"of a file")
    file.flush()
    attachment = api.create_attachment(
        step_id=step.id, thread_id=thread.id, name="note.txt", mime="text/plain", path=file.name, metadata={"m": 1}
    )
said.name("attachment", attachment.id)
shown = {**attachment.to_dict(), "url": httpx.get(attachment.url).text, "objectKey": bool(attachment.object_key)}
said.say("attachment created", shown)
raw = api.create_attachment(step_id=own("later"), name="raw.bin", content=b"\x00\x01", mime="application/x-thing")
said.say("attachment before its step", {"stepId": raw.step_id, "bytes": list(httpx.get(raw.url).content)})
renamed = api.update_attachment(attachment.id, {"name": "renamed.txt"})
said.say("attachment updated", [renamed.name, renamed.mime, renamed.metadata])
said.say("attachment", [api.get_attachment(attachment.id).name, [a.name for a in api.get_step(step.id).attachments]])
said.say("attachment deleted", api.delete_attachment(attachment.id))
said.say("attachment gone", api.get_attachment(attachment.id))
said.say("attachment's bytes gone", httpx.get(attachment.url).status_code)

# ------------------------------------------------------------------------------------------------- threads, to be read
said.say("thread", api.get_thread(second))
said.say("thread without", api.get_thread("no-such-thread"))
of_ann = [{"field": "participantId", "operator": "eq", "value": user.id}]
listed = api.get_threads(filters=of_ann, step_types_to_keep=["llm"], first=5)
said.say(
    "threads", [(one.id, one.name, [s.name for s in one.steps], one.participant_identifier) for one in listed.data]
)
summed = api.list_threads(filters=[{"field": "id", "operator": "eq", "value": second}])
said.say("threads listed", [(one.id, one.name, one.tags) for one in summed.data])


def threads(*filters: tuple[Any, ...], order: Any = None) -> list[str]:
    """The ids of this run's threads that satisfy all filters."""
    asked = [{"field": f, "operator": o, "value": v, **({"path": p[0]} if p else {})} for f, o, v, *p in filters]
    ours = {"field": "id", "operator": "in", "value": [thread.id, second]}
    return [one.id for one in api.get_threads(filters=[ours, *asked], order_by=order, first=10).data]


said.say(
    "threads by",
    {
        "output": threads(("stepOutput", "ilike", f"in run {RUN}", "content")),
        "no output": threads(("stepOutput", "nilike", f"in run {RUN}", "content")),
        "step name": threads(("stepName", "eq", "Sent")),
        "step type": threads(("stepType", "in", ["user_message"])),
        "score": threads(("scoreValue", "gte", 0.7, "quality")),
        "other score": threads(("scoreValue", "eq", 1, "quality")),
        "tokens": threads(("tokenCount", "gte", 15)),
        "no tokens": threads(("tokenCount", "is", None)),
        "duration": threads(("duration", "gt", 1.5)),
        "name": threads(("name", "neq", "Second")),
        "metadata": threads(("metadata", "eq", "1", "a")),
        "user": threads(("participantIdentifiers", "in", [ann])),
        "no user": threads(("participantIdentifiers", "nin", [ann])),
        "tags": threads(("tags", "in", [own("tag2")])),
        "tokens, descending": threads(("tokenCount", "nis", None), order={"column": "tokenCount", "direction": "DESC"}),
    },
)
said.say(
    "users by",
    [
        [
            one.id == user.id
            for one in api.get_users(
                filters=[
                    {"field": "identifier", "operator": "eq", "value": ann},
                    {"field": name, "operator": "gte", "value": value},
                ]
            ).data
        ]
        for name, value in (("threadCount", 1), ("threadCount", 2), ("tokenCount", 1))
    ],
)
said.say("filter unknown", failure(api.get_threads, filters=[{"field": "colour", "operator": "eq", "value": "red"}]))
said.say("step deleted", [api.delete_step(child.id), api.delete_step(child.id), api.get_step(child.id)])
said.say("score deleted", api.delete_score(score.id))

# ------------------------------------------------------------------------------------------------------------ datasets
dataset = api.create_dataset(own("dataset"), description="Of a test", metadata={"d": 1})
said.name("dataset id", dataset.id)
said.say("dataset created", dataset)
said.say("dataset twice", failure(api.create_dataset, dataset.name))
said.say("dataset updated", api.update_dataset(dataset.id, description="Changed"))
item = api.create_dataset_item(dataset.id, {"content": "in"}, {"content": "out"}, {"i": 1})
said.name("item", item.id)
said.say("item created", item)
said.say("item", api.get_dataset_item(item.id))
api.send_steps(
    [
        {
            "id": own("below"),
            "parentId": step.id,
            "threadId": thread.id,
            "type": "tool",
            "name": "Below",
            "input": {"i": 1},
            "output": {"o": 2},
        }
    ]
)
said.say("item of a step", api.add_step_to_dataset(dataset.id, step.id))
generated = api.create_dataset(own("generated"), type="generation")
said.say("item of a generation", api.add_generation_to_dataset(generated.id, chat.id, {"more": 1}))
whole = api.get_dataset(name=own("dataset"))
said.say("dataset", [whole.id == dataset.id, whole.description, [one.input for one in whole.items]])
said.say("dataset by id", api.get_dataset(id=dataset.id).name)
said.say("dataset unknown", api.get_dataset(name="no such dataset"))
said.say("item deleted", api.delete_dataset_item(item.id))

# --------------------------------------------------------------------------------------------------------- experiments
experiment = api.create_experiment(name="Trial", dataset_id=dataset.id, params={"model": "a"})
said.name("experiment", experiment.id)
said.say("experiment created", experiment)
said.say("experiment without", api.create_experiment(name="Loose").to_dict())
entry = {
    "datasetItemId": whole.items[0].id,
    "input": {"q": 1},
    "output": {"a": 2},
    "scores": [{"name": "context", "type": "AI", "value": 0.5}],
}
if not is_async:
    logged = experiment.log(entry)
else:
    from literalai.evaluation.dataset_experiment import DatasetExperimentItem

    logged = api.create_experiment_item(
        DatasetExperimentItem.from_dict({"datasetExperimentId": experiment.id, **entry})
    )
said.name("logged", logged.id)
shown = plain(logged)
said.say("experiment logged", {**shown, "scores": [[one["name"], one["value"]] for one in shown["scores"]]})
called.add("create_experiment_item")
said.say("dataset deleted", [api.delete_dataset(dataset.id).id, api.get_dataset(id=dataset.id)])

# ------------------------------------------------------------------------------------------------------------- prompts
name = own("prompt")
lineage = api.create_prompt_lineage(name, "Of a test")
said.say("lineage kept", api.get_or_create_prompt_lineage(name)["id"] == lineage["id"])
template = [{"role": "system", "content": "You are {{role}}"}, {"role": "user", "content": "{{#all}}x{{/all}}"}]
settings = {"provider": "openai", "model": "gpt-4o", "temperature": 0.1}
prompt = api.get_or_create_prompt(name, template, settings, [{"type": "function"}])
said.name("version", prompt.id)
said.say(
    "prompt",
    {
        "version": prompt.version,
        "name": prompt.name,
        "settings": prompt.settings,
        "provider": prompt.provider,
        "tools": prompt.tools,
        "messages": prompt.template_messages,
        "rendered": prompt.format_messages(role="a chef", all=[1]),
    },
)
said.say(
    "prompt again",
    api.get_or_create_prompt(
        name, prompt.template_messages, {"model": "gpt-4o", "temperature": 0.1}, [{"type": "function"}]
    ).id,
)
newer = api.create_prompt(name, [{"role": "user", "content": "{{only}}"}], {"provider": "openai", "model": "gpt-4o"})
said.say("prompt newer", newer.version)
by_name = api.get_prompt(name=name, version=1)
said.say(
    "prompt by name",
    [
        by_name.id == newer.id,
        by_name.variables,
        by_name.url.endswith(f"/projects/{project}/playground?name={name}&version=1"),
    ],
)
said.say("prompt by id", api.get_prompt(id=prompt.id).version)
said.say("prompt drawn", api.get_prompt(name=name).version)
said.say("prompt unknown", failure(api.get_prompt, name="no such prompt"))
said.say("variant", bool(api.create_prompt_variant(name, template, settings)))
said.say("rollout", api.get_prompt_ab_testing(name))
said.say(
    "rollout updated",
    api.update_prompt_ab_testing(name, [{"version": 0, "rollout": 60}, {"version": 1, "rollout": 40}]),
)
said.say("rollout now", api.get_prompt_ab_testing(name))
api.update_prompt_ab_testing(name, [{"version": 1, "rollout": 1}])
said.say("prompt drawn now", {api.get_prompt(name=name).version for _ in range(5)} == {1})
linked = api.create_generation(
    ChatGeneration(prompt_id=prompt.id, messages=[{"role": "user", "content": "z"}], tags=[tag])
)
said.say(
    "generations by prompt",
    [
        one.id == linked.id
        for one in api.get_generations(
            filters=[*made, {"field": "promptLineage", "operator": "eq", "value": name}]
        ).data
    ],
)

said.say("thread deleted", [api.delete_thread(second), api.delete_thread(second), api.get_step(sent)])
said.show(
    called=sorted(called),
    public=sorted(n for n in dir(client.api) if not n.startswith("_")),
    env=os.environ["LITERAL_ENV"],
)
sys.stdout.flush()
os._exit(0)  # the client's thread would be waited for
