"""Models of `transformers` within this process, on the CPU or a GPU: batched, and loaded when first called."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, Final

from generations.llm.backends import wires
from generations.llm.calls import Answer, Choice, Json, Piece, Request, Scored, Scores
from generations.llm.errors import ContextTooLong, NotConfigured, UnknownModel

BATCH: Final = 32
"""Texts that go through the model at once, unless the model is given another `batch_size`."""
MOST_TOKENS: Final = 1024


@dataclass(slots=True)
class Local:
    """A causal language model by the name or folder that `from_pretrained` takes, or given as an object."""

    name: str
    batch_size: int = BATCH
    device: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    given_model: Any = None
    given_tokenizer: Any = None
    provider: str | None = "local"
    _loaded: tuple[Any, Any] | None = None
    _alone: threading.Lock = field(default_factory=threading.Lock)

    # ------------------------------------------------------------------------------------------------------- loading
    def _model(self) -> tuple[Any, Any]:
        if self._loaded is None:
            try:
                import torch
                import transformers
            except ImportError as problem:
                raise NotConfigured(
                    f"local:{self.name} needs torch and transformers: pip install torch transformers"
                ) from problem
            device = self.device or ("cuda" if torch.cuda.is_available() else "cpu")
            model, tokenizer = self.given_model, self.given_tokenizer
            try:
                if tokenizer is None:
                    tokenizer = transformers.AutoTokenizer.from_pretrained(self.name)
                if model is None:
                    model = transformers.AutoModelForCausalLM.from_pretrained(self.name, **self.options)
            except (OSError, ValueError) as problem:
                raise UnknownModel(f"local:{self.name} cannot be loaded: {problem}") from problem
            if "device_map" not in self.options:
                model = model.to(device)
            if tokenizer.pad_token_id is None:
                tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
            self._loaded = model.eval(), tokenizer
        return self._loaded

    # ------------------------------------------------------------------------------------------------------- answers
    async def complete(self, requests: Sequence[Request]) -> list[Answer]:
        """The prompts go through the model together, `batch_size` at once."""
        return await asyncio.to_thread(self._answered, requests)

    def _answered(self, requests: Sequence[Request]) -> list[Answer]:
        with self._alone:
            model, tokenizer = self._model()
            texts = [self._text(tokenizer, request) for request in requests]
            answers: list[Answer] = []
            for at in range(0, len(texts), self.batch_size):
                part = list(zip(requests, texts, strict=True))[at : at + self.batch_size]
                answers += self._generated(model, tokenizer, part)
            return answers

    def _text(self, tokenizer: Any, request: Request) -> str:
        if request.messages is None:
            return request.prompt or ""
        if getattr(tokenizer, "chat_template", None):
            text: str = tokenizer.apply_chat_template(
                request.messages, tools=request.tools, tokenize=False, add_generation_prompt=True
            )
            return text
        from generations.llm.backends.inprocess import spoken

        return spoken(request.messages)

    def _generated(self, model: Any, tokenizer: Any, part: Sequence[tuple[Request, str]]) -> list[Answer]:
        import torch

        inputs, options = self._asked(model, tokenizer, part[0][0], [text for _, text in part])
        length, stops = inputs["input_ids"].shape[1], _stops(part[0][0])
        with torch.inference_mode():
            made = model.generate(**inputs, **options)
        scores, count = getattr(made, "sequences_scores", None), options["num_return_sequences"]
        answers = []
        for at, (request, _) in enumerate(part):
            rows = [at * count + index % count for index in range(request.n)]
            prompt_tokens = int(inputs["attention_mask"][at].sum())
            kept = [_kept(tokenizer, made.sequences[row][length:].tolist()) for row in rows]
            choices = [
                _choice(tokenizer, request, index, ids, is_ended, stops) for index, (ids, is_ended) in enumerate(kept)
            ]
            told = sum(len(ids) for ids, _ in kept)
            beams = None if scores is None else [float(scores[row]) for row in rows]
            answers.append(self._answer(request, choices, prompt_tokens, told, beams))
        return answers

    def _asked(
        self,
        model: Any,
        tokenizer: Any,
        request: Request,
        texts: Sequence[str],
        has_left: Callable[[], bool] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """What `generate` of the library is given: the texts as tokens, and how to go on with them."""
        import torch

        tokenizer.padding_side = "left"
        inputs = tokenizer(texts, return_tensors="pt", padding=True).to(model.device)
        length, stops = inputs["input_ids"].shape[1], _stops(request)
        options = self._steering(request, length, self._room(model))
        options |= {"pad_token_id": tokenizer.pad_token_id, "return_dict_in_generate": True}
        if stops or has_left is not None:
            options["stopping_criteria"] = [_criterion(tokenizer, length, stops, has_left)]
        if "seed" in request.settings:
            torch.manual_seed(int(request.settings["seed"]))
        return inputs, options

    def _steering(self, request: Request, length: int, room: int | None) -> dict[str, Any]:
        settings = request.settings
        most = settings.get("max_tokens")
        if room is not None and length + (most or 1) > room:
            raise ContextTooLong(f"{length} tokens of the prompt and {most or 1} of the answer are more than {room}.")
        if most is None:
            most = MOST_TOKENS if room is None else min(MOST_TOKENS, room - length)
        options: dict[str, Any] = {"max_new_tokens": most, "num_return_sequences": request.n}
        temperature = float(settings.get("temperature", 1.0))
        if request.decoder == "beam":
            options |= {"num_beams": max(request.n, 2), "do_sample": False, "output_scores": True}
        elif temperature == 0:
            # The likeliest answer is one; asked for several times, it is the same.
            options |= {"do_sample": False, "num_return_sequences": 1}
        else:
            options |= {"do_sample": True, "temperature": temperature}
            options |= {name: settings[name] for name in ("top_p", "top_k") if name in settings}
        return options

    @staticmethod
    def _room(model: Any) -> int | None:
        for name in ("max_position_embeddings", "n_positions"):
            value = getattr(model.config, name, None)
            if isinstance(value, int) and value > 0:
                return value
        return None

    def _answer(
        self, request: Request, choices: list[dict[str, Json]], prompt: int, told: int, scores: list[float] | None
    ) -> Answer:
        is_chat = request.messages is not None
        response = {
            "object": "chat.completion" if is_chat else "text_completion",
            "choices": choices,
            "usage": {"prompt_tokens": prompt, "completion_tokens": told, "total_tokens": prompt + told},
        }
        body: dict[str, Any] = {"model": f"local:{self.name}", **request.settings}
        body["messages" if is_chat else "prompt"] = request.messages if is_chat else request.prompt
        shape = "openai.chat" if is_chat else "openai.completion"
        answer = wires.openai_answer(shape, body, response, self.provider, request.n)
        if scores is None:
            return answer
        scored = zip(answer.choices, scores, strict=True)
        return replace(answer, choices=tuple(Choice(c.text, c.finish_reason, score) for c, score in scored))

    async def stream(self, request: Request) -> AsyncIterator[Piece]:
        """An answer token by token; several answers, and beams, as a piece each when they are whole."""
        if request.n > 1 or request.decoder == "beam":
            (answer,) = await self.complete([request])
            for index, choice in enumerate(answer.choices):
                yield Piece(choice.text, index, choice.finish_reason, answer)
            return
        loop, pieces, left = asyncio.get_running_loop(), asyncio.Queue[Piece | None](), threading.Event()
        work = asyncio.ensure_future(
            asyncio.to_thread(
                self._streamed, request, lambda piece: loop.call_soon_threadsafe(pieces.put_nowait, piece), left.is_set
            )
        )
        work.add_done_callback(lambda _: pieces.put_nowait(None))
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            await work
        finally:
            left.set()

    def _streamed(self, request: Request, put: Callable[[Piece], object], has_left: Callable[[], bool]) -> None:
        import torch

        with self._alone:
            model, tokenizer = self._model()
            inputs, options = self._asked(model, tokenizer, request, [self._text(tokenizer, request)], has_left)
            length, stops = inputs["input_ids"].shape[1], _stops(request)
            streamer = _Streamer(tokenizer, stops, length, put)
            with torch.inference_mode():
                made = model.generate(**inputs, **options, streamer=streamer)
            ids, is_ended = _kept(tokenizer, made.sequences[0][length:].tolist())
            choice = _choice(tokenizer, request, 0, ids, is_ended, stops)
            text = choice["text"] if request.messages is None else choice["message"]["content"]
            streamer.say(text, len(ids), choice["finish_reason"])

    def answer_of(self, request: Request, chunks: Sequence[Json], *, is_whole: bool) -> Answer:
        """The answer that was streamed, so far as it came."""
        if not chunks:
            return Answer((), {"model_id": f"local:{self.name}", "provider": self.provider})
        if isinstance(chunks[0], Answer):
            return chunks[0]
        text, last = "".join(chunk["text"] for chunk in chunks), chunks[-1]
        choice: dict[str, Json] = {"index": 0, "finish_reason": last["finish_reason"]}
        if request.messages is None:
            choice["text"] = text
        else:
            choice["message"] = {"role": "assistant", "content": text}
        return self._answer(request, [choice], last["prompt"], last["told"], None)

    def batch_key(self, request: Request) -> object:
        """Prompts with the same settings; answers to a conversation too."""
        return (request.decoder, request.n, request.messages is None, repr(sorted(request.settings.items())))

    # -------------------------------------------------------------------------------------------------------- scores
    async def score(self, prompt: str, values: Sequence[str]) -> Scores:
        """Prompt and value are made tokens of by themselves, so that no token straddles their border."""
        return await asyncio.to_thread(self._scored, prompt, values)

    def _scored(self, prompt: str, values: Sequence[str]) -> Scores:
        with self._alone:
            model, tokenizer = self._model()
            before = tokenizer(prompt)["input_ids"] if prompt else []
            if not before and tokenizer.bos_token_id is not None:
                before = [tokenizer.bos_token_id]
            rows = [before + tokenizer(value, add_special_tokens=False)["input_ids"] for value in values]
            room = self._room(model)
            if room is not None and max(map(len, rows)) > room:
                raise ContextTooLong(f"{max(map(len, rows))} tokens of prompt and value are more than {room}.")
            texts: list[Scored] = []
            for at in range(0, len(rows), self.batch_size):
                logprobs = self._forward(model, tokenizer, rows[at : at + self.batch_size])
                for row, known in zip(rows[at : at + self.batch_size], logprobs, strict=True):
                    value = values[len(texts)]
                    texts.append(_placed(tokenizer, prompt, value, row, len(before), known))
        count = sum(map(len, rows))
        fields = {"model_id": f"local:{self.name}", "provider": self.provider}
        return Scores(tuple(texts), {**fields, "prompt_tokens": count, "completion_tokens": 0})

    def _forward(self, model: Any, tokenizer: Any, rows: Sequence[list[int]]) -> list[list[float | None]]:
        """One pass for all rows: the log-probability of each token after those before it, None of the first."""
        import torch

        width = max(map(len, rows))
        ids = torch.full((len(rows), width), tokenizer.pad_token_id or 0)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for at, row in enumerate(rows):
            ids[at, : len(row)] = torch.tensor(row)
            mask[at, : len(row)] = 1
        ids, mask = ids.to(model.device), mask.to(model.device)
        with torch.inference_mode():
            logits = model(input_ids=ids, attention_mask=mask).logits.float()
            every = torch.log_softmax(logits[:, :-1], dim=-1).gather(2, ids[:, 1:, None])[:, :, 0].cpu()
        return [[None, *every[at, : len(row) - 1].tolist()] for at, row in enumerate(rows)]


class _Streamer:
    """Takes tokens as the library makes them, and says what of their text is sure by then."""

    def __init__(self, tokenizer: Any, stops: Sequence[str], prompt: int, put: Callable[[Piece], object]) -> None:
        self._tokenizer, self._stops, self._prompt, self._put = tokenizer, stops, prompt, put
        self._ids: list[int] | None = None
        self._said = 0

    def put(self, value: Any) -> None:
        """Take the prompt, which comes first, or the next token."""
        if self._ids is None:
            self._ids = []
            return
        self._ids += value.tolist()
        text = self._tokenizer.decode(self._ids, skip_special_tokens=True)
        # What may yet become another character, or the beginning of what ends the text, is not said yet.
        sure = text.rstrip("\ufffd")
        for stop in self._stops:
            if (at := sure.find(stop)) >= 0:
                sure = sure[:at]
            else:
                held = next((size for size in range(len(stop) - 1, 0, -1) if sure.endswith(stop[:size])), 0)
                sure = sure[: len(sure) - held]
        if len(sure) > self._said:
            self.say(sure, len(self._ids), None)

    def end(self) -> None:
        """Nothing: the end is said by who knows why."""

    def say(self, text: str, told: int, reason: str | None) -> None:
        """Pass on what of the text is new."""
        new, self._said = text[self._said :], max(self._said, len(text))
        chunk = {"text": new, "prompt": self._prompt, "told": told, "finish_reason": reason}
        self._put(Piece(new, 0, reason, chunk))


def _placed(
    tokenizer: Any, prompt: str, value: str, row: list[int], border: int, logprobs: list[float | None]
) -> Scored:
    """Tokens with their places in prompt + value, the value's beginning at the border whatever the decoder says."""
    tokens = [tokenizer.decode([token]) for token in row]
    offsets = [
        *_spread(tokens[:border], 0, len(prompt)),
        *_spread(tokens[border:], len(prompt), len(prompt) + len(value)),
    ]
    return Scored(tuple((prompt + value)[a:b] for a, b in offsets), tuple(logprobs), tuple(a for a, _ in offsets))


