// Selecting rows: the box in the head selects all of the page, and the bar says how many are selected. Whether facets
// are shown is remembered in this browser.

export function watchSelection() {
  const ready = () => {
    document.querySelectorAll("[data-all], [data-select-all]").forEach((box) => (box.hidden = false));
    const facets = document.querySelector("[data-facets]");
    if (facets) facets.open = kept() ?? matchMedia("(min-width: 1380px)").matches;
  };
  document.addEventListener("change", (event) => {
    const form = event.target.closest(".bulk-form");
    if (form) count(form, event.target);
  });
  document.addEventListener("click", (event) => {
    const summary = event.target.closest("[data-facets] > summary");
    if (summary) keep(!summary.parentElement.open);
    event.target.closest("[data-closes]")?.closest("details")?.removeAttribute("open");
  });
  document.addEventListener("htmx:afterSettle", ready);
  ready();
}

function count(form, changed) {
  const boxes = [...form.querySelectorAll("input[name=id]")];
  // One stands in the head of the table, one above it for where there is no head: on a phone.
  const all = [...form.querySelectorAll("[data-all]")];
  const matching = form.querySelector("[data-all-matching]");
  if (all.includes(changed)) boxes.forEach((box) => (box.checked = changed.checked));
  if (changed === matching && matching.checked) boxes.forEach((box) => (box.checked = true));
  const checked = boxes.filter((box) => box.checked).length;
  if (matching && changed !== matching && checked < boxes.length) matching.checked = false;
  all.forEach((box) => {
    box.checked = checked === boxes.length;
    box.indeterminate = checked > 0 && checked < boxes.length;
  });
  form.querySelector("[data-count]").textContent = matching?.checked ? "All that match:" : `${checked} selected:`;
}

function kept() {
  try {
    return JSON.parse(localStorage.getItem("facets"));
  } catch {
    return null; // a browser that keeps nothing
  }
}

function keep(isOpen) {
  try {
    localStorage.setItem("facets", JSON.stringify(isOpen));
  } catch {
    return; // as above
  }
}
