// A swap takes the focus away with what it replaces. It goes to the same place in what came instead, so that whoever
// uses a keyboard or listens to the page stays where they were. What is fetched again by itself waits for whoever has
// marked some of it, to copy it.

let lost = null;

export function watchFocus() {
  document.addEventListener("htmx:beforeSwap", (event) => {
    const at = document.activeElement;
    const { target, requestConfig } = event.detail;
    if (isByItself(requestConfig) && isMarked(target)) return void (event.detail.shouldSwap = false);
    if (at && at !== document.body && target.contains(at)) lost = placeOf(at);
    // A choice in a menu that closes leads to what it opened.
    else if (requestConfig.elt.matches("[data-closes]")) lost = { around: [target.id], tag: "input, select", isFirst: true };
  });
  document.addEventListener("htmx:afterSettle", () => {
    const place = lost;
    lost = null;
    if (place && (document.activeElement ?? document.body) === document.body) restore(place);
  });
}

function placeOf(element) {
  const around = [];
  for (let at = element; at; at = at.parentElement) if (at.id) around.push(at.id);
  return { around, tag: element.tagName, name: element.name, href: element.getAttribute("href"), label: label(element), fold: label(element.closest("details")?.querySelector("summary")) };
}

function restore(place) {
  const root = place.around.map((id) => document.getElementById(id)).find(Boolean);
  if (!root) return;
  const alike = [...root.querySelectorAll(place.tag)].filter((one) => (place.isFirst || one.name === place.name) && one.checkVisibility());
  const same =
    (place.href && alike.find((one) => one.getAttribute("href") === place.href)) ||
    alike.find((one) => place.isFirst || label(one) === place.label);
  const fold = place.fold && [...root.querySelectorAll("summary")].find((one) => label(one) === place.fold);
  const next = same || fold || root;
  if (next === root) root.tabIndex = -1;
  next.focus({ preventScroll: true });
}

function isByItself({ elt, triggeringEvent }) {
  return !triggeringEvent && (elt.getAttribute("hx-trigger") ?? "").startsWith("every");
}

function isMarked(target) {
  const marked = window.getSelection();
  return !marked.isCollapsed && marked.containsNode(target, true);
}

// What it is called, without the arrows and numbers that a swap may change.
function label(element) {
  return (element?.getAttribute("aria-label") ?? (element?.textContent.trim() || element?.title) ?? "").replace(/[^\p{L} ]/gu, "").trim();
}
