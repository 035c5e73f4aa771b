"""A small client of the HTTP API: find, aggregate, update, record. Needs httpx and nothing else of this package.

In short, with GENERATIONS_URL and GENERATIONS_API_KEY in the environment:

    from generations.client import Generations

    generations = Generations()
    generations.create(model="gpt-4", prompt="...", completion="...")
    for generation in generations.find({"model.id": "gpt-4", "feedback.rating": {"$gte": 4}}):
        print(generation["output"]["content"])
"""

from generations.client.collection import Generations, Updated
from generations.client.errors import GenerationsError, NotFound, Unreachable
from generations.client.outbox import Rejection

__all__ = ["Generations", "GenerationsError", "NotFound", "Rejection", "Unreachable", "Updated"]
