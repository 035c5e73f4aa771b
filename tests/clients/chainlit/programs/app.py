"""A chat that calls no model: a completion and a chat generation in steps, and an answer with an element."""

import chainlit as cl


@cl.password_auth_callback
def login(username: str, password: str):
    return cl.User(identifier=username, metadata={"role": "tester"}) if password == "pw" else None


@cl.on_chat_resume
async def resume(thread):
    pass


@cl.step(type="llm", name="Completes")
async def completes():
    cl.context.current_step.generation = cl.CompletionGeneration(
        model="gpt-3.5-turbo",
        provider="openai",
        prompt="Hello, v1",
        completion="The openai completion",
        variables={"variable1": "v1"},
        settings={"temperature": 0},
        tools=[{"type": "function"}],
        error="none really",
        tags=["seed"],
        input_token_count=3,
        output_token_count=4,
        token_count=7,
        tt_first_token=120.0,
        token_throughput_in_s=2.0,
        duration=2.0,
    )
    return "The openai completion"


@cl.step(type="llm", name="Chats")
async def chats():
    cl.context.current_step.generation = cl.ChatGeneration(
        model="gpt-4o",
        provider="openai",
        messages=[{"role": "user", "content": "Hi"}],
        message_completion={"role": "assistant", "content": "Hello"},
    )
    return "Hello"


@cl.on_message
async def main(message: cl.Message):
    await completes()
    await chats()
    await cl.Message(
        content=f"You said {message.content}",
        elements=[cl.Text(name="note", content="of an element", display="inline")],
    ).send()
