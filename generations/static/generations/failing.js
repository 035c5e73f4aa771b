// What the server refuses or cannot answer is said above the page, which stays as it was: a whole page that tells of an
// error would otherwise stand in the place of a panel, and no answer at all would look as if nothing had been pressed.

const AGAIN = "Try again in a moment.";

export function watchFailures() {
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr } = event.detail;
    const page = /^\s*<!doctype/i.test(xhr.responseText) ? new DOMParser().parseFromString(xhr.responseText, "text/html") : null;
    if (xhr.status < 400 || (xhr.status < 500 && !page)) return say("");
    event.detail.shouldSwap = false;
    const told = [...(page?.querySelectorAll("main h1, main h1 ~ p") ?? [])].map((one) => one.textContent.trim());
    say(told.slice(0, 2).join(": ") || `The server could not answer (${xhr.status}). ${AGAIN}`);
  });
  document.addEventListener("htmx:sendError", () => say(`The server cannot be reached. ${AGAIN}`));
}

function say(text) {
  const place = document.getElementById("failure");
  if (!place) return;
  place.hidden = !text;
  place.querySelector("span").textContent = text;
}
