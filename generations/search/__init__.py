"""Search over what was said: extracts made behind the write, found by words and parts of words, newest first."""

from generations.folding import EACH
from generations.search.finding import Excerpt, Found, Hit, find
from generations.search.indexing import Lag, catch_up, fill, lag, renew
from generations.search.named import Named, named
from generations.search.narrowing import narrowed, newest

__all__ = [
    "EACH",
    "Excerpt",
    "Found",
    "Hit",
    "Lag",
    "Named",
    "catch_up",
    "fill",
    "find",
    "lag",
    "named",
    "narrowed",
    "newest",
    "renew",
]
