"""What real LMQL answers to cases, as one line of JSON. It is given the endpoint's address, or has it from Azure's
variables of the environment when that is empty."""

import asyncio
import contextlib
import io
import json
import os
import sys

os.environ["SLOW_TOKENIZER_OK"] = "1"
with contextlib.redirect_stdout(io.StringIO()):
    import lmql

endpoint, cases = sys.argv[1], json.loads(sys.argv[2])


def model(name="davinci-x"):
    where = {"endpoint": f"{endpoint}/v1/completions"} if endpoint else {}
    return lmql.model(f"openai/{name}", **where)


async def scored(case):
    result = await model(case.get("model", "davinci-x")).score(case["prompt"], case["values"])
    return {
        **{agg: [float(x) for x in result.scores(agg)] for agg in ("sum", "mean", "normalized")},
        "logprobs": [float(x) for x in result.logprobs()],
        "probs": [float(x) for x in result.probs()],
        "argmax": result.argmax(),
        "num_value_tokens": [int(n) for n in result.num_value_tokens],
        "token_scores": [[float(x) for x in row] for row in result.token_scores],
        "full_token_scores": [[float(x) for x in row] for row in result.full_token_scores],
        "printed": str(result),
        "has_max": hasattr(result, "max"),
    }


async def all_of():
    found = {"scores": [await scored(case) for case in cases]}
    found["text"] = await model().generate("Hello", max_tokens=3)
    found["stopped"] = await model().generate("Hello", max_tokens=3, stop=[" "])
    found["samples"] = await model().generate("Hello", max_tokens=2, decoder="sample", n=2)
    found["together"] = await asyncio.gather(*(model().generate(word, max_tokens=2) for word in ("A", "B")))
    return found


told = io.StringIO()
with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
    found = asyncio.run(all_of())
    try:
        lmql.score_sync("Hello", [" World"])
    except AttributeError as problem:
        found["score_without_model"] = str(problem)
    try:
        found["mixed"] = model().generate_sync("Hello", max_tokens=1)
    except AssertionError as problem:
        found["mixed"] = str(problem)
found["told"] = told.getvalue()
print(json.dumps(found), flush=True)
os._exit(0)  # LMQL leaves threads behind that do not end by themselves
