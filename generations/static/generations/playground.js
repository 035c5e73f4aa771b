// Runs the columns of the playground at the same time and shows each answer as it comes. Without it, a post does.
import { toldBy } from "./failing.js";

const form = document.getElementById("playground");
const results = document.getElementById("results");
const LOOKS = 10;
let stopping = null;

function place(model) {
  const article = document.createElement("article");
  article.className = "message assistant play-result";
  const heading = document.createElement("h3");
  heading.textContent = model;
  const head = document.createElement("header");
  head.append(heading);
  const text = document.createElement("pre");
  text.className = "text answer";
  text.dir = "auto";
  article.append(head, text);
  results.append(article);
  return article;
}

function failed(article, words) {
  const told = document.createElement("p");
  told.className = "field-error";
  told.setAttribute("role", "alert");
  told.textContent = words;
  article.classList.replace("assistant", "failed");
  article.append(told);
}

// A call that was stopped, or broke off, is recorded as far as it came once the server has noticed: soon, not at once.
async function linked(article) {
  const address = article.dataset.call;
  for (let tries = 0; address && article.isConnected && tries < LOOKS; tries += 1) {
    const there = await fetch(address, { method: "HEAD" }).catch(() => null);
    if (there?.ok && !there.redirected) {
      const link = document.createElement("a");
      link.href = address;
      link.textContent = "Open what was recorded of it";
      article.querySelector("[role=alert]").append(" ", link);
      return;
    }
    await new Promise((done) => setTimeout(done, 1_000));
  }
}

function took(article, event) {
  const lines = event.split("\n");
  const data = lines.find((line) => line.startsWith("data: "));
  if (!data) return false;
  const said = JSON.parse(data.slice(6));
  if (lines.includes("event: begun")) {
    article.dataset.call = said.address;
    return false;
  }
  if (!lines.includes("event: done")) {
    article.querySelector("pre").append(said.text);
    return false;
  }
  article.outerHTML = said.html;
  return true;
}

async function run(column, data, signal) {
  const article = place(data.getAll("model")[column]);
  try {
    const address = `${form.dataset.stream}?column=${column}`;
    const response = await fetch(address, { method: "POST", body: data, signal });
    if (!response.ok || !response.body) return failed(article, toldBy(await response.text(), response.status));
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let held = "";
    let isDone = false;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const events = (held + value).split("\n\n");
      held = events.pop();
      for (const event of events) isDone = took(article, event) || isDone;
    }
    if (isDone) return;
    failed(article, "The answer broke off.");
  } catch (problem) {
    failed(article, signal.aborted ? "Stopped." : `No answer: ${problem.message}`);
  }
  linked(article);
}

form?.addEventListener("submit", async (event) => {
  if (event.submitter?.value !== "run") return;
  event.preventDefault();
  stopping?.abort();
  const mine = (stopping = new AbortController());
  const stop = form.querySelector("[data-stop]");
  const data = new FormData(form);
  results.replaceChildren();
  results.dataset.columns = data.getAll("model").length;
  stop.hidden = false;
  results.scrollIntoView({ block: "nearest" });
  await Promise.all(data.getAll("model").map((_, column) => run(column, data, mine.signal)));
  if (stopping === mine) stop.hidden = true;
});

form?.querySelector("[data-stop]")?.addEventListener("click", () => stopping?.abort());
