"""A model's server that answers as it is asked, in the shapes of OpenAI and Mistral: no program calls a real one."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def serve() -> str:
    """Start one and return its address, as a client of OpenAI takes it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}/v1"


class Scripted(BaseHTTPRequestHandler):
    """Answers a chat completion, whole or in pieces; refuses the model `broken`."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        common = {"id": "c1", "created": 1, "model": "gpt-4o-2024-08-06"}
        if asked["model"] == "broken":
            self.answer(400, "application/json", json.dumps({"error": {"message": "No such model"}}))
        elif asked.get("stream"):
            chunk = {**common, "object": "chat.completion.chunk"}
            deltas = [{"role": "assistant", "content": "Pieces "}, {"content": "of it"}]
            parts = [{**chunk, "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
            parts.append({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            lines = [*(json.dumps(part) for part in parts), "[DONE]"]
            self.answer(200, "text/event-stream", "".join(f"data: {line}\n\n" for line in lines))
        else:
            choice = {"index": 0, "message": {"role": "assistant", "content": "Whole"}, "finish_reason": "stop"}
            usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
            answer = {**common, "object": "chat.completion", "choices": [choice], "usage": usage}
            self.answer(200, "application/json", json.dumps(answer))

    def answer(self, status: int, type: str, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", type)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""
