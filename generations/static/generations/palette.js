// The palette (Ctrl or Cmd and K: pages, and rows by any of their ids) and the list of keys (?).

export function watchPalette() {
  const palette = document.getElementById("palette");
  if (!palette) return;
  const box = palette.querySelector("input[type=search]");
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      if (palette.open) palette.close();
      else open(palette, box);
    }
  });
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) {
      const dialog = document.getElementById(opener.dataset.opens);
      if (dialog === palette) open(palette, box);
      else dialog.showModal();
    }
    // A click beside a dialog is a click on its backdrop, which is the dialog itself.
    if (event.target.matches("dialog[open]")) event.target.close();
  });
  box.addEventListener("input", () => narrow(palette, box.value));
  palette.addEventListener("htmx:afterSettle", () => mark(palette, 0));
  palette.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      const links = shown(palette);
      mark(palette, links.findIndex((link) => link.matches(".at")) + step);
    } else if (event.key === "Escape") {
      palette.close(); // a search box would keep the first one to empty itself
    } else if (event.key === "Enter") {
      const at = palette.querySelector("a.at:not([hidden])");
      if (!at) return; // the form asks for whatever was written
      event.preventDefault();
      at.click();
    }
  });
}

function open(palette, box) {
  box.value = "";
  palette.querySelector("[data-found]").replaceChildren();
  narrow(palette, "");
  palette.showModal();
  box.focus();
}

function shown(palette) {
  return [...palette.querySelectorAll("a")].filter((link) => !link.hidden);
}

function narrow(palette, text) {
  const wanted = text.trim().toLowerCase();
  for (const link of palette.querySelectorAll("[data-pages] a")) {
    link.hidden = !link.textContent.toLowerCase().includes(wanted);
  }
  palette.querySelector("[data-else]").hidden = !wanted;
  mark(palette, 0);
}

// What is marked is where Enter leads; with nothing to choose from, nothing is.
function mark(palette, place) {
  const links = shown(palette);
  links.forEach((link) => link.classList.remove("at"));
  const at = links[Math.max(0, Math.min(links.length - 1, place))];
  const box = palette.querySelector("input[type=search]");
  at?.classList.add("at");
  at?.scrollIntoView({ block: "nearest" });
  if (at) box.setAttribute("aria-activedescendant", at.id);
  else box.removeAttribute("aria-activedescendant");
}
