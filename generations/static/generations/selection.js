// Selecting rows: the box in the head selects all of the page, and the bar says how many are selected.

export function watchSelection() {
  const ready = () => document.querySelectorAll("[data-all]").forEach((box) => (box.hidden = false));
  document.addEventListener("change", (event) => {
    const form = event.target.closest(".bulk-form");
    if (!form) return;
    const boxes = [...form.querySelectorAll("input[name=id]")];
    const all = form.querySelector("[data-all]");
    if (event.target === all) boxes.forEach((box) => (box.checked = all.checked));
    const count = boxes.filter((box) => box.checked).length;
    all.checked = count === boxes.length;
    all.indeterminate = count > 0 && count < boxes.length;
    form.querySelector("[data-count]").textContent = `${count} selected:`;
  });
  document.addEventListener("htmx:afterSettle", ready);
  ready();
}
