// A form is sent with the token that the browser has by then. Who signs in changes it: a page that was opened before, in
// another tab, would be told that its form has expired.

const NAME = document.querySelector("meta[name=csrf-cookie]")?.content;

export function watchTokens() {
  document.addEventListener("submit", (event) => renew(event.target), { capture: true });
}

function renew(form) {
  const token = document.cookie.split("; ").find((one) => one.startsWith(`${NAME}=`))?.slice(NAME.length + 1);
  const field = form.querySelector("input[name=csrfmiddlewaretoken]");
  if (token && field) field.value = token;
}
