"""A person at Chainlit without a browser: logs in, chats, judges, searches, resumes, renames and deletes."""

import asyncio
import json
import os
import sys
import uuid

import aiohttp
import socketio

BASE = os.environ["CHAINLIT_URL"]
STEPS = 9
"""What Chainlit keeps of a question and its answer, as app.py does it."""


async def main():
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(BASE, cookie_jar=jar) as http:
        user = f"ann-{uuid.uuid4().hex[:8]}"
        answer = await http.post("/login", data={"username": user, "password": "pw"})
        assert answer.status == 200, await answer.text()
        cookie = "; ".join(f"{c.key}={c.value}" for c in jar)
        session, answers, answered = str(uuid.uuid4()), [], asyncio.Event()

        def keep(message):
            # The greeting may come before it or behind.
            if message["type"] == "assistant_message" and message["name"] != "Greeter":
                answers.append(message)
                answered.set()

        sio = socketio.AsyncClient()
        sio.on("new_message", keep)

        async def connect(thread, session):
            await sio.connect(
                BASE,
                headers={"Cookie": cookie},
                socketio_path="/ws/socket.io",
                transports=["websocket"],
                wait_timeout=60,  # its own second is too little for a thread that is resumed
                auth={
                    "sessionId": session,
                    "clientType": "webapp",
                    "userEnv": json.dumps({"OPENAI_API_KEY": "sk-of-a-user"}),
                    "chatProfile": "",
                    "threadId": thread,
                },
            )
            await sio.emit("connection_successful")

        await connect("", session)
        await sio.emit(
            "client_message",
            {
                "message": {
                    "id": str(uuid.uuid4()),
                    "name": user,
                    "type": "user_message",
                    "output": "Hello there",
                    "createdAt": "2026-11-21T00:00:00Z",
                },
                "fileReferences": [],
            },
        )
        await asyncio.wait_for(answered.wait(), 60)
        last = answers[-1]
        thread, step = last["threadId"], last["id"]
        # An answer is shown before it is sent, and what is around it is sent once it has ended.
        for _ in range(300):
            whole = await (await http.get(f"/project/thread/{thread}")).json()
            if len(whole.get("steps") or []) >= STEPS and all(s.get("end") for s in whole["steps"]):
                break
            await asyncio.sleep(0.2)
        results = {"answer": last["output"]}
        feedback = {"forId": step, "value": 1, "comment": "good", "threadId": thread}
        r = await (await http.put("/feedback", json={"feedback": feedback, "sessionId": session})).json()
        results["feedback"] = bool(r.get("feedbackId"))
        r2 = await (
            await http.put(
                "/feedback",
                json={
                    "feedback": {**feedback, "value": 0, "comment": None, "id": r.get("feedbackId")},
                    "sessionId": session,
                },
            )
        ).json()
        results["changed"] = r2.get("feedbackId") == r.get("feedbackId")
        whole = await (await http.get(f"/project/thread/{thread}")).json()
        results["feedback read"] = [
            [s["feedback"]["value"], s["feedback"]["comment"]] for s in whole["steps"] if s.get("feedback")
        ]
        page = await (await http.post("/project/threads", json={"pagination": {"first": 20}, "filter": {}})).json()
        results["listed"] = [t["id"] == thread for t in page["data"]]
        page = await (
            await http.post(
                "/project/threads", json={"pagination": {"first": 20}, "filter": {"search": "You said Hello"}}
            )
        ).json()
        results["found"] = len(page["data"])
        page = await (
            await http.post("/project/threads", json={"pagination": {"first": 20}, "filter": {"feedback": 0}})
        ).json()
        results["by feedback"] = len(page["data"])
        removed = {"feedbackId": r.get("feedbackId"), "sessionId": session}
        results["taken back"] = (await http.delete("/feedback", json=removed)).status
        whole = await (await http.get(f"/project/thread/{thread}")).json()
        results["feedback left"] = [s["feedback"] for s in whole["steps"] if s.get("feedback")]
        results["steps"] = sorted(
            (s["name"] if s["type"] != "user_message" else "user", s["type"]) for s in whole["steps"]
        )
        results["elements"] = {}
        async with aiohttp.ClientSession() as plain:
            for element in whole["elements"]:
                got = await plain.get(element["url"], headers={"Origin": BASE})
                about = [element["type"], got.headers["Content-Type"], got.headers["Access-Control-Allow-Origin"]]
                results["elements"][element["name"]] = [*about, len(await got.read())]
        r = await http.put("/project/thread", json={"threadId": thread, "name": "Renamed"})
        results["renamed"] = r.status
        await sio.disconnect()
        resumed = asyncio.Event()
        sio = socketio.AsyncClient()
        sio.on("resume_thread", lambda t: resumed.set())
        await connect(thread, str(uuid.uuid4()))
        await asyncio.wait_for(resumed.wait(), 60)
        results["resumed"] = True
        await sio.disconnect()
        await asyncio.sleep(3)
        if len(sys.argv) > 1:
            results["ids"] = [thread]
        else:
            results["deleted"] = (await http.delete("/project/thread", json={"threadId": thread})).status
            results["left"] = (
                await (await http.post("/project/threads", json={"pagination": {"first": 20}, "filter": {}})).json()
            )["data"]
        print(json.dumps(results))


asyncio.run(main())
