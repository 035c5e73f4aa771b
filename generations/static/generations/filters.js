// The filter form and the filter builder: operators and values that fit the chosen field.

const HINTS = { time: "2026-03-01T12:00 or now-24h", number: "a number", tags: "a tag" };

export function watchFilters() {
  const fit = () => {
    document.querySelectorAll("[data-field]").forEach(narrow);
    document.querySelectorAll("[data-node-field]").forEach(narrowNode);
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-field]")) narrow(event.target);
    if (event.target.matches("[data-node-field]")) narrowNode(event.target);
  });
  document.addEventListener("htmx:afterSettle", fit);
  fit();
}

function narrow(select) {
  const form = select.closest(".filter-form");
  const chosen = select.selectedOptions[0];
  allow(form.querySelector("[data-operator]"), chosen?.dataset.operators);
  form.querySelector("[data-dynamic-key]").hidden = !("dynamic" in (chosen?.dataset ?? {}));
  offer(document.getElementById("filter-values"), chosen?.dataset.choices);
  const value = form.querySelector("[data-value]");
  const kind = chosen?.dataset.kind;
  value.inputMode = kind === "number" ? "decimal" : "text";
  value.placeholder = HINTS[kind] ?? "";
}

function narrowNode(field) {
  const node = field.closest(".node");
  const known = [...(field.list?.options ?? [])];
  const written = field.value.trim();
  // What ends with a dot stands for all that is behind it.
  const option = known.find((one) => one.value === written) ?? known.find((one) => one.value.endsWith(".") && written.startsWith(one.value));
  allow(node.querySelector("[data-node-operator]"), option?.dataset.operators);
  const value = node.querySelector("[data-node-value]");
  value.placeholder = HINTS[option?.dataset.kind] ?? "Value";
  if (!option?.dataset.choices) return value.removeAttribute("list");
  let list = value.nextElementSibling;
  if (!list?.matches("datalist")) {
    list = Object.assign(document.createElement("datalist"), { id: `values-${value.name}` });
    value.after(list);
  }
  offer(list, option.dataset.choices);
  value.setAttribute("list", list.id);
}

function allow(select, named) {
  const operators = (named ?? "").split(" ").filter(Boolean);
  for (const option of select.options) {
    option.hidden = option.disabled = operators.length > 0 && !operators.includes(option.value);
  }
  if (select.selectedOptions[0]?.disabled) select.value = operators[0];
}

function offer(list, choices) {
  list.replaceChildren(...(choices ?? "").split(",").filter(Boolean).map((value) => new Option(value, value)));
}
