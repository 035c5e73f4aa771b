// Judging by keyboard: a digit answers the criterion that is marked and marks the next, n passes the item over, u takes
// the last one back, Enter saves. Where an answer is typed, digits go into the field, and Enter saves too.

export function watchReview() {
  const form = document.querySelector("[data-review]");
  if (!form) return;
  const criteria = [...form.querySelectorAll("[data-criterion]")];
  const isAnswered = (one) =>
    one.querySelector("input:checked") || [...one.querySelectorAll("input:not([type=radio])")].some((field) => field.value);
  const mark = (one) => {
    for (const other of criteria) other.classList.toggle("at", other === one);
    // A field that is typed into takes the keys; a choice needs none.
    one?.querySelector("input:not([type=radio])")?.focus();
  };
  mark(criteria.find((one) => !isAnswered(one)) ?? criteria[0]);
  form.addEventListener("focusin", (event) => {
    const one = event.target.closest("[data-criterion]");
    if (one) for (const other of criteria) other.classList.toggle("at", other === one);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (!document.body.contains(form)) return;
    const isTyping = event.target.matches("input:not([type=radio], [type=checkbox]), select, textarea");
    if (event.key === "Escape" && isTyping) return event.target.blur();
    if (isTyping || event.target.closest(".side, summary")) return;
    if (event.key === "Enter" && !event.target.matches("a, button")) {
      form.requestSubmit(form.querySelector("[value=save]"));
    } else if (event.key === "n" || event.key === "u") {
      document.querySelector(`[data-do="${event.key === "n" ? "skip" : "undo"}"]`)?.click();
    } else if (/^[0-9]$/.test(event.key)) {
      answer(event.key);
    } else return;
    event.preventDefault();
  });

  function answer(key) {
    const one = criteria.find((criterion) => criterion.classList.contains("at"));
    const choice = one?.querySelector(`input[data-digit="${key}"]`);
    if (!choice) return;
    choice.checked = true;
    mark(criteria[criteria.indexOf(one) + 1] ?? one);
  }
}
