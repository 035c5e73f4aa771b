"""A generation made by the shortest program there is: no thread, no step, no answer."""

import os

from literalai import ChatGeneration, LiteralClient

literal_client = LiteralClient(api_key=os.getenv("LITERAL_API_KEY"))

generation = literal_client.api.create_generation(
    generation=ChatGeneration(messages=[{"content": "Hello, this is my answer", "role": "system"}])
)
print(generation.type.value if hasattr(generation.type, "value") else generation.type, generation.id)
literal_client.flush_and_stop()
