"""Does with the real client what an application does, and tells what it was answered, as JSON in the last line."""

import json
import logging
import os
import sys
import tempfile
import time
import uuid
from pathlib import Path

import gantry
import pandas as pd
from gantry.applications.llm_utils import fill_prompt
from gantry.dataset import main as datasets
from gantry.query import main as query

told = {}
logging.getLogger("gantry").setLevel(logging.WARNING)
gantry.init(api_key=os.environ["GANTRY_API_KEY"])


def attempt(name, call):
    """What a call gives, or what it raises."""
    try:
        told[name] = call()
    except Exception as error:
        told[name] = f"{type(error).__name__}: {error}"


def waited(ask, is_there):
    """What is asked for, once it is there: what is logged is sent by a thread of the client's own."""
    until = time.monotonic() + 120
    while not is_there(found := ask()) and time.monotonic() < until:
        time.sleep(0.1)
    return found


def are_judged(number):
    """Whether so many events are there, each with its feedback."""
    return lambda rows: len(rows) == number and "feedback.ok" in rows and rows["feedback.ok"].notna().all()


SESSION = uuid.UUID("e5da6899-8341-4620-ba9b-c97d9162aa85")
completion = gantry.create_application("writer", "Completion")
chat = gantry.create_application("talker", "Chat")
plain = gantry.create_application("plain", "Custom")
attempt("again", lambda: gantry.create_application("writer", "Completion"))
attempt("unknown", lambda: gantry.get_application("nobody"))
told["types"] = [type(gantry.get_application(name)).__name__ for name in ("writer", "talker", "plain")]

# versions
attempt("no_version", lambda: completion.get_version("latest"))
first = completion.create_version(
    "Summarise {{topic}} for {{audience}}", "v1", "text-davinci-003", {"temperature": 0.5}
)
second = completion.create_version("Explain {{topic}}", "v2", "text-davinci-003")
attempt("unknown_model", lambda: completion.create_version("x", "v3", "no-such-model"))
told["numbers"] = [first.version_number, second.version_number]
attempt("not_deployed", lambda: completion.get_version("test"))
completion.deploy_version(first.version_id, "test")
completion.deploy_version(second.version_id, "prod")
told["test"] = [completion.get_version("test").version_number, completion.get_version("test").config["prompt"]]
told["prod"] = completion.get_version("prod").version_number
completion.deploy_version(first.version_id, "prod")
told["moved"] = completion.get_version("prod").version_number
told["latest"] = [completion.get_version("latest").version_number, completion.get_version("latest").config]
told["talker"] = chat.create_version("System: hi {{x}}", "c1", "gpt-4").version_number

# calls
values = {"topic": "cats", "audience": "kids"}
prompt = fill_prompt(completion.get_version("test").config["prompt"], values)
response = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": int(time.time()) - 60,
    "model": "text-davinci-003",
    "choices": [
        {"text": "A", "index": 0, "logprobs": None, "finish_reason": "stop"},
        {"text": "B", "index": 1, "logprobs": None, "finish_reason": "length"},
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}
request = {"model": "text-davinci-003", "prompt": prompt, "n": 2, "temperature": 0.5}
completion.log_llm_data(
    api_request=request,
    api_response=response,
    request_attributes={"prompt_values": values, "user_id": "u1"},
    response_attributes={"latency": 0.4},
    feedback={"thumbs": 1},
    selected_choice_index=1,
    session_id=SESSION,
    tags={"env": "dev", "cohort": "b"},
    version=1,
)
completion.log_llm_data(
    api_request=request, api_response=response, request_attributes={"prompt_values": values}, selected_choice_index=7
)
completion.log_llm_data(
    api_request={"message": "x"}, api_response={"generations": [{"text": "z"}]}, session_id="s-2", vendor="cohere"
)
completion.log_llm_data(api_request={"model": "m", "prompt": "y" * 1_100_000}, api_response={"id": "too-large"})
completion.log_llm_data(api_request={"odd": True}, api_response={"nothing": [1]}, version=99)
chat.log_llm_data(
    api_request={"model": "gpt-4", "messages": [{"role": "user", "content": "hi"}]},
    api_response={
        "id": "c1",
        "object": "chat.completion",
        "model": "gpt-4-0613",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "yo"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    },
    feedback={"rating": 5, "comment": "Good."},
    session_id=SESSION,
)

