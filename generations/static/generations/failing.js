// What the server refuses or cannot answer is said above the page, which stays as it was: a whole page that tells of an
// error would otherwise stand in the place of a panel, and no answer at all would look as if nothing had been pressed.

const AGAIN = "Try again in a moment.";

const PAGE = /^\s*<!doctype/i;

// What an answer that is an error says in words: the heading of a whole page and what follows it, or the text itself.
export function toldBy(text, status) {
  const page = PAGE.test(text) ? new DOMParser().parseFromString(text, "text/html") : null;
  const told = [...(page?.querySelectorAll("main h1, main h1 ~ p") ?? [])].map((one) => one.textContent.trim());
  const words = page ? told.slice(0, 2).join(": ") : text.slice(0, 1000);
  return words || `The server could not answer (${status}). ${AGAIN}`;
}

export function watchFailures() {
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr } = event.detail;
    const isPage = PAGE.test(xhr.responseText);
    if (xhr.status < 400 || (xhr.status < 500 && !isPage)) return say("");
    event.detail.shouldSwap = false;
    say(toldBy(isPage ? xhr.responseText : "", xhr.status), xhr.status);
  });
  document.addEventListener("htmx:sendError", () => say(`The server cannot be reached. ${AGAIN}`));
}

// Who is signed out keeps what was typed: the way to sign in is another tab. Where somebody else is signed in by now, there
// is no way on that keeps it.
function say(text, status = 0) {
  const place = document.getElementById("failure");
  if (!place) return;
  place.hidden = !text;
  place.querySelector("span").textContent = text;
  const way = place.querySelector("a");
  const isSignedOut = status === 401;
  way.hidden = status === 409;
  way.textContent = isSignedOut ? "Sign in" : "Reload the page";
  way.href = isSignedOut ? "/login/" : "";
  way.target = isSignedOut ? "_blank" : "";
}
