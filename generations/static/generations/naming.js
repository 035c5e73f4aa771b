// What is pressed in the row of a table is called the same in each row: "Remove". Who hears one control after the other
// is told of which row it is as well. The visible words come first, so that who speaks to the browser can say them.

const MOST = 80;
const CONTROLS = "main .list tbody :is(button, summary, a[href]):not([aria-label], .row-link)";

export function watchNames() {
  const name = () => document.querySelectorAll(CONTROLS).forEach(call);
  document.addEventListener("htmx:afterSettle", name);
  name();
}

function call(control) {
  const row = control.closest("tr");
  const words = said(control);
  // A link that stands for its row has the row's name already, and what is only drawn has a label of its own.
  if (!words || control.closest("td, th")?.matches(".c-main, th[scope=row]")) return;
  const cells = [...row.cells].filter((cell) => !cell.matches(".check") && !cell.contains(control));
  const named = cells.filter((cell, place) => place === 0 || cell.matches(".c-main, th[scope=row]")).map(said);
  const of = named.filter(Boolean).join(", ").slice(0, MOST);
  if (of) control.setAttribute("aria-label", `${words}: ${of}`);
}

function said(element) {
  return element.textContent.replace(/\s+/g, " ").trim();
}