# events, feedback before and after them, and by the id of a response and of a session
plain.log(feedbacks=[{"ok": True}], join_keys=["early"])
plain.log(inputs=[{"q": 1.0, "who": "ann"}], outputs=[{"y": 2.0}], join_keys=["early"], tags={"env": "prod"})
plain.log(inputs=[{"q": 2.0}, {"q": 3.0}], outputs=[{"y": 4.0}, {"y": 9.0}], join_keys=["b", "c"])
plain.log(feedbacks=[{"ok": False}, {"ok": True}], join_keys=["b", "c"])
plain.log(feedbacks=[{"ok": True}], join_keys=["b"])
completion.log(feedbacks=[{"correct": True}, {"correct": False}], join_keys=["cmpl-1", "s-2"])
# Feedback on "b" comes twice: the second is what counts.
waited(lambda: plain.query().fetch(), lambda rows: are_judged(3)(rows) and "False" not in map(str, rows["feedback.ok"]))

with plain.start_run("nightly", tags={"k": "v"}):
    plain.log(inputs=[{"q": 5.0}], outputs=[{"y": 25.0}], feedbacks=[{"ok": True}], join_keys=["run-1"])
runs = waited(lambda: plain.get_run(name="nightly"), lambda found: [job["num_events"] for job in found] == [1])
told["run"] = [(job["run_name"], job["num_events"]) for job in runs]
told["run_by_tags"] = len(plain.get_run(tags={"k": "v"}))

with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
    file.write('q,y,ok,key\n7,49,true,"f,1"\n8,64,false,f2\n')
    file.flush()
    plain.log_file(file.name, inputs=["q"], outputs=["y"], feedbacks=["ok"], join_key="key")

# questions
waited(lambda: plain.query().fetch(), are_judged(6))
frame = plain.query()
rows = frame.fetch()
told["columns"] = sorted(rows.columns)
told["rows"] = len(rows)
told["sum"] = float(rows["outputs.y"].sum())
told["dtypes"] = {name: str(dtype) for name, dtype in frame.dtypes.items()}
told["ok"] = sorted(str(value) for value in rows["feedback.ok"])
told["mean"] = frame["outputs.y"].mean()
told["count"] = frame["outputs.y"].count()
told["quantile"] = frame["outputs.y"].quantile([0.5])
told["above"] = sorted(frame[frame["outputs.y"] > 9].fetch()["outputs.y"])
told["isnull"] = len(frame[frame["feedback.ok"].isnull()].fetch())
told["true"] = frame["feedback.ok"].percent_true()
told["grouped"] = frame["outputs.y"].mean(group_by="feedback.ok").to_dict("records")
told["head"] = len(frame.head(2))
told["described"] = list(frame.describe().columns)
told["points"] = float(frame["outputs.y"].count(num_points=4)["value"].sum())
told["of_version"] = list(
    completion.query(tags={"version_number": "1"}).fetch()["outputs.choices.selected_choice.text"]
)
told["applications"] = sorted(query.list_applications())
told["environments"] = query.list_application_environments("writer")

# datasets
folder = tempfile.mkdtemp()
datasets.set_working_directory(folder)
dataset = plain.create_dataset("ds1")
pushed = dataset.push_dataframe(pd.DataFrame({"q": [1, 2], "a": ["x", "y"]}), filename="table")
told["pushed"] = pushed["is_latest_version"]
told["pulled"] = dataset.pull()["version_id"] == pushed["version_id"]
local = Path(folder) / "ds1"
told["table"] = (local / "tabular_manifests" / "table.csv").read_text()
(local / "artifacts" / "note.txt").write_text("hello")
told["diff"] = dataset.get_diff()["new_files"]
told["committed"] = dataset.push_version("a note")["message"]
told["versions"] = [version["message"] for version in dataset.list_versions()]
told["from_query"] = dataset.push_gantry_dataframe(frame, "found")["message"]
told["datasets"] = [one["name"] for one in datasets.list_datasets()]
told["of_plain"] = [one["name"] for one in plain.list_datasets()]
again = datasets.get_dataset("ds1")
(local / "artifacts" / "late.txt").write_text("late")
attempt("behind", lambda: again.push_version("late"))
again.pull(forced=True)
attempt("rollback", lambda: again.rollback(pushed["version_id"])["is_latest_version"])
told["after"] = sorted(file.name for file in (local / "artifacts").iterdir())
attempt("no_dataset", lambda: datasets.get_dataset("none"))

gantry.archive_application("talker")
attempt("archived", lambda: gantry.get_application("talker"))
gantry.delete_application("plain")
attempt("deleted", lambda: gantry.get_application("plain"))

print(json.dumps(told, default=str))
sys.stdout.flush()
