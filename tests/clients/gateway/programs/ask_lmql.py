"""LMQL's simple interface on an endpoint of completions, which it only knows as a stream with log-probabilities."""

import contextlib
import io
import json
import os

os.environ["SLOW_TOKENIZER_OK"] = "1"
with contextlib.redirect_stdout(io.StringIO()):
    import lmql

    model = lmql.model("openai/davinci-x", endpoint=f"{os.environ['OPENAI_BASE_URL']}/completions")
    text = model.generate_sync("Hello", max_tokens=3)
    scores = model.score_sync("Hello", [" World", " Apples"])
print(
    json.dumps({"text": text, "logprobs": [float(x) for x in scores.logprobs()], "best": scores.argmax()}), flush=True
)
os._exit(0)  # it leaves threads behind that do not end by themselves