def _spread(tokens: Sequence[str], begin: int, end: int) -> list[tuple[int, int]]:
    """Where each of these tokens stands between two places: by their lengths, kept within and without gaps."""
    ends = [min(begin + seen, end) for seen in accumulate(map(len, tokens))]
    if ends:
        ends[-1] = end
    return list(zip([begin, *ends], ends, strict=False))


def _kept(tokenizer: Any, ids: list[int]) -> tuple[list[int], bool]:
    """The tokens of an answer without its end and what pads it, and whether it came to its end."""
    for at, token in enumerate(ids):
        if token == tokenizer.eos_token_id:
            return ids[:at], True
    while ids and ids[-1] == tokenizer.pad_token_id:
        ids = ids[:-1]
    return ids, False


def _stops(request: Request) -> list[str]:
    stop = request.settings.get("stop")
    return [stop] if isinstance(stop, str) else list(stop or [])


def _criterion(tokenizer: Any, length: int, stops: Sequence[str], has_left: Callable[[], bool] | None) -> Any:
    """Ends an answer in which one of `stops` stands, or that nobody waits for any more. Those of the library need a
    vocabulary of a certain kind."""
    import torch
    import transformers

    class Stops(transformers.StoppingCriteria):  # type: ignore[misc]  # the library is not there for mypy
        def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
            is_over = has_left is not None and has_left()
            texts = [tokenizer.decode(row[length:], skip_special_tokens=True) if stops else "" for row in input_ids]
            ended = [is_over or any(stop in text for stop in stops) for text in texts]
            return torch.tensor(ended, device=input_ids.device)

    return Stops()


def _choice(
    tokenizer: Any, request: Request, index: int, ids: list[int], is_ended: bool, stops: Sequence[str]
) -> dict[str, Json]:
    text = tokenizer.decode(ids, skip_special_tokens=True)
    cuts = [at for at in (text.find(stop) for stop in stops) if at >= 0]
    if cuts:
        text, is_ended = text[: min(cuts)], True
    choice: dict[str, Json] = {"index": index, "finish_reason": "stop" if is_ended else "length"}
    if request.messages is not None:
        return choice | {"message": {"role": "assistant", "content": text}}
    return choice | {"text": text}
