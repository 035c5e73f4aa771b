"""What else the shop has models do: sorting tickets, indexing articles, product copy, queries, refund decisions."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from generations.demo.calls import (
    CODESTRAL,
    EMBEDDING,
    GPT_41,
    GPT_41_MINI,
    MISTRAL_SMALL,
    O4_MINI,
    OPUS,
    OWN,
    Caller,
    tokens,
    tokens_of,
)
from generations.demo.conversations import ENGLISH
from generations.demo.languages import OTHERS
from generations.demo.shop import ARTICLES, PRODUCTS, SHOP
from generations.records import Alternative, Json, Record, ScoreRecord, StepRecord

_SCRIPTS: Final = (*ENGLISH, *ENGLISH, *OTHERS)
_TICKET_SCHEMA: Final[Json] = {
    "type": "json_schema",
    "json_schema": {
        "name": "ticket",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {
                "topic": {"type": "string"},
                "urgency": {"type": "integer", "minimum": 1, "maximum": 5},
                "language": {"type": "string"},
                "needs_person": {"type": "boolean"},
                "summary": {"type": "string"},
            },
            "required": ["topic", "urgency", "language", "needs_person", "summary"],
            "additionalProperties": False,
        },
    },
}
_COPY: Final = (
    (
        "The {name} is for those who leave the house in any weather. Welded by hand, checked twice, and built so that "
        "every part can be replaced on a kitchen table. From {price} euros, in sizes {sizes}."
    ),
    (
        "Quiet, sturdy and a little stubborn: the {name} does what you ask of it for years. Comes in {sizes}, costs "
        "{price} euros, and is repaired by us for as long as there are parts."
    ),
    "You will forget that you own a {name}, which is the best that can be said of it. {price} euros. Sizes: {sizes}.",
    (
        "Some things are bought once. The {name} ({price} euros; {sizes}) is made to be one of them, with a warranty "
        "that we would rather you never need."
    ),
)
_QUERIES: Final = (
    (
        "How much did we sell of each product in the last 30 days?",
        (
            "SELECT p.name, sum(l.quantity) AS sold, sum(l.quantity * l.price) AS revenue\n"
            "FROM order_line l\n  JOIN product p ON p.id = l.product_id\n  JOIN customer_order o ON o.id = l.order_id\n"
            "WHERE o.placed_at >= now() - interval '30 days'\nGROUP BY p.name\nORDER BY revenue DESC;"
        ),
    ),
    (
        "Which customers ordered at least three times but not since spring?",
        (
            "SELECT c.id, c.email, count(*) AS orders, max(o.placed_at) AS last_order\nFROM customer c\n"
            "  JOIN customer_order o ON o.customer_id = c.id\nGROUP BY c.id, c.email\n"
            "HAVING count(*) >= 3 AND max(o.placed_at) < date_trunc('year', now()) + interval '5 months'\n"
            "ORDER BY last_order;"
        ),
    ),
    (
        "Share of returned parcels by carrier and month",
        (
            "SELECT date_trunc('month', s.sent_at) AS month, s.carrier,\n"
            "       avg((r.id IS NOT NULL)::int)::numeric(5, 3) AS returned\n"
            "FROM shipment s\n  LEFT JOIN return r ON r.shipment_id = s.id\nGROUP BY 1, 2\nORDER BY 1, 2;"
        ),
    ),
    (
        "Median time between order and delivery, for bikes only",
        (
            "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY s.delivered_at - o.placed_at) AS median\n"
            "FROM shipment s\n  JOIN customer_order o ON o.id = s.order_id\n  JOIN order_line l ON l.order_id = o.id\n"
            "  JOIN product p ON p.id = l.product_id\nWHERE p.category = 'bike' AND s.delivered_at IS NOT NULL;"
        ),
    ),
)
_TABLES: Final = (
    "customer(id, email, country), customer_order(id, customer_id, placed_at), order_line(order_id, product_id, "
    "quantity, price), product(id, name, category), shipment(id, order_id, carrier, sent_at, delivered_at), "
    "return(id, shipment_id, reason, received_at)"
)


def chore(caller: Caller, start: dt.datetime) -> Iterator[Record]:
    """One piece of such work, begun at `start`."""
    drawn = caller.chance.random()
    kind = next(kind for until, kind in _CHORES if drawn < until)
    yield from kind(caller, start)


def _ticket(caller: Caller, start: dt.datetime) -> Iterator[Record]:
    """A ticket sorted, as JSON by a schema; sometimes cut off, which a check notices."""
    chance = caller.chance
    script = chance.choice(_SCRIPTS)
    customer = caller.customer(script.locale)
    slots = {"order": f"FH-{chance.randrange(40_000, 99_999)}", "first": customer.name, "city": customer.city}
    product = chance.choice(PRODUCTS)
    slots |= {"product": product.name, "size": product.sizes[0], "days": "3", "date": f"{start:%Y-%m-%d}"}
    ticket = chance.choice(script.turns[0].asks).format_map(slots)
    urgency = 5 if script.topic == "complaint" else chance.randrange(1, 4)
    sorted_as = {
        "topic": script.topic,
        "urgency": urgency,
        "language": script.locale,
        "needs_person": urgency > 3,
        "summary": f"Customer of {SHOP} asks about {script.topic}, order {slots['order']}.",
    }
    answer = json.dumps(sorted_as, ensure_ascii=False)
    is_whole = chance.random() > 0.03
    answer = answer if is_whole else answer[: len(answer) * 2 // 3]
    messages = [
        {"role": "system", "content": f"Sort the ticket of a customer of {SHOP}. Answer with JSON by the schema only."},
        {"role": "user", "content": ticket},
    ]
    model = MISTRAL_SMALL if chance.random() < 0.6 else GPT_41_MINI
    call = caller.call(
        model,
        start,
        sent=tokens_of(messages) + 140,
        answer=tokens(answer),
        failure=caller.failure(model, start),
        type="chat",
        name="sort ticket",
        messages=messages,
        message_completion={"role": "assistant", "content": answer},
        finish_reason="stop" if is_whole else "length",
        output_type="json",
        parameters={"temperature": 0, "maxTokens": 120, "response_format": _TICKET_SCHEMA},
        prompt_name="sort-ticket",
        prompt_version=4,
        function_id="sort-ticket",
        workflow_id="inbox",
        request_id=f"ticket-{chance.randrange(100_000, 999_999)}",
        user_id=customer.id,
        tags=("inbox", script.locale),
        metadata={"channel": "email", "plan": customer.plan},
        environment=caller.environment(),
    )
    if call.error is None:
        valid = ScoreRecord(
            name="valid-json",
            type="CODE",
            value=1.0 if is_whole else 0.0,
            comment=None if is_whole else "Unterminated string",
            author="check",
            created_at=call.ended_at,
        )
        call = replace(call, scores=(valid,))
    yield call


def _index(caller: Caller, start: dt.datetime) -> Iterator[Record]:
    """Help articles embedded for the search, a few at a time."""
    chance = caller.chance
    texts = chance.sample(sorted(ARTICLES.values()), chance.randrange(1, 4))
    yield caller.call(
        EMBEDDING,
        start,
        sent=sum(map(tokens, texts)),
        answer=0,
        failure=caller.failure(EMBEDDING, start),
        type="embedding",
        name="index articles",
        input=texts,
        output={"vectors": len(texts), "dimensions": 512},
        output_type="other",
        parameters={"dimensions": 512},
        function_id="index-articles",
        workflow_id="nightly-index",
        tags=("index",),
        environment="production",
    )


def _copy(caller: Caller, start: dt.datetime) -> Iterator[Record]:
    """A product's description in three wordings, one of which somebody chooses."""
    chance = caller.chance
    product = chance.choice(PRODUCTS)
    words = {"name": product.name, "price": str(product.price), "sizes": ", ".join(product.sizes)}
    first, *others = (text.format_map(words) for text in chance.sample(_COPY, 3))
    variables = {"product": product.name, "facts": words, "tone": chance.choice(("dry", "warm"))}
    messages = [
        {"role": "system", "content": f"You write for {SHOP}. Tone: {variables['tone']}. No superlatives."},
        {"role": "user", "content": f"Describe the {product.name} in two sentences. Facts: {json.dumps(words)}"},
    ]
    model = OPUS if caller.week.is_dear(start) else GPT_41
    yield caller.call(
        model,
        start,
        sent=tokens_of(messages),
        answer=sum(map(tokens, (first, *others))),
        failure=caller.failure(model, start),
        type="chat",
        name="product copy",
        messages=messages,
        message_completion={"role": "assistant", "content": first},
        alternatives=tuple(
            Alternative(
                index=place, content={"role": "assistant", "content": text}, tokens=tokens(text), finish_reason="stop"
            )
            for place, text in enumerate(others)
        ),
        finish_reason="stop",
        parameters={"temperature": 1.0, "n": 3, "maxTokens": 200},
        variables=variables,
        prompt_name="product-copy",
        prompt_version=2,
        function_id="product-copy",
        workflow_id="catalogue",
        tags=("catalogue",),
        metadata={"sku": product.sku},
        environment="production",
    )


