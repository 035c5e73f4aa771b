"""Evaluators at work: scores of answers, and for each that has none the reason."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from generations import generating, identities, llm, recording, verdicts
from generations.access import Grant
from generations.evaluating.subjects import JUDGED_BY, Case
from generations.llm import running
from generations.llm.backends.inprocess import InProcess
from generations.models import Evaluator, Project
from generations.records import GenerationRecord, Json, ScoreRecord
from generations.verdicts import Apart, Unscored, Verdict

CALLS_AT_ONCE: Final = 8
JUDGE_TOKENS: Final = 500
UNSCORED: Final = "unscored"
"""The label of a score that could not be given; its comment says why."""
TAG: Final = "evaluation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """An evaluator as it was when it was asked to score."""

    id: str
    name: str
    kind: str
    options: dict[str, Json]
    score_name: str

    @classmethod
    def of(cls, row: Evaluator) -> Used:
        """As it is now."""
        return cls(id=str(row.pk), name=row.name, kind=row.kind, options=row.options, score_name=row.score_name)

    @property
    def model(self) -> str | None:
        """The model that it calls, if it calls one."""
        return self.options["model"] if verdicts.KINDS[self.kind].calls else None


@dataclass(frozen=True, slots=True)
class Finding:
    """What an evaluator says of a case: a score, or why there is none."""

    evaluator: Used
    value: float | None
    comment: str | None
    call: str | None = None

    @property
    def is_scored(self) -> bool:
        """Whether there is a score."""
        return self.value is not None

    def record(self, id: str, **about: Any) -> ScoreRecord:
        """The score as it is stored."""
        said: dict[str, Json] = {JUDGED_BY: self.evaluator.id}
        if self.call is not None:
            said["call"] = self.call
        return ScoreRecord(
            id=id,
            name=self.evaluator.score_name,
            type="AI" if self.evaluator.model else "CODE",
            value=self.value,
            label=None if self.is_scored else UNSCORED,
            comment=self.comment,
            author=f"evaluator {self.evaluator.name}"[:250],
            metadata=said,
            **about,
        )


class Kept:
    """The records of calls, until they are stored together."""

    def __init__(self) -> None:
        self.records: list[GenerationRecord] = []

    def record(self, record: GenerationRecord) -> None:
        """Keep one call."""
        self.records.append(record)

    def taken(self) -> list[GenerationRecord]:
        """The calls since this was asked last."""
        taken, self.records = self.records, []
        return taken


def keep(project: Project, calls: Sequence[GenerationRecord]) -> None:
    """Store calls that were made."""
    if calls:
        recording.record(project, calls)


class Models:
    """The models of an evaluation, each opened once; their calls are kept in `kept`."""

    def __init__(self, grant: Grant, names: Iterable[str]) -> None:
        self.kept = Kept()
        self._opened: dict[str, llm.LLM | llm.LLMError] = {}
        for name in names:
            try:
                opened = self._opened[name] = generating.opened(grant, name, sink=self.kept)
            except llm.LLMError as problem:
                self._opened[name] = problem
                continue
            if isinstance(opened.backend, InProcess):
                # Or else the answers that come first would have taken so much longer than the others.
                opened.backend.load()

    def __call__(self, name: str) -> llm.LLM:
        """The model of this name. Raises LLMError."""
        found = self._opened[name]
        if isinstance(found, llm.LLMError):
            raise found
        return found


class Scorer:
    """Evaluators that score cases together; calls of one batch run at the same time."""

    def __init__(self, evaluators: Sequence[Used], models: Models, apart: Apart, about: dict[str, Json]) -> None:
        self.evaluators = evaluators
        self._models = models
        self._apart = apart
        self._about = about

    def findings(self, cases: Sequence[Case]) -> list[list[Finding]]:
        """What each evaluator says of each case, case by case."""
        places = [(case, evaluator) for case in cases for evaluator in self.evaluators]
        calls: dict[int, Callable[[], Awaitable[Finding]]] = {}
        found: dict[int, Finding] = {}
        for n, (case, evaluator) in enumerate(places):
            try:
                _check(case, evaluator)
                if evaluator.kind in ("judge", "log_probability"):
                    ask = self._judged if evaluator.kind == "judge" else self._likely
                    calls[n] = partial(ask, case, evaluator)
                else:
                    verdict = self._ruled(case, evaluator)
                    found[n] = Finding(evaluator, verdict.value, verdict.comment)
            except Unscored as reason:
                found[n] = Finding(evaluator, None, str(reason))
        if calls:
            found |= zip(calls, together(list(calls.values())), strict=True)
        each = len(self.evaluators)
        return [[found[n + place] for place in range(each)] for n in range(0, len(places), each)]

    def _ruled(self, case: Case, evaluator: Used) -> Verdict:
        if evaluator.kind in ("regex", "json_schema"):
            return self._apart.verdict(evaluator.kind, evaluator.options, case.output)
        return verdicts.said_by(evaluator.kind, evaluator.options, case.output, case.expected)

    async def _judged(self, case: Case, evaluator: Used) -> Finding:
        asked = verdicts.asked_of_judge(evaluator.options["criterion"], case.input, case.output, case.expected)
        call = None
        try:
            done = await self._models(evaluator.options["model"]).complete(
                asked, JUDGE_TOKENS, record=self._said(case, evaluator)
            )
            call = done.id
            verdict = verdicts.judged(done.answer.text)
        except llm.LLMError as problem:
            return Finding(evaluator, None, f"The judge could not be asked: {problem}", problem.generation_id)
        except Unscored as reason:
            return Finding(evaluator, None, str(reason), call)
        return Finding(evaluator, verdict.value, verdict.comment, call)

    async def _likely(self, case: Case, evaluator: Used) -> Finding:
        prompt, value = case.asked, verdicts.plain(case.expected)
        separator = "" if not prompt or prompt[-1:].isspace() or value[:1].isspace() else " "
        try:
            result = await self._models(evaluator.options["model"]).score(
                prompt, [value], separator=separator, record=self._said(case, evaluator)
            )
        except llm.LLMError as problem:
            return Finding(evaluator, None, f"It could not be scored: {problem}", problem.generation_id)
        total, tokens = result.scores()[0], result.seqs[0].value_tokens
        value_ = float(total) / tokens if evaluator.options["per"] == "token" and tokens else float(total)
        return Finding(evaluator, value_, f"{tokens} tokens, {float(total):.3f} in all", result.generation_id)

    def _said(self, case: Case, evaluator: Used) -> dict[str, Json]:
        about = {**self._about, JUDGED_BY: evaluator.id}
        if case.generation_id:
            about["judged"] = case.generation_id
        return {"id": identities.new_id(), "name": evaluator.name, "tags": [TAG], "metadata": about}


def _check(case: Case, evaluator: Used) -> None:
    """Refuse what cannot be scored, with the reason. Raises Unscored."""
    if evaluator.kind != "log_probability" and case.problem is not None:
        raise Unscored(f"There is no answer to score. {case.problem}")
    needs = verdicts.KINDS[evaluator.kind].needs_expected and evaluator.options.get("text") is None
    if needs and case.expected is None:
        raise Unscored("It is not known what was expected.")
    if evaluator.kind == "log_probability" and not (verdicts.plain(case.expected) and case.asked):
        raise Unscored("What was asked, or what was expected, has no text.")


def together(calls: Sequence[Callable[[], Awaitable[Any]]]) -> list[Any]:
    """The results of these calls, some of which are under way at any time, in their order."""

    async def all_of_them() -> list[Any]:
        room = asyncio.Semaphore(CALLS_AT_ONCE)

        async def one(call: Callable[[], Awaitable[Any]]) -> Any:
            async with room:
                return await call()

        return await asyncio.gather(*map(one, calls))

    # Where the calls themselves are: a loop of one's own looks at the tasks of all others when it ends, and stumbles
    # over those that a process had before it was forked.
    return running.blocking(all_of_them())
