"""What goes wrong around the real client: each thing that it was told or raised, as JSON in the last line."""

import json
import logging
import sys
import threading
import time

import gantry
import pandas as pd
from gantry.applications.llm_utils import fill_prompt

EVENTS = 9
told = {}


def attempt(name, call):
    """What a call gives, or what it raises."""
    try:
        told[name] = call()
    except Exception as error:
        told[name] = f"{type(error).__name__}: {error}"


# a key that is none
gantry.init(api_key="gen_of-nobody")
told["wrong_key"] = [gantry.ping(), gantry.ready()]
attempt("get_with_wrong_key", lambda: gantry.get_application("failing"))

gantry.init()
told["right_key"] = [gantry.ping(), gantry.ready()]
logging.getLogger("gantry").setLevel(logging.WARNING)
app = gantry.create_application("failing", "Completion")
chat = gantry.create_application("failing-chat", "Chat")

# versions: two labels at once, a version that there is none of, and one that only chats
first = app.create_version("Tell {{who}} of {{what}}", "v1", "gpt-3.5-turbo-instruct")
second = app.create_version("Tell {{who}} about {{what}}", "v2", "command", prompt_inputs=["who", "what"])
start = threading.Barrier(4)


def deploy(version, env):
    start.wait()
    app.deploy_version(version.version_id, env)


movers = [
    threading.Thread(target=deploy, args=pair)
    for pair in ((first, "prod"), (second, "prod"), (second, "test"), (first, "test"))
]
for mover in movers:
    mover.start()
for mover in movers:
    mover.join()
told["labels"] = [app.get_version(env).version_number for env in ("prod", "test")]
told["vendor"] = app.get_version("latest").config["vendor"]
attempt("deploy_unknown", lambda: app.deploy_version("00000000-0000-0000-0000-000000000000", "prod"))
attempt("deploy_elsewhere", lambda: app.deploy_version(first.version_id, "staging"))
attempt("get_by_number", lambda: app.get_version("1"))
attempt("functions", lambda: app.create_version("x", "v3", "command", {"functions": []}))
attempt("chat_version", lambda: chat.get_version("latest"))
told["chat_created"] = chat.create_version("System: {{x}}", "c1", "gpt-4", {"functions": []}).config["vendor"]

# prompts whose inputs are missing
told["unfilled"] = fill_prompt(first.config["prompt"], {"who": "Ann"})
attempt("strict", lambda: fill_prompt(first.config["prompt"], {"who": "Ann"}, strict=True))

# events that say what cannot be, one after the other in one batch: none may cost those behind it
request = {"model": "gpt-3.5-turbo-instruct", "prompt": told["unfilled"]}


def answer(id):
    return {"id": id, "object": "text_completion", "choices": [{"text": "Yes.", "index": 0, "finish_reason": "stop"}]}


values = {"prompt_values": {"who": "Ann"}}
app.log_llm_data(request, answer("unfilled"), request_attributes=values, version=1)
request = {"model": "gpt-3.5-turbo-instruct", "prompt": "Hello"}
app.log_llm_data(request, "502 Bad Gateway")
app.log_llm_data(request, {"choices": "none", "id": "unparsed"})
app.log_llm_data(request, answer("choice"), selected_choice_index=5)
app.log_llm_data(request, answer("attributes"), request_attributes=["a"], response_attributes="b", feedback=[4])
app.log_llm_data(request, answer("version"), version=77)
app.log_llm_data(request, answer("not-a-number"), response_attributes={"share": float("nan")})
app.log_llm_data(request, answer("nul\0"), session_id="s\0", tags={"half": "\ud83d"})
app.log_llm_data(request, answer("last"), feedback={"thumbs": "down", "solved": True})
chat.log_llm_data({"messages": "no list"}, {"id": "chat", "choices": [{"message": None}]})
plain = gantry.create_application("failing-plain")
plain.log(inputs=[{"q": 1}], outputs=[{"a": 2}], join_keys=["after"])

# a column that most rows have no value of
while len(rows := app.query().fetch()) < EVENTS:
    time.sleep(0.1)
told["solved"] = [str(value) for value in rows["feedback.solved"] if not pd.isna(value)]
print(json.dumps(told, default=str))
sys.stdout.flush()
