// Runs a program of the page, and then further calls in the same process, instrumented as the page says.
import { trace } from "@opentelemetry/api";

const [program, ...names] = process.argv.slice(2);
await import(program);
const calls = await import("./calls.mjs");
for (const name of names) await calls[name]();
await new Promise(setImmediate); // a span may end just after its call does
await trace.getTracerProvider().getDelegate().forceFlush?.(); // a framework's own exporter flushes by itself
