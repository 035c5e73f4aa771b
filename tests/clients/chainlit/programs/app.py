"""A chat that calls no model: a completion and a chat generation, a tool, and an answer with files.

Both generations have every attribute that Chainlit's two classes have.
"""

import base64

import chainlit as cl

COUNTS = {
    "input_token_count": 3,
    "output_token_count": 4,
    "token_count": 7,
    "tt_first_token": 120.0,
    "token_throughput_in_s": 2.0,
    "duration": 2.0,
}
SETTINGS = {"model": "gpt-3.5-turbo", "temperature": 0, "stop": ["END"], "top_p": 0.5}
TEMPLATE = """Hello, this is a template.
This is a variable1 {variable1}
And this is variable2 {variable2}
"""
VARIABLES = {"variable1": "variable1 value", "variable2": "variable2 value"}
TOOL = {"type": "function", "function": {"name": "weather", "description": "The weather of a city"}}
# Red, 40 wide and 30 high.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAACgAAAAeCAIAAADRv8uKAAAAK0lEQVR42u3NMQ0AAAgDsEmZf1VIQQYcTfo3056IWCwWi8VisVgs"
    "Fov/xgsNVUZM4rrtXAAAAABJRU5ErkJggg=="
)
DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"><script>alert(1)</script></svg>'


@cl.password_auth_callback
def login(username: str, password: str):
    return cl.User(identifier=username, metadata={"role": "tester"}) if password == "pw" else None


@cl.on_chat_start
async def start():
    cl.user_session.get("env")  # from here on it is part of what Chainlit keeps of the session
    await cl.Message(content="Welcome", author="Greeter").send()


@cl.on_chat_resume
async def resume(thread):
    cl.user_session.set("resumed", [step["output"] for step in thread["steps"] if step["type"] == "assistant_message"])


@cl.step(type="llm", name="Completes")
async def completes():
    cl.context.current_step.generation = cl.CompletionGeneration(
        model=SETTINGS["model"],
        provider="openai",
        prompt=TEMPLATE.format(**VARIABLES),
        completion="The openai completion",
        variables=VARIABLES,
        settings=SETTINGS,
        tools=[TOOL],
        error="The line was cut",
        tags=["seed"],
        **COUNTS,
    )
    return "The openai completion"


@cl.step(type="llm", name="Chats")
async def chats():
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Lisbon"}'}}
    cl.context.current_step.generation = cl.ChatGeneration(
        model="gpt-4o",
        provider="openai",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How is variable1 value?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "name": "weather", "content": '{"sky": "clear"}'},
        ],
        message_completion={"role": "assistant", "content": "The sky is **clear**."},
        variables=VARIABLES,
        settings={"temperature": 0.25, "n": 1},
        tools=[TOOL],
        tags=["seed"],
        **COUNTS,
    )
    return "The sky is **clear**."


@cl.step(type="tool", name="weather", show_input="json", language="json")
async def weather(city: str):
    return {"sky": "clear", "city": city}


@cl.step(type="run", name="Agent")
async def agent():
    await completes()
    await weather("Lisbon")
    await chats()


@cl.step(type="tool", name="Breaks")
async def breaks():
    raise RuntimeError("It broke on purpose")


@cl.on_message
async def main(message: cl.Message):
    if message.content.startswith("Break"):
        await breaks()
    await agent()
    await cl.Message(
        content=f"You said {message.content}",
        elements=[
            cl.Image(name="square", content=PICTURE, display="inline", mime="image/png"),
            cl.Text(name="note", content="of an element", display="inline", language="python"),
            cl.File(name="drawing.svg", content=DRAWING, display="inline", mime="image/svg+xml"),
        ],
    ).send()
    if "resumed" in message.content:
        await cl.Message(content=f"Before: {cl.user_session.get('resumed')}").send()
