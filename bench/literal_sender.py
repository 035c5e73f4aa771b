"""Run by `literal.py` in the client's own environment: threads of steps with generations, sent as an application would.

Arguments: a file of calls as JSON, the size of a batch. Prints how many seconds it was from the first step to the
acknowledgement of the last.
"""

import json
import sys
import time
from pathlib import Path

from literalai import ChatGeneration, LiteralClient  # type: ignore[import-not-found]

threads = json.loads(Path(sys.argv[1]).read_text())
client = LiteralClient(batch_size=int(sys.argv[2]))
began = time.perf_counter()
for thread in threads:
    with client.thread(thread_id=thread["id"] + sys.argv[2], name="A talk", participant_id=thread["user"]):
        for call in thread["calls"]:
            with client.step(name="answer", type="llm", tags=["bench"]) as step:
                step.input = {"content": call["messages"][-1]["content"]}
                step.output = {"content": call["answer"]["content"]}
                step.generation = ChatGeneration(
                    provider=call["provider"],
                    model=call["model"],
                    settings=call["settings"],
                    messages=call["messages"],
                    message_completion=call["answer"],
                    input_token_count=call["input"],
                    output_token_count=call["output"],
                    duration=call["duration"],
                )
client.flush_and_stop()
print(json.dumps({"seconds": time.perf_counter() - began}))
