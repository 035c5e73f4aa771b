"""How likely a model finds each of several continuations of a prompt: token by token, in sum, and among each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from generations.llm.calls import Scored
from generations.llm.errors import InvalidCall, NoPromptLogprobs

ALPHA: Final = 0.7
AGGREGATES: Final = ("sum", "mean", "normalized")
STRADDLES: Final = ("include", "exclude", "error")


class Vector(tuple[float, ...]):
    """Numbers in a row that can be used as a NumPy array can, as far as scores need it; `numpy.array(v)` makes one."""

    __slots__ = ()

    @property
    def shape(self) -> tuple[int]:
        """How many there are, as NumPy says it."""
        return (len(self),)

    def sum(self) -> float:
        """Their sum, rounded once."""
        return math.fsum(self)

    def mean(self) -> float:
        """Their mean; NaN of none."""
        return math.fsum(self) / len(self) if self else math.nan

    def max(self) -> float:
        """The greatest of them."""
        return max(self)

    def min(self) -> float:
        """The least of them."""
        return min(self)

    def argmax(self) -> int:
        """The place of the greatest, the first of equal ones."""
        return max(range(len(self)), key=self.__getitem__)

    def tolist(self) -> list[float]:
        """A list of them."""
        return list(self)


@dataclass(frozen=True, slots=True)
class ScoredSequence:
    """Prompt and value as the model sees them. The last `value_tokens` tokens are the value's.

    A log-probability is NaN where the provider gives none. `straddles`: the first of the value's tokens begins in the
    prompt, so that its log-probability is of a bit of the prompt as well.
    """

    tokens: tuple[str, ...]
    logprobs: Vector
    offsets: tuple[int, ...]
    value_tokens: int
    straddles: bool = False

    def __len__(self) -> int:
        return len(self.tokens)


class ScoringResult:
    """The scores of continuations of one prompt.

    Scores are natural logarithms of probabilities. `agg` is `sum` (of the value's tokens: the log-probability of the
    whole value), `mean` (for each token) or `normalized` (the sum divided by the number of tokens to the power of
    `alpha`). Lengths are counted over the value alone. `generation_id` is the id of the recorded call.
    """

    def __init__(
        self,
        prompt: str,
        continuations: Sequence[str],
        seqs: Sequence[ScoredSequence],
        model_identifier: str,
        *,
        compat: bool = False,
    ) -> None:
        self.prompt = prompt
        self.continuations = list(continuations)
        self.seqs = list(seqs)
        self.num_value_tokens = [seq.value_tokens for seq in seqs]
        self.model_identifier = model_identifier
        self._compat = compat
        self.generation_id: str | None = None

    @property
    def full_token_scores(self) -> list[Vector]:
        """Log-probabilities of the tokens of prompt and value, for each continuation."""
        if self._compat:
            return [
                Vector((*[0.0] * (len(seq) - seq.value_tokens), *seq.logprobs[len(seq) - seq.value_tokens :]))
                for seq in self.seqs
            ]
        return [seq.logprobs for seq in self.seqs]

    @property
    def token_scores(self) -> list[Vector]:
        """Log-probabilities of the tokens of the value, for each continuation."""
        return [Vector(seq.logprobs[len(seq) - seq.value_tokens :]) for seq in self.seqs]

    @property
    def straddling(self) -> list[str]:
        """The continuations whose first token begins in the prompt: their scores are of a bit of the prompt as well."""
        return [value for value, seq in zip(self.continuations, self.seqs, strict=True) if seq.straddles]

    def scores(self, agg: str = "sum", *, alpha: float = ALPHA) -> Vector:
        """A score for each continuation."""
        if agg not in AGGREGATES:
            raise InvalidCall(f"agg: {agg!r} is not valid; expected one of {', '.join(AGGREGATES)}")
        sums = [scores.sum() for scores in self.token_scores]
        if agg == "sum":
            return Vector(sums)
        lengths = [len(seq) if self._compat else seq.value_tokens for seq in self.seqs]
        power = 1.0 if agg == "mean" else alpha
        return Vector(total / max(length, 1) ** power for total, length in zip(sums, lengths, strict=True))

    def logprobs(self, agg: str = "sum", *, alpha: float = ALPHA) -> Vector:
        """The scores as log-probabilities among the continuations: their exponentials sum to 1."""
        return log_softmax(self.scores(agg, alpha=alpha))

    def probs(self, agg: str = "sum", *, alpha: float = ALPHA) -> Vector:
        """How the probability is shared among the continuations; sums to 1."""
        return Vector(math.exp(value) for value in self.logprobs(agg, alpha=alpha))

    def argmax(self, agg: str = "sum", *, alpha: float = ALPHA) -> str:
        """The continuation with the highest score, the first of equal ones."""
        return self.continuations[self.scores(agg, alpha=alpha).argmax()]

    def max(self, agg: str = "sum", *, alpha: float = ALPHA) -> float:
        """The highest score."""
        return self.scores(agg, alpha=alpha).max()

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON: for each continuation its scores, its share of the probability and its tokens."""
        sums, means, normalized = (self.scores(agg) for agg in AGGREGATES)
        probs = self.probs()
        return {
            "model": self.model_identifier,
            "prompt": self.prompt,
            "best": self.argmax(),
            "values": [
                {
                    "value": value,
                    "sum": sums[place],
                    "mean": means[place],
                    "normalized": normalized[place],
                    "prob": probs[place],
                    "straddles": seq.straddles,
                    "tokens": [
                        {
                            "token": token,
                            "logprob": None if math.isnan(logprob) else logprob,
                            "offset": offset,
                            "isValue": at >= len(seq) - seq.value_tokens,
                        }
                        for at, (token, logprob, offset) in enumerate(
                            zip(seq.tokens, seq.logprobs, seq.offsets, strict=True)
                        )
                    ],
                }
                for place, (value, seq) in enumerate(zip(self.continuations, self.seqs, strict=True))
            ],
        }

    def __len__(self) -> int:
        return len(self.continuations)

    def __str__(self) -> str:
        lines = (f"-{value}: {score}" for value, score in zip(self.continuations, self.scores(), strict=True))
        return "\n".join([f"llm.ScoringResult(model='{self.model_identifier}')", *lines])

    __repr__ = __str__


