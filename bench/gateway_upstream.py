"""The upstream of `bench/gateway.py`: it thinks for a while, and answers whole or in pieces; it does nothing else."""

from __future__ import annotations

import asyncio
import json
import sys

from bench.gateway import CHUNK, PAUSE, PIECES, THINKS

USAGE = {"prompt_tokens": 250, "completion_tokens": PIECES, "total_tokens": 250 + PIECES}
MESSAGE = {"role": "assistant", "content": " word" * PIECES}
WHOLE = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}],
    "usage": USAGE,
}
BODY = json.dumps(WHOLE).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def piece(event: str) -> bytes:
    """An event of a stream, as a chunk of HTTP."""
    data = f"data: {event}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


def delta(content: str, end: str | None = None) -> bytes:
    """A piece of the answer."""
    choice = {"index": 0, "delta": {"role": "assistant", "content": content}, "finish_reason": end}
    return piece(json.dumps({**CHUNK, "choices": [choice]}))


WORD, END = delta(" word"), delta("", "stop") + piece("[DONE]") + b"0\r\n\r\n"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The calls of one connection, one after the other."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            named = head.decode("latin-1").lower()
            length = int(named.split("content-length:", 1)[1].split("\r\n", 1)[0]) if "content-length:" in named else 0
            body = await reader.readexactly(length)
            await asyncio.sleep(THINKS if body else 0)
            if b'"stream": true' in body or b'"stream":true' in body:
                writer.write(HEAD)
                for _ in range(PIECES):
                    writer.write(WORD)
                    await asyncio.sleep(PAUSE)
                writer.write(END)
            else:
                writer.write(ANSWER)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    """Answer at the port of the command line until the end."""
    server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
