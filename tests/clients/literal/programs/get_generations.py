"""All generations, read with the shortest program there is."""

import os

from literalai import LiteralClient

literal_client = LiteralClient(api_key=os.getenv("LITERAL_API_KEY"))

for generation in literal_client.api.get_generations().data:
    print(generation.to_dict())
literal_client.flush_and_stop()