def log_softmax(scores: Sequence[float]) -> Vector:
    """Log-probabilities in proportion to the exponentials of `scores`, also where those are too small for a float."""
    top = max(scores)
    if top == -math.inf:
        return Vector(-math.log(len(scores)) for _ in scores)
    total = math.log(math.fsum(math.exp(score - top) for score in scores))
    return Vector(score - top - total for score in scores)


# -------------------------------------------------------------------------------------------------------- alignment
def aligned(prompt: str, value: str, scored: Scored, *, straddle: str = "include") -> ScoredSequence:
    """`scored` as a sequence of which it is known where the value begins, told from where its tokens stand in the text.

    A token that straddles the border is counted as the value's (`include`), as the prompt's (`exclude`), or refused
    (`error`). Tokens after the text, which some servers cannot do without, are left out. Raises NoPromptLogprobs when
    a token of the value has no log-probability, InvalidCall for a token that straddles with `error`.
    """
    text, border = prompt + value, len(prompt)
    offsets = placed(text, scored)
    kept = [place for place, offset in enumerate(offsets) if offset < len(text)]
    tokens = tuple(scored.tokens[place] for place in kept)
    starts = tuple(offsets[place] for place in kept)
    logprobs = [scored.logprobs[place] for place in kept]
    first = next((at for at, offset in enumerate(starts) if offset >= border), len(starts))
    straddles = first > 0 and starts[first - 1] < border < _end(starts, first - 1, len(text))
    if straddles:
        if straddle == "error":
            raise InvalidCall(
                f"values: the token {tokens[first - 1]!r} stands across the border of the prompt and {value!r}; "
                "end the prompt, or begin the value, where a token ends"
            )
        if straddle == "include":
            first -= 1
    if first == len(tokens):
        raise InvalidCall(
            f"values: no token of {value!r} is left without the one that stands across the prompt's border"
        )
    missing = next((at for at in range(first, len(tokens)) if logprobs[at] is None), None)
    if missing is not None:
        why = "it is the first of the text: give a prompt" if missing == 0 else "the provider left it out"
        raise NoPromptLogprobs(f"The token {tokens[missing]!r} of the value {value!r} has no log-probability; {why}.")
    known = Vector(math.nan if logprob is None else float(logprob) for logprob in logprobs)
    return ScoredSequence(tokens, known, starts, len(tokens) - first, straddles)


def placed(text: str, scored: Scored) -> list[int]:
    """Where each token begins in `text`. Offsets that the provider counts differently are found anew.

    Raises NoPromptLogprobs when the tokens do not make up the text.
    """
    if len(scored.offsets) == len(scored.tokens) and _fit(text, scored.tokens, scored.offsets):
        return list(scored.offsets)
    places, at = [], 0
    for index, token in enumerate(scored.tokens):
        places.append(at)
        if text.startswith(token, at):
            at += len(token)
        elif index and at < len(text):
            raise NoPromptLogprobs(
                f"The provider's tokens do not make up the text: {token!r} does not stand at character {at}."
            )
    if at < len(text):
        raise NoPromptLogprobs(
            "The provider did not give the prompt's tokens back (echo), so that nothing can be scored with it."
        )
    return places


def _fit(text: str, tokens: Iterable[str], offsets: Sequence[int]) -> bool:
    """Whether tokens stand where they are said to. A token of half a character (`bytes:\\xe2`) may stand anywhere."""
    before, has_any = 0, False
    for token, offset in zip(tokens, offsets, strict=True):
        if offset < before or (offset > len(text) and before < len(text)):
            return False
        if offset < len(text) and not token.startswith("bytes:") and not text.startswith(token, offset):
            return False
        before, has_any = offset, True
    return has_any


def _end(starts: Sequence[int], at: int, length: int) -> int:
    return starts[at + 1] if at + 1 < len(starts) else length
