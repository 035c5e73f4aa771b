// Menus are <details>: one is open at a time, a click beside it or Escape closes it. What is asked before something is
// destroyed is one too: what opened it hides, and the focus goes on to the question, and back with Escape.

export function watchMenus() {
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details[data-menu][open], details.confirm[open]:focus-within")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  const open = (event) => {
    if (!event.target.matches("details.confirm[open]")) return;
    event.target.querySelector(":scope > :not(summary) input:not([type=hidden]), button").focus();
  };
  document.addEventListener("toggle", open, { capture: true });
}
