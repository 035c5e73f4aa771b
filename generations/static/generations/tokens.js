// A form is sent with the token that the browser has by then. Who signs in changes it: a page that was opened before, in
// another tab, would be told that its form has expired. And it says who was signed in when the page was opened, so that
// nothing is done in the name of somebody else who has signed in since.

const COOKIE = document.querySelector("meta[name=csrf-cookie]")?.content;
const PERSON = document.querySelector("meta[name=signed-in]")?.content;

export function watchTokens() {
  document.addEventListener("submit", (event) => renew(event.target), { capture: true });
}

function renew(form) {
  const token = document.cookie.split("; ").find((one) => one.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1);
  const field = form.querySelector("input[name=csrfmiddlewaretoken]");
  if (!field) return;
  if (token) field.value = token;
  if (PERSON && !form.querySelector("input[name=opened_by]")) field.after(hidden("opened_by", PERSON));
}

function hidden(name, value) {
  const field = document.createElement("input");
  return Object.assign(field, { type: "hidden", name, value });
}
