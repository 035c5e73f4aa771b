"""LangChain's model of OpenAI, whole and as a stream."""

import json

from langchain_openai import ChatOpenAI

model = ChatOpenAI(model="gpt-4o-mini", max_retries=0)
whole = model.invoke("What is the capital of Peru?")
pieces = [piece.content for piece in model.stream("What is the capital of Peru?")]
print(json.dumps({"whole": whole.content, "usage": whole.usage_metadata, "pieces": pieces}))
