// Calls by OpenAI's client and by Vercel's SDK, each under a name.
import { openai } from "@ai-sdk/openai";
import { embedMany, generateText, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { z } from "zod";

const model = "gpt-4o-mini";
const system = "Answer in one sentence.";
const question = "What is the capital of Peru?";
const messages = [
  { role: "system", content: system },
  { role: "user", content: question },
];
const told = { experimental_telemetry: { isEnabled: true } };
const weather = {
  description: "The weather of a city.",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};

export async function chat() {
  await new OpenAI().chat.completions.create({
    model, messages, temperature: 0, top_p: 0.9, max_tokens: 100, presence_penalty: 0.5, frequency_penalty: 0.25,
    stop: ["END"], seed: 7,
  });
}

export async function stream() {
  const request = { model, messages, stream: true, stream_options: { include_usage: true } };
  for await (const _ of await new OpenAI().chat.completions.create(request));
}

export async function tools() {
  const client = new OpenAI();
  const asked = [{ role: "user", content: "How is the weather in Lima and Cusco?" }];
  const given = [{ type: "function", function: { name: "get_weather", ...weather } }];
  const { choices } = await client.chat.completions.create({ model, messages: asked, tools: given });
  asked.push(choices[0].message);
  for (const call of choices[0].message.tool_calls) {
    asked.push({ role: "tool", tool_call_id: call.id, content: `sunny in ${JSON.parse(call.function.arguments).city}` });
  }
  await client.chat.completions.create({ model, messages: asked, tools: given });
}

export async function long() {
  const said = Array.from({ length: 101 }, (_, n) => ({ role: ["user", "assistant"][n % 2], content: `This is message ${n}.` }));
  await new OpenAI().chat.completions.create({ model, messages: said });
}

export async function embeddings() {
  await new OpenAI().embeddings.create({ model: "text-embedding-3-small", input: ["Lima", "Cusco"] });
}

export async function responses() {
  await new OpenAI().responses.create({ model, instructions: system, input: question, max_output_tokens: 100 });
}

export async function failure() {
  const asked = [{ role: "user", content: "Please fail." }];
  await new OpenAI().chat.completions.create({ model, messages: asked }).catch(() => {});
}

export async function vercelChat() {
  await generateText({
    ...told, model: openai.chat(model), system, prompt: question, temperature: 0, topP: 0.9, maxOutputTokens: 100,
    presencePenalty: 0.5, frequencyPenalty: 0.25, stopSequences: ["END"], seed: 7,
  });
}

export async function vercelStream() {
  const { textStream } = streamText({ ...told, model: openai.chat(model), system, prompt: question });
  for await (const _ of textStream);
}

export async function vercelTools() {
  await generateText({
    ...told,
    model: openai.chat(model),
    prompt: "How is the weather in Lima and Cusco?",
    tools: {
      get_weather: tool({
        description: weather.description,
        inputSchema: z.object({ city: z.string() }),
        execute: async ({ city }) => `sunny in ${city}`,
      }),
    },
    stopWhen: stepCountIs(2),
  });
}

export async function vercelResponses() {
  await generateText({ ...told, model: openai(model), system, prompt: question });
}

export async function vercelEmbeddings() {
  await embedMany({ ...told, model: openai.embedding("text-embedding-3-small"), values: ["Lima", "Cusco"] });
}

export async function vercelFailure() {
  await generateText({ ...told, model: openai.chat(model), prompt: "Please fail.", maxRetries: 0 }).catch(() => {});
}
