"""A file put beside a step, read back by its address, and deleted."""

import httpx
from literalai import LiteralClient
from saying import Said

said = Said()
api = LiteralClient().api
thread = api.create_thread(name="With a file")
step = api.create_step(thread_id=thread.id, type="run", name="Outer")
made = api.create_attachment(
    thread_id=thread.id, step_id=step.id, name="note.txt", content=b"in a bucket", mime="text/plain"
)
said.say("read", httpx.get(made.url).text)
found = api.get_step(step.id).attachments[0]
said.say("read again", httpx.get(found.url).text)
said.say("key", found.object_key == made.object_key)
api.delete_attachment(made.id)
said.say("afterwards", httpx.get(found.url).status_code)
said.show()
