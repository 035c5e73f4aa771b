// The filter form: operators and values that fit the chosen field.

export function watchFilters() {
  const fit = () => document.querySelectorAll("[data-field]").forEach(narrow);
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-field]")) narrow(event.target);
  });
  document.addEventListener("htmx:afterSettle", fit);
  fit();
}

function narrow(select) {
  const form = select.closest(".filter-form");
  const chosen = select.selectedOptions[0];
  const operators = (chosen?.dataset.operators ?? "").split(" ").filter(Boolean);
  const operator = form.querySelector("[data-operator]");
  for (const option of operator.options) {
    option.hidden = option.disabled = operators.length > 0 && !operators.includes(option.value);
  }
  if (operator.selectedOptions[0]?.disabled) {
    operator.value = operators[0];
  }
  form.querySelector("[data-dynamic-key]").hidden = !("dynamic" in (chosen?.dataset ?? {}));
  const values = document.getElementById("filter-values");
  values.replaceChildren(
    ...(chosen?.dataset.choices ?? "").split(",").filter(Boolean).map((value) => new Option(value, value)),
  );
  const value = form.querySelector("[data-value]");
  const kind = chosen?.dataset.kind;
  value.inputMode = kind === "number" ? "decimal" : "text";
  value.placeholder = { time: "2026-03-01T12:00 or now-24h", number: "a number", tags: "a tag" }[kind] ?? "";
}
