"""An image in a call and one in a span around it, which Langfuse's SDK cuts out and uploads by themselves."""

import base64
import os
from pathlib import Path

from langfuse import get_client, observe
from langfuse.openai import OpenAI

IMAGE = base64.b64encode(Path(os.environ["IMAGE_FILE"]).read_bytes()).decode()


@observe(name="answer")
def answer(picture: dict[str, str]) -> str:
    """Ask what is to be seen."""
    said = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture['data']}"}},
    ]
    asked = [{"role": "user", "content": said}]
    return OpenAI().chat.completions.create(model="gpt-4o-mini", messages=asked).choices[0].message.content


for _ in range(2):
    answer({"type": "base64", "media_type": "image/png", "data": IMAGE})
get_client().flush()
