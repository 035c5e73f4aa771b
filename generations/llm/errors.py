"""What can go wrong when a model is called, as typed exceptions that say what to do."""

from __future__ import annotations

import re
from typing import ClassVar, Final

_NAMED: Final = re.compile(
    r"(?P<field>[\w.\[\]]{1,80}): (?:(?P<value>.+?) is not valid; )?expected (?P<expected>.+)", re.DOTALL
)
_LONGEST: Final = 100


class LLMError(Exception):
    """A call that did not succeed.

    `kind` is the word under which it is recorded and told at every door. `status` is the provider's HTTP status,
    `retry_after` how many seconds it asks to wait, `partial` the text that had arrived, `generation_id` the id of
    the recorded call; each is None where there is none.
    """

    kind: ClassVar[str] = "error"

    def __init__(
        self, message: str, *, status: int | None = None, retry_after: float | None = None, partial: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.partial = partial
        self.generation_id: str | None = None


class InvalidCall(LLMError, ValueError):
    """What was asked makes no sense: the message names the argument, its value and what would be right.

    So do `field`, `value` and `expected`, each None where the message is another sentence.
    """

    kind = "invalid_call"

    def __init__(self, message: str) -> None:
        said = _NAMED.fullmatch(message)
        self.field = said["field"] if said else None
        self.value = said["value"] if said else None
        if self.value is not None and len(self.value) > _LONGEST:
            # What was given may be a whole document: its beginning is enough to know it again.
            short = f"{self.value[:_LONGEST]}…"
            message, self.value = message.replace(self.value, short, 1), short
        super().__init__(message)
        self.expected = said["expected"] if said else None


class UnknownModel(LLMError):
    """There is no model of this name, here or at the provider."""

    kind = "unknown_model"

    name: str | None = None
    known: str | None = None
    """What was asked for and what there is, where that is known here."""


class NotConfigured(LLMError):
    """A key, an address or a package that this model needs is missing."""

    kind = "not_configured"


class WrongKey(LLMError):
    """The provider refuses the key, or the key may not use this model."""

    kind = "wrong_key"


class ContextTooLong(LLMError):
    """Prompt and answer do not fit into the model's context window."""

    kind = "context_too_long"


class RateLimited(LLMError):
    """The provider asks to wait, longer or more often than this call does."""

    kind = "rate_limited"


class Refused(LLMError):
    """The provider does not take the request as it is."""

    kind = "refused"


class Unreachable(LLMError):
    """No connection to the provider."""

    kind = "unreachable"


class TooSlow(LLMError):
    """The provider did not answer, or did not go on, in time."""

    kind = "too_slow"


class Broken(LLMError):
    """The answer ended before it was whole: a cut stream, a lost connection, or something that is no answer."""

    kind = "broken"


class ProviderFailed(LLMError):
    """The provider failed by itself (a status of 500 or more)."""

    kind = "provider_failed"


class NoPromptLogprobs(LLMError):
    """The provider does not tell how likely the tokens of a given text are, so that nothing can be scored with it."""

    kind = "no_prompt_logprobs"


class NotSupported(LLMError):
    """The model cannot do what was asked, such as a beam search."""

    kind = "not_supported"


class ForbiddenHost(LLMError):
    """The address is not one that may be called from here."""

    kind = "forbidden_host"


class Cancelled(LLMError):
    """Whoever asked went away before the answer was whole."""

    kind = "cancelled"
