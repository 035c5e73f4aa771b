// Calls by OpenAI's client in JavaScript; prints what each gave as one line of JSON.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const messages = [{ role: "user", content: "What is the capital of Peru?" }];
const told = {};
told.chat = await client.chat.completions.create({ model: "gpt-4o-mini", messages });
told.stream = [];
for await (const chunk of await client.chat.completions.create({ model: "gpt-4o-mini", messages, stream: true })) {
  told.stream.push(chunk);
}
console.log(JSON.stringify(told));
