"""The program of the page "Logging LLM Data", as it is printed there.

Where the page was cut, its lines are those of the same example in the client; the address, the key and the name of the
model that is no longer sold come from the environment.
"""

# ruff: noqa: I001 - the imports as they are printed

import json
import os

import gantry
from gantry.applications.llm_utils import fill_prompt
import openai
from openai.util import convert_to_dict

GANTRY_APP_NAME = os.environ["GANTRY_APP_NAME"]
openai.api_base = os.environ["OPENAI_API_BASE"]

GANTRY_API_KEY = os.environ.get("GANTRY_API_KEY")
openai.api_key = os.environ.get("OPENAI_API_KEY")
gantry.init(GANTRY_API_KEY)
my_llm_app = gantry.get_application(GANTRY_APP_NAME)

version = my_llm_app.get_version("test")
config = version.config
prompt = config["prompt"]


def generate(values):
    filled_in_prompt = fill_prompt(prompt, values)
    request = {
        "model": "gpt-3.5-turbo-instruct",
        "prompt": filled_in_prompt,
    }
    results = openai.Completion.create(**request)

    my_llm_app.log_llm_data(
        api_request=request,
        api_response=convert_to_dict(results),
        request_attributes={"prompt_values": values},
        version=version.version_number,
    )

    return results


# What the page says behind its program: metadata beside the call, feedback with it, and one choice of several.
def generate_three(values):
    request = {"model": "gpt-3.5-turbo-instruct", "prompt": fill_prompt(prompt, values), "n": 3, **config["params"]}
    results = openai.Completion.create(**request)
    for index in ({"selected_choice_index": 1}, {}):
        my_llm_app.log_llm_data(
            api_request=request,
            api_response=convert_to_dict(results),
            request_attributes={"prompt_values": values, "plan": "pro"},
            response_attributes={"time_to_first_token": 0.25, "latency": 1.5},
            session_id="seed-session",
            feedback={"rating": 4} if index else None,
            tags={"cohort": "seed"},
            **index,
        )
    return results


told = {
    "config": config,
    "one": generate({"topic": "cats"})["choices"][0]["text"],
    "three": [choice["text"] for choice in generate_three({"topic": "dogs"})["choices"]],
}
# Feedback after the fact, by the id of the response.
my_llm_app.log(feedbacks=[{"comment": "Late."}], join_keys=["cmpl-1"])
print(json.dumps(told))