def _query(caller: Caller, start: dt.datetime) -> Iterator[Record]:
    """A colleague's question turned into SQL."""
    chance = caller.chance
    question, sql = chance.choice(_QUERIES)
    messages = [
        {"role": "system", "content": f"Answer with one PostgreSQL query and nothing else. Tables: {_TABLES}."},
        {"role": "user", "content": question},
    ]
    yield caller.call(
        CODESTRAL,
        start,
        sent=tokens_of(messages),
        answer=tokens(sql),
        failure=caller.failure(CODESTRAL, start),
        type="chat",
        name="write query",
        messages=messages,
        message_completion={"role": "assistant", "content": f"```sql\n{sql}\n```"},
        finish_reason="stop",
        output_type="code",
        parameters={"temperature": 0, "maxTokens": 400, "seed": 7},
        function_id="write-query",
        user_id=f"staff_{chance.randrange(1, 9)}",
        tags=("analytics", "sql"),
        environment="production" if chance.random() < 0.7 else "staging",
    )


def _subject(caller: Caller, start: dt.datetime) -> Iterator[Record]:
    """A subject line, completed by the shop's own model in the old way: text in, text out."""
    chance = caller.chance
    script = chance.choice(ENGLISH)
    prompt = f"Ticket about {script.topic} of order FH-{chance.randrange(40_000, 99_999)}.\nSubject line:"
    completion = f" {chance.choice(('Question about', 'Help with', 'Trouble with'))} {script.topic}"
    yield caller.call(
        OWN,
        start,
        sent=tokens(prompt),
        answer=tokens(completion),
        failure=caller.failure(OWN, start),
        type="completion",
        name="subject line",
        prompt=prompt,
        completion=completion,
        finish_reason="stop",
        parameters={"temperature": 0.2, "maxTokens": 16, "stopSequences": ["\n"]},
        function_id="subject-line",
        workflow_id="inbox",
        tags=("inbox",),
        environment="production",
    )


