"""An n-gram model of a text: how likely each word is after the words before it. No key, no network, no chance.

Probabilities are interpolated (Witten and Bell, 1991): what followed a context is weighed against what follows a
shorter one, down to a base in which every token has a share. They are exact, and sum to 1 over the vocabulary.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

END: Final = 0
"""The token at which a text ends, and before which it begins."""
ORDER: Final = 6
SPELT: Final = 0.001
"""The share of the base that single bytes have together: whatever was never learnt is spelt with them."""
_WORDS: Final = re.compile(r" ?\w+| ?[^\w\s]+|\s")


@dataclass(frozen=True, slots=True)
class _Followers:
    """What followed a context: how often each token did, how many tokens did, and how many different ones."""

    counts: Counter[int]
    total: int

    @property
    def kinds(self) -> int:
        return len(self.counts)


class Ngrams:
    """The model of `text` that looks back at `order - 1` tokens; of order 0, every token is as likely as any other."""

    def __init__(self, text: str, order: int = ORDER) -> None:
        self.order = order
        paragraphs = [part for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]
        said = dict.fromkeys(word for part in paragraphs for word in _WORDS.findall(part))
        # Each word is known at the beginning of a text too, or right after another.
        words = dict.fromkeys(form for word in said for form in (word, word.lstrip(" ")) if form)
        single = {bytes([byte]) for byte in range(256)}
        learnt = [word.encode() for word in words if word.encode() not in single]
        # The end, all bytes in their order, then what was learnt.
        self.vocabulary: list[bytes] = [b"", *sorted(single), *learnt]
        self._ids = {token: place for place, token in enumerate(self.vocabulary) if place}
        known = {END, *(self._ids[word.encode()] for word in words)}
        unknown = [place for place in range(1, 257) if place not in known]
        self._base = [0.0] * len(self.vocabulary)
        for place in unknown:
            self._base[place] = SPELT / len(unknown)
        for place in known:
            self._base[place] = (1.0 - SPELT) / len(known)
        self._after: dict[tuple[int, ...], _Followers] = {}
        if order > 0:
            self._learn([self.tokens(part) for part in paragraphs])

    def _learn(self, texts: Sequence[Sequence[int]]) -> None:
        counts: dict[tuple[int, ...], Counter[int]] = {}
        for ids in texts:
            padded = [END] * (self.order - 1) + list(ids) + [END]
            for at in range(self.order - 1, len(padded)):
                for length in range(self.order):
                    counts.setdefault(tuple(padded[at - length : at]), Counter())[padded[at]] += 1
        self._after = {context: _Followers(counted, counted.total()) for context, counted in counts.items()}

    # ------------------------------------------------------------------------------------------------------ tokens
    def tokens(self, text: str) -> list[int]:
        """`text` as tokens: words as they were learnt, and the bytes of what was not."""
        ids: list[int] = []
        for word in _WORDS.findall(text):
            raw = word.encode("utf-8", "replace")
            if raw in self._ids:
                ids.append(self._ids[raw])
            elif raw[:1] == b" " and raw[1:] in self._ids:
                ids += [self._ids[b" "], self._ids[raw[1:]]]
            else:
                ids += [self._ids[bytes([byte])] for byte in raw]
        return ids

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The text of each token; a character of several bytes stands at the last of them."""
        made, held = [], b""
        for place in ids:
            held += self.vocabulary[place]
            try:
                made.append(held.decode())
            except UnicodeDecodeError as problem:
                if problem.reason == "unexpected end of data" and problem.end == len(held):
                    made.append("")
                    continue
                made.append(held.decode("utf-8", "replace"))
            held = b""
        if held and made:
            made[-1] = held.decode("utf-8", "replace")
        return made

    # ------------------------------------------------------------------------------------------------ probabilities
    def _contexts(self, before: Sequence[int]) -> Iterator[_Followers]:
        """What followed the contexts that end `before`, the shortest first."""
        padded = [END] * (self.order - 1) + list(before[-(self.order - 1) :] if self.order > 1 else [])
        for length in range(self.order):
            found = self._after.get(tuple(padded[len(padded) - length :]))
            if found is None:
                return
            yield found

    def probability(self, before: Sequence[int], token: int) -> float:
        """How likely `token` is after the tokens `before`."""
        share = self._base[token]
        for found in self._contexts(before):
            share = (found.counts.get(token, 0) + found.kinds * share) / (found.total + found.kinds)
        return share

    def distribution(self, before: Sequence[int]) -> list[float]:
        """How likely each token of the vocabulary is after the tokens `before`; sums to 1."""
        shares = self._base
        for found in self._contexts(before):
            weight = 1.0 / (found.total + found.kinds)
            kept = found.kinds * weight
            shares = [share * kept for share in shares]
            for token, count in found.counts.items():
                shares[token] += count * weight
        return shares

    def logprobs(self, before: Sequence[int], ids: Sequence[int]) -> list[float]:
        """The log-probability of each of `ids`, one after the other, after the tokens `before`."""
        seen = list(before)
        made = []
        for token in ids:
            made.append(math.log(self.probability(seen, token)))
            seen.append(token)
        return made


@lru_cache(maxsize=8)
def learnt(text: str | None, order: int) -> Ngrams:
    """The model of a text, learnt once; of the built-in text when there is none."""
    if text is None:
        from generations.llm.corpus import TEXT

        text = TEXT
    return Ngrams(text, order)
