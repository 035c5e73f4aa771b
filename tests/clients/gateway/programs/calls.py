"""Calls by the plain client of OpenAI; prints what each gave, or raised, as one line of JSON."""

import json

from openai import BadRequestError, OpenAI

client = OpenAI(max_retries=0)
QUESTION = [{"role": "user", "content": "What is the capital of Peru?"}]
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}
told = {}

whole = client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, n=2, temperature=0, user="ann")
told["chat"] = whole.model_dump()
told["stream"] = [
    chunk.model_dump()
    for chunk in client.chat.completions.create(
        model="gpt-4o-mini", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
]
told["tools"] = client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, tools=[WEATHER]).model_dump()
told["completion"] = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Peru:").model_dump()
told["embeddings"] = client.embeddings.create(
    model="text-embedding-3-small", input=["a", "b"], encoding_format="float"
).model_dump()
told["response"] = client.responses.create(model="gpt-4o-mini", input="What is the capital of Peru?").output_text
try:
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Please fail."}])
except BadRequestError as error:
    told["refused"] = [error.status_code, error.body]
print(json.dumps(told))
