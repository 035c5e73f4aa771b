// Trees of rows: the triangle before a row folds and unfolds what is below it, which is fetched when it is not there
// yet; arrows walk the rows. `data-level` says how deep a row is, `data-more` of the list where more is to be had.

export function watchOutlines() {
  document.addEventListener("click", (event) => {
    const twist = event.target.closest("button.twist");
    if (twist) turn(twist);
  });
  document.addEventListener("keydown", (event) => {
    const row = event.target.closest?.(".tree-rows > li");
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const twist = row.querySelector("button.twist");
    const isOpen = twist?.getAttribute("aria-expanded") === "true";
    if (event.key === "ArrowDown") focus(beyond(row, "nextElementSibling"));
    else if (event.key === "ArrowUp") focus(beyond(row, "previousElementSibling"));
    else if (event.key === "ArrowRight" && twist && !isOpen) turn(twist);
    else if (event.key === "ArrowLeft" && isOpen) turn(twist);
    else if (event.key === "ArrowLeft") focus(above(row));
    else return;
    event.preventDefault();
  });
  show();
}

// The row that the page is about is scrolled into the list's own view, never the page.
function show() {
  for (const row of document.querySelectorAll(".tree-rows > li[aria-current]")) {
    const list = row.parentElement;
    list.scrollTop = row.offsetTop - list.offsetTop - list.clientHeight / 3;
  }
}

async function turn(twist) {
  const row = twist.closest("li");
  const opens = twist.getAttribute("aria-expanded") !== "true";
  twist.setAttribute("aria-expanded", String(opens));
  const next = row.nextElementSibling;
  if (opens && !(next && level(next) > level(row))) {
    const address = row.parentElement.dataset.more + encodeURIComponent(twist.value);
    await window.htmx.ajax("GET", address, { source: row, target: row, swap: "afterend" });
  }
  fold(row);
}

// Shows or hides what is below a row; what is folded within stays folded.
function fold(row) {
  let hidden = isFolded(row) ? level(row) : Infinity;
  for (let at = row.nextElementSibling; at && level(at) > level(row); at = at.nextElementSibling) {
    if (level(at) <= hidden) hidden = Infinity;
    at.hidden = level(at) > hidden;
    if (!at.hidden && isFolded(at)) hidden = level(at);
  }
}

function isFolded(row) {
  return row.querySelector("button.twist")?.getAttribute("aria-expanded") === "false";
}

function level(row) {
  return Number(row.dataset.level ?? 0);
}

function beyond(row, direction) {
  let at = row[direction];
  while (at?.hidden) at = at[direction];
  return at;
}

function above(row) {
  let at = row.previousElementSibling;
  while (at && level(at) >= level(row)) at = at.previousElementSibling;
  return at;
}

function focus(row) {
  row?.querySelector("a, button.twist")?.focus();
}
