"""Run by `gantry.py` in the client's own environment: calls or events, sent by the client's own background thread.

Arguments: `calls` (a request each) or `events` (up to 500 a request), how many, and a prefix of their ids. Prints when
the first was sent and when the last was acknowledged, of the clock that all processes share, and the seconds of
processor time in between.
"""

import json
import sys
import time
from typing import Any

import gantry  # type: ignore[import-not-found]

what, number, prefix = sys.argv[1], int(sys.argv[2]), sys.argv[3]
gantry.init(logging_level="ERROR")
told: list[tuple[float, float, Any]] = []
if what == "calls":
    app = gantry.get_application("bench-writer")
    store = app._log_store
else:
    app = gantry.get_application("bench-plain")
    store = gantry.logger.main.get_client().log_store
send = store._api_client.request


def request(*arguments: Any, **named: Any) -> Any:
    """The client's own request, and when it was answered."""
    begun = time.monotonic()
    answer = send(*arguments, **named)
    told.append((begun, time.monotonic(), answer.get("response")))
    return answer


store._api_client.request = request
question = "Please explain the invoice of last month and why shipping was charged twice. " * 8
answer = "You ordered on two days, so that there were two deliveries. The second one was free of charge. " * 6
used = time.process_time()
for n in range(number):
    if what == "calls":
        app.log_llm_data(
            api_request={"model": "gpt-4o-mini", "prompt": question, "temperature": 0.2, "max_tokens": 300},
            api_response={
                "id": f"cmpl-{prefix}-{n}",
                "object": "text_completion",
                "model": "gpt-4o-mini",
                "choices": [{"text": answer, "index": 0, "finish_reason": "stop", "logprobs": None}],
                "usage": {"prompt_tokens": 130, "completion_tokens": 110, "total_tokens": 240},
            },
            request_attributes={"plan": "pro", "user_id": f"user-{n % 500}"},
            response_attributes={"latency": 1.2},
            session_id=f"session-{n % 200}",
            tags={"cohort": "b"},
        )
    else:
        app.log(
            inputs=[{"question": question, "plan": "pro"}],
            outputs=[{"answer": answer, "confidence": 0.5}],
            join_keys=[f"{prefix}-{n}"],
            tags={"cohort": "b"},
        )
store._join()
taken = [one for one in told if one[2] == "ok"]
print(
    json.dumps(
        {
            "first": told[0][0],
            "last": told[-1][1],
            "requests": len(told),
            "taken": len(taken),
            "processor": time.process_time() - used,
        }
    )
)
