"""A tiny model of `transformers`, made here and saved to a folder, called through `generations.llm`; one line of JSON.

Its weights are random. What is right is reckoned beside it by a pass of the model for each text alone.
"""

import asyncio
import json
import sys
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

import generations.llm as llm

folder = sys.argv[1]
WORDS = ["<end>", "<unk>", "the", "cat", "dog", "sat", "on", "mat", "a", "yes", "no", ".", " "]


def made():
    vocabulary = {word: place for place, word in enumerate(WORDS)}
    base = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    base.pre_tokenizer = pre_tokenizers.Split(Regex(r"\w+|\s|\."), "isolated")
    base.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=base, eos_token="<end>", unk_token="<unk>")
    torch.manual_seed(7)
    config = GPT2Config(
        vocab_size=len(WORDS), n_positions=32, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    GPT2LMHeadModel(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return tokenizer, GPT2LMHeadModel.from_pretrained(folder).eval()


def alone(tokenizer, model, prompt, value):
    """The log-probabilities of the value's tokens, by a pass for this text alone."""
    before, after = tokenizer(prompt)["input_ids"], tokenizer(value)["input_ids"]
    with torch.inference_mode():
        every = torch.log_softmax(model(torch.tensor([before + after])).logits[0].float(), dim=-1)
    return [every[len(before) + at - 1, token].item() for at, token in enumerate(after)]


class Kept:
    def __init__(self):
        self.records = []

    def record(self, record):
        self.records.append(record)


tokenizer, model = made()
passes = []
forward = GPT2LMHeadModel.forward
GPT2LMHeadModel.forward = lambda self, *args, **kwargs: (
    passes.append(kwargs["input_ids"].shape[0]) or forward(self, *args, **kwargs)
)
sink = Kept()
m = llm.model(f"local:{folder}", batch_size=64, sink=sink)
values = [" dog", " cat sat", " sat on the mat", " ."] * 25
result = m.score_sync("the", values)
found = {
    "passes": list(passes),
    "scores": list(result.scores()),
    "token_scores": [list(row) for row in result.token_scores[:4]],
    "argmax": result.argmax(),
}
GPT2LMHeadModel.forward = forward
found["alone"] = [sum(alone(tokenizer, model, "the", value)) for value in values]
found["token_alone"] = [alone(tokenizer, model, "the", value) for value in values[:4]]
found["greedy"] = m.generate_sync("the cat", max_tokens=6)
ids = tokenizer("the cat", return_tensors="pt")
best = model.generate(**ids, max_new_tokens=6, do_sample=False, pad_token_id=0)
found["greedy_alone"] = tokenizer.decode(best[0].tolist(), skip_special_tokens=True)
found["samples"] = m.generate_sync("the", max_tokens=4, decoder="sample", n=3, seed=1)
found["again"] = m.generate_sync("the", max_tokens=4, decoder="sample", n=3, seed=1)
beams = m.complete_sync("the", 4, "beam", n=2)
found["beams"] = [[choice.text, choice.score] for choice in beams.answer.choices]
found["chat"] = m.generate_sync([{"role": "user", "content": "cat"}], max_tokens=2)
found["streamed"] = [piece.text for piece in m.stream("the cat", max_tokens=6)]
stop = [found["greedy"][7:][2:5]]
found["stopped"] = m.generate_sync("the cat", max_tokens=6, stop=stop)
found["stopped_stream"] = "".join(piece.text for piece in m.stream("the cat", max_tokens=6, stop=stop))
found["chat_stream"] = "".join(piece.text for piece in m.stream([{"role": "user", "content": "cat"}], max_tokens=2))
streamed = m.stream("the cat", max_tokens=6)
for _ in streamed:
    pass
found["stream_record"] = [
    streamed.record.completion,
    streamed.record.prompt_tokens,
    streamed.record.completion_tokens,
    streamed.record.finish_reason,
]
left = m.stream("the", max_tokens=25, decoder="sample", seed=1)
pieces = iter(left)
first = next(pieces).text
pieces.close()
found["left"] = [left.record.error_type, left.record.completion.startswith(first)]


async def together():
    return await asyncio.gather(*(m.generate(text, max_tokens=3) for text in ("the", "the cat sat on the", "a")))


found["together"] = asyncio.run(together())
found["apart"] = [m.generate_sync(text, max_tokens=3) for text in ("the", "the cat sat on the", "a")]
try:
    m.score_sync("the " * 40, " cat")
except llm.ContextTooLong as problem:
    found["too_long"] = str(problem)
try:
    llm.model(f"local:{folder}/nowhere", sink=None).generate_sync("x")
except llm.UnknownModel as problem:
    found["unknown"] = str(problem)[:40]
found["given"] = llm.model("local:mine", model=model, tokenizer=tokenizer, sink=None).generate_sync("the cat", 6)
found["records"] = [[r.type, r.model_id, r.prompt_tokens, r.completion_tokens, r.error_type] for r in sink.records[:2]]
print(json.dumps(found))
Path(folder, "done").touch()
