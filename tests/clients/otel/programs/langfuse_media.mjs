// An image in a call, which Langfuse's SDK cuts out and uploads by itself.
import { observeOpenAI } from "@langfuse/openai";
import { LangfuseSpanProcessor } from "@langfuse/otel";
import { startActiveObservation } from "@langfuse/tracing";
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { readFileSync } from "node:fs";
import OpenAI from "openai";

const provider = new NodeTracerProvider({ spanProcessors: [new LangfuseSpanProcessor()] });
provider.register();

const url = `data:image/png;base64,${readFileSync(process.env.IMAGE_FILE).toString("base64")}`;
const said = [{ type: "text", text: "What is this?" }, { type: "image_url", image_url: { url } }];
for (let n = 0; n < 2; n++) {
  await startActiveObservation("answer", () =>
    observeOpenAI(new OpenAI()).chat.completions.create({
      model: "gpt-4o-mini",
      messages: [{ role: "user", content: said }],
    }),
  );
}
await provider.forceFlush();
