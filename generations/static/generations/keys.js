// Keys: j and k walk the rows of a list or the neighbours of a page, x selects a row; what else a key does stands at
// the element that does it, as `data-key`.

export function watchKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const rows = [...document.querySelectorAll("[data-row]")];
    if (rows.length && (event.key === "j" || event.key === "k")) {
      walk(rows, event.key === "j" ? 1 : -1);
    } else if (event.key === "x" && document.querySelector("tr.at input[name=id]")) {
      document.querySelector("tr.at input[name=id]").click();
    } else {
      const target = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
      if (!target) return;
      if (target.matches("input")) target.focus();
      else target.click();
    }
    event.preventDefault();
  });
}

function isWriting(element) {
  return element.matches("input:not([type=checkbox]), select, textarea, [contenteditable]");
}

function walk(rows, step) {
  const here = rows.findIndex((row) => row.classList.contains("at"));
  const next = rows[Math.min(rows.length - 1, Math.max(0, here + step))];
  rows[here]?.classList.remove("at");
  next.classList.add("at");
  next.querySelector(".row-link")?.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}
