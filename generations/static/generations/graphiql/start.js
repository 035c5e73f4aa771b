// Starts GraphiQL on the element that the page prepared: its address, CSRF token, project and first query.
const root = document.getElementById("graphiql");
const given = root.dataset;
const { React, createRoot, GraphiQL, setNonce } = window.GraphiQLBundle;
const element = React.createElement;

// The menus lock scrolling with a style of their own, which the page's policy lets in by its nonce.
setNonce(given.nonce);

let project = given.project;

async function fetcher(request, options) {
  const answer = await fetch(given.endpoint, {
    method: "POST",
    credentials: "same-origin",
    headers: {
      ...(options && options.headers),
      "Content-Type": "application/json",
      "X-CSRFToken": given.csrf,
      ...(project ? { "X-Project": project } : {}),
    },
    body: JSON.stringify(request),
  });
  return answer.json();
}

function Logo() {
  const projects = JSON.parse(document.getElementById("graphiql-projects").textContent);
  const [chosen, choose] = React.useState(project);
  const change = (event) => {
    project = event.target.value;
    choose(project);
    const address = new URL(window.location.href);
    address.searchParams.set("project", project);
    window.history.replaceState(null, "", address);
  };
  return element(
    "span",
    { className: "generations-logo" },
    element("a", { href: given.home }, "Generations"),
    projects.length
      ? element(
          "select",
          { value: chosen, onChange: change, "aria-label": "Project" },
          projects.map((one) => element("option", { key: one.slug, value: one.slug }, one.name)),
        )
      : null,
  );
}

createRoot(root).render(
  element(
    GraphiQL,
    {
      fetcher,
      defaultQuery: given.defaultQuery,
      ...(given.query ? { query: given.query } : {}),
      ...(given.variables ? { variables: given.variables } : {}),
      shouldPersistHeaders: false,
      isHeadersEditorEnabled: false,
    },
    element(GraphiQL.Logo, null, element(Logo)),
  ),
);
