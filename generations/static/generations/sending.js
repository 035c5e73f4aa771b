// A form whose answer is awaited is not sent again: who presses twice on a slow line would make two keys, of which one is
// never seen. What htmx or another script sends is left to it.

const PATIENCE = 5000;
const waiting = new Map();

export function watchSending() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (waiting.has(form)) return event.preventDefault();
    form.setAttribute("aria-busy", "true");
    // By then the page is another one, unless the browser was stopped or what came was a file.
    waiting.set(form, setTimeout(() => free(form), PATIENCE));
  });
  // A page that the browser kept is shown again as it was left.
  addEventListener("pageshow", () => [...waiting.keys()].forEach(free));
}

function free(form) {
  clearTimeout(waiting.get(form));
  waiting.delete(form);
  form.removeAttribute("aria-busy");
}