def _refund(caller: Caller, start: dt.datetime) -> Iterator[Record]:
    """A refund weighed by an agent that reasons at length before it says little."""
    chance = caller.chance
    product = chance.choice(PRODUCTS)
    order, run = f"FH-{chance.randrange(40_000, 99_999)}", caller.id(start)
    months, is_granted = chance.randrange(1, 30), chance.random() < 0.7
    case = f"Order {order}: {product.name}, {product.price} euros, bought {months} months ago. Frame creaks, no crash."
    decision = {
        "decision": "refund" if is_granted and months < 24 else "repair",
        "amount": product.price if is_granted and months < 24 else 0,
        "why": f"Bought {months} months ago; {'within' if months < 24 else 'past'} the two years for parts.",
    }
    answer = json.dumps(decision)
    messages = [
        {"role": "developer", "content": "Decide by the warranty article. " + ARTICLES["warranty"]},
        {"role": "user", "content": case},
    ]
    call = caller.call(
        O4_MINI,
        start,
        sent=tokens_of(messages),
        answer=tokens(answer),
        reasoning=chance.randrange(4, 44) * 64,
        failure=caller.failure(O4_MINI, start),
        type="chat",
        name="weigh refund",
        messages=messages,
        message_completion={"role": "assistant", "content": answer},
        finish_reason="stop",
        output_type="json",
        parameters={"reasoning_effort": "medium", "maxTokens": 4000},
        step_id=run,
        agent_id="refunds",
        function_id="weigh-refund",
        tags=("refund",),
        metadata={"order": order},
        environment="production",
    )
    yield StepRecord(
        id=run,
        type="agent",
        name="refund",
        root_id=run,
        started_at=start,
        ended_at=call.ended_at,
        error=call.error,
        input={"case": case},
        output=None if call.error else decision,
        environment="production",
        release=call.release,
        tags=("refund",),
    )
    yield call


_Chore = Callable[[Caller, dt.datetime], Iterator[Record]]
_CHORES: Final[tuple[tuple[float, _Chore], ...]] = (
    (0.5, _ticket),
    (0.64, _index),
    (0.76, _copy),
    (0.86, _query),
    (0.93, _subject),
    (1.0, _refund),
)
