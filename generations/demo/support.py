"""The assistant at work: a thread for each conversation, a run for each answer, with searches, tools and judgements."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from generations.demo.calls import (
    EMBEDDING,
    FLASH,
    GPT_4O,
    MISTRAL_MEDIUM,
    OPUS,
    OWN,
    SONNET,
    Caller,
    Customer,
    Model,
    tokens,
    tokens_of,
)
from generations.demo.conversations import COMPLAINTS, ENGLISH, SLOW_COMPLAINTS, THANKS, Script, Turn
from generations.demo.languages import OTHERS
from generations.demo.shop import ARTICLES, CARRIERS, PRODUCTS, SYSTEM, TOOLS, photo
from generations.demo.week import SLOW_RELEASE
from generations.records import (
    FeedbackRecord,
    GenerationRecord,
    Json,
    Record,
    ScoreRecord,
    StepRecord,
    ThreadRecord,
)

_ROUTES: Final = ((0.46, GPT_4O), (0.7, SONNET), (0.85, FLASH), (0.93, MISTRAL_MEDIUM), (1.0, OWN))
_PHOTO: Final = photo()
_TOOLS_TOKENS: Final = 310
_REVIEWERS: Final = ("mara", "jon", "siobhan")


def conversation(caller: Caller, start: dt.datetime) -> Iterator[Record]:
    """One conversation from its first question on: its thread, its customer, and all that was done to answer."""
    chance = caller.chance
    script = chance.choice(ENGLISH) if chance.random() < 0.72 else chance.choice(OTHERS)
    yield from _Talk(caller, script, start).records()


class _Talk:
    """One conversation while it is told."""

    def __init__(self, caller: Caller, script: Script, start: dt.datetime) -> None:
        chance = caller.chance
        self.caller, self.script, self.chance, self.moment = caller, script, chance, start
        self.customer: Customer = caller.customer(script.locale)
        self.thread = caller.id(start)
        self.environment = caller.environment()
        self.release = caller.week.release(start)
        self.version = caller.week.prompt(start)
        self.variables: dict[str, Json] = {
            "customer_name": self.customer.name,
            "locale": script.locale,
            "orders": 1 + self.customer.number % 9,
            "today": f"{start:%Y-%m-%d}",
        }
        product = chance.choice(PRODUCTS)
        self.slots: dict[str, str] = {
            "first": self.customer.name,
            "order": f"FH-{chance.randrange(40_000, 99_999)}",
            "product": product.name,
            "sku": product.sku,
            "size": chance.choice(product.sizes),
            "price": str(product.price),
            "city": self.customer.city,
            "carrier": chance.choice(CARRIERS),
            "days": str(chance.randrange(2, 7)),
            "date": f"{start + dt.timedelta(days=chance.randrange(1, 6)):%Y-%m-%d}",
        }
        self.tags = (script.topic, script.locale) + (("business",) if self.customer.plan == "business" else ())
        self.metadata: dict[str, Json] = {
            "channel": chance.choice(("web", "web", "app", "email")),
            "plan": self.customer.plan,
            "experiment": "warm-tone" if self.customer.number % 2 else "plain-tone",
        }
        self.history: list[Json] = [{"role": "system", "content": SYSTEM[self.version].format_map(self.variables)}]

    def records(self) -> Iterator[Record]:
        first_question = ""
        told: list[Record] = []
        for number, turn in enumerate(self.script.turns):
            if number and self.chance.random() > 0.78:
                break
            question = self.chance.choice(turn.asks).format_map(self.slots)
            first_question = first_question or question
            told.extend(self._answered(turn, question))
            self.moment += dt.timedelta(seconds=self.chance.uniform(15, 200))
        yield self.customer.record(self.moment)
        yield ThreadRecord(
            id=self.thread,
            name=first_question[:80],
            user_id=self.customer.id,
            environment=self.environment,
            tags=self.tags,
            metadata=self.metadata,
            started_at=told[0].started_at if isinstance(told[0], StepRecord) else None,
            last_activity_at=self.moment,
        )
        yield from told

    # --------------------------------------------------------------------------------------------------- one answer
    def _answered(self, turn: Turn, question: str) -> Iterator[Record]:
        start, run = self.moment, self.caller.id(self.moment)
        content: Json = question
        if turn.has_photo:
            content = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": _PHOTO}}]
        told: list[Record] = []
        if turn.article is not None:
            told.extend(self._search(run, turn.article, question))
        messages: list[Json] = [*self.history, {"role": "user", "content": content}]
        model = self._route()
        if turn.tool is not None:
            told.extend(self._tool(run, turn, messages, model))
        answer = self.chance.choice(turn.answers).format_map(self.slots)
        final = self._chat(run, messages, model, {"role": "assistant", "content": answer})
        if final.error is not None:
            told.append(final)
            model = SONNET if model.provider == "openai" else GPT_4O
            again = self._chat(run, messages, model, {"role": "assistant", "content": answer}, is_fallback=True)
            about = self.metadata | {"instead_of": final.id}
            final = replace(again, tags=(*self.tags, "fallback"), metadata=about)
        if final.error is None:
            final = self._judged(final)
        told.append(final)
        self.history = [*messages, {"role": "assistant", "content": answer}]
        yield StepRecord(
            id=run,
            type="run",
            name="answer",
            thread_id=self.thread,
            root_id=run,
            started_at=start,
            ended_at=self.moment,
            error=final.error,
            input={"message": question},
            output=None if final.error else {"message": answer},
            metadata=self.metadata,
            **self._common,
        )
        yield from told

    def _route(self) -> Model:
        if self.caller.week.is_dear(self.moment) and self.chance.random() < 0.55:
            return OPUS
        drawn = self.chance.random()
        return next(model for until, model in _ROUTES if drawn < until)

    def _search(self, run: str, article: str, question: str) -> Iterator[Record]:
        search, start = self.caller.id(self.moment), self.moment
        found = [article, *self.chance.sample([name for name in ARTICLES if name != article], 2)]
        if self.chance.random() < 0.3:
            embedding = self.caller.call(
                EMBEDDING,
                self.moment,
                sent=tokens(question),
                answer=0,
                type="embedding",
                name="embed question",
                prompt=question,
                output={"vectors": 1, "dimensions": 512},
                output_type="other",
                parameters={"dimensions": 512},
                thread_id=self.thread,
                step_id=search,
                function_id="search-help",
                **self._common,
            )
            self._pass(embedding)
            yield embedding
        is_slow = self.caller.week.release(start) == SLOW_RELEASE
        self.moment += dt.timedelta(
            seconds=self.chance.uniform(0.9, 1.6) if is_slow else self.chance.uniform(0.08, 0.3)
        )
        yield StepRecord(
            id=search,
            type="retrieval",
            name="search help articles",
            thread_id=self.thread,
            parent_id=run,
            root_id=run,
            started_at=start,
            ended_at=self.moment,
            input={"query": question, "limit": 3},
            output={
                "documents": [
                    {"id": name, "score": round(0.91 - 0.17 * place, 2), "text": ARTICLES[name]}
                    for place, name in enumerate(found)
                ]
            },
            **self._common,
        )
        if self.version >= 13:
            excerpts = "\n\n".join(ARTICLES[name] for name in found[:2])
            self.history[0] = {
                "role": "system",
                "content": f"{SYSTEM[13].format_map(self.variables)}\n\nHelp articles:\n\n{excerpts}",
            }

    def _tool(self, run: str, turn: Turn, messages: list[Json], model: Model) -> Iterator[Record]:
        assert turn.tool is not None
        arguments, result = self._tool_data(turn.tool)
        call_id = f"call_{self.chance.getrandbits(64):016x}"
        function = {"name": turn.tool, "arguments": _json(arguments)}
        asking = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": call_id, "type": "function", "function": function}],
        }
        call = self._chat(run, messages, model, asking)
        yield call
        if call.error is not None:
            return
        start = self.moment
        self.moment += dt.timedelta(seconds=self.chance.uniform(0.1, 0.9))
        is_down = self.chance.random() < 0.03
        output: Json = {"error": "The warehouse did not answer."} if is_down else result
        yield StepRecord(
            id=self.caller.id(start),
            type="tool",
            name=turn.tool,
            thread_id=self.thread,
            parent_id=run,
            root_id=run,
            started_at=start,
            ended_at=self.moment,
            input=arguments,
            output=output,
            error="The warehouse did not answer." if is_down else None,
            **self._common,
        )
        messages += [asking, {"role": "tool", "tool_call_id": call_id, "content": _json(output)}]

    def _tool_data(self, tool: str) -> tuple[dict[str, Json], dict[str, Json]]:
        slots = self.slots
        order = {"order_id": slots["order"]}
        match tool:
            case "track_parcel":
                state = {"state": "in transit", "last_scan": slots["city"], "days_left": int(slots["days"])}
                return order | {"carrier": slots["carrier"]}, order | {"carrier": slots["carrier"], **state}
            case "create_return":
                label = {"label": f"R{slots['order'][3:]}", "valid_until": slots["date"], "carrier": slots["carrier"]}
                return order | {"reason": "does not fit"}, order | label
            case "check_stock":
                asked = {"sku": slots["sku"], "size": slots["size"]}
                return asked, asked | {"warehouse": int(slots["days"]), "shops": {slots["city"]: 1}}
            case "book_workshop":
                asked = {"city": slots["city"], "date": slots["date"]}
                return asked, asked | {"time": "10:30", "minutes": 40, "confirmed": True}
            case _:
                line = {"sku": slots["sku"], "name": slots["product"], "size": slots["size"], "price": slots["price"]}
                return order, order | {"state": "shipped", "shipped_on": slots["date"], "lines": [line]}

    def _chat(
        self, run: str, messages: list[Json], model: Model, answer: dict[str, Json], *, is_fallback: bool = False
    ) -> GenerationRecord:
        sent = tokens_of(messages) + _TOOLS_TOKENS
        said = answer["content"] or answer["tool_calls"][0]["function"]["arguments"]
        is_follow_up = len(self.history) > 1
        has_photo = any(isinstance(m["content"], list) for m in messages)
        call = self.caller.call(
            model,
            self.moment,
            sent=sent,
            answer=tokens(said) + 6,
            cached=(sent - sent % 128) // 2 if is_follow_up and self.chance.random() < 0.7 else 0,
            is_slow=True,
            failure=None if is_fallback else self.caller.failure(model, self.moment),
            type="chat",
            name="answer",
            messages=list(messages),
            message_completion=answer,
            finish_reason="stop" if answer["content"] else "tool_calls",
            input_type="multimodal" if has_photo else "text",
            tools=TOOLS,
            parameters={"temperature": 0.3, "topP": 0.95, "maxTokens": 600},
            prompt_name="support-answer",
            prompt_version=self.version,
            prompt_version_id=f"support-answer@{self.version}",
            variables=self.variables,
            thread_id=self.thread,
            session_id=self.thread,
            step_id=run,
            function_id="support-answer",
            agent_id="fern",
            tags=self.tags,
            metadata=self.metadata,
            **self._common,
        )
        self._pass(call)
        return call

    # --------------------------------------------------------------------------------------------------- judgements
    def _judged(self, call: GenerationRecord) -> GenerationRecord:
        """What the judge, the reviewers and the customer thought: they agree more often than not."""
        chance = self.chance
        scores: list[ScoreRecord] = []
        is_good = chance.random() < (0.86 if self.script.topic != "complaint" else 0.5)
        after = call.ended_at or call.started_at
        assert after is not None
        if chance.random() < 0.25:
            value = chance.uniform(0.72, 0.98) if is_good else chance.uniform(0.15, 0.6)
            scores.append(
                ScoreRecord(
                    name="helpfulness",
                    type="AI",
                    value=round(value, 2),
                    comment="Answers the question and says what happens next." if is_good else "Leaves the date open.",
                    author="judge/gpt-4.1-mini",
                    created_at=after + dt.timedelta(seconds=40),
                )
            )
        if chance.random() < 0.09:
            agrees = chance.random() < 0.75
            value = 1.0 if is_good == agrees else 0.25
            scores.append(
                ScoreRecord(
                    name="helpfulness",
                    type="HUMAN",
                    value=value,
                    label="good" if value > 0.5 else "poor",
                    comment=None if agrees else "The judge and I do not agree on this one.",
                    author=chance.choice(_REVIEWERS),
                    created_at=after + dt.timedelta(hours=chance.uniform(0.2, 2)),
                )
            )
        feedback = None
        if self.environment == "production" and chance.random() < 0.14:
            feedback = self._feedback(call, is_good, after)
        return replace(call, scores=tuple(scores), feedback=feedback) if scores or feedback else call

    def _feedback(self, call: GenerationRecord, is_good: bool, after: dt.datetime) -> FeedbackRecord:
        chance = self.chance
        is_slow = (call.latency or 0) > 6
        is_happy = is_good and not (is_slow and chance.random() < 0.6)
        comments = THANKS if is_happy else SLOW_COMPLAINTS if is_slow else COMPLAINTS
        return FeedbackRecord(
            rating=float(chance.choice((4, 5, 5)) if is_happy else chance.choice((1, 2, 2, 3))),
            thumbs="up" if is_happy else "down",
            comment=chance.choice(comments) if chance.random() < 0.5 else None,
            categories=("helpful",) if is_happy else ("slow",) if is_slow else ("inaccurate",),
            user_id=self.customer.id,
            created_at=after + dt.timedelta(seconds=chance.uniform(10, 90)),
        )

    @property
    def _common(self) -> Mapping[str, Any]:
        return {"user_id": self.customer.id, "environment": self.environment, "release": self.release}

    def _pass(self, call: GenerationRecord) -> None:
        assert call.ended_at is not None
        self.moment = call.ended_at + dt.timedelta(milliseconds=4)


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)
