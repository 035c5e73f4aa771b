// Copy buttons: `data-copy` is an address whose text is copied whole, `data-copy-text` the text itself,
// `data-copy-before` copies the element before the button.

export function watchCopying() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest(".copy");
    if (!button) return;
    try {
      await write(text(button));
      button.classList.add("done");
      announce("Copied");
    } catch {
      announce("The browser did not let this page copy");
    }
    setTimeout(() => button.classList.remove("done"), 1500);
  });
}

async function text(button) {
  if ("copyText" in button.dataset) return button.dataset.copyText;
  if ("copyBefore" in button.dataset) return button.previousElementSibling.textContent;
  const answer = await fetch(button.dataset.copy, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(String(answer.status));
  return readable(await answer.text(), "copyMessage" in button.dataset);
}

// A whole message comes as JSON; where it is only text, that text is what a person wants.
function readable(given, isMessage) {
  if (!isMessage) return given;
  try {
    const said = JSON.parse(given);
    if (typeof said?.content === "string" && !said.tool_calls) return said.content;
  } catch {
    return given;
  }
  return given;
}

async function write(promised) {
  if (navigator.clipboard && window.ClipboardItem) {
    // A promise, so that the browser still knows it was asked by a click when the text has come.
    const blob = Promise.resolve(promised).then((value) => new Blob([value], { type: "text/plain" }));
    return navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
  }
  const area = document.createElement("textarea");
  area.value = await promised;
  area.className = "sr";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("refused");
}

function announce(words) {
  let region = document.getElementById("announcements");
  if (!region) {
    region = Object.assign(document.createElement("div"), { id: "announcements", className: "sr" });
    region.setAttribute("role", "status");
    document.body.append(region);
  }
  region.textContent = words;
}
